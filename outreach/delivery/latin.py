"""Bulgarian in Latin letters, by the Streamlined System of the Transliteration Act (SG 19/2009): an SMS holds more so.

Offered to whoever writes a text and never done behind their back: the letters change in the text itself.
"""

from __future__ import annotations

import re
from typing import Final

#: Article 4, and the signs that typesetting has and the GSM alphabet lacks.
_LETTERS: Final = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъьюяѝ",
        "a b v g d e zh z i y k l m n o p r s t u f h ts ch sh sht a y yu ya i".split(),  # noqa: SIM905 -- a table
        strict=True,
    )
)
_SIGNS: Final = str.maketrans(
    {"„": '"', "“": '"', "”": '"', "«": '"', "»": '"', "’": "'", "‘": "'", "–": "-", "—": "-", "…": "..."}
    | {"№": "No", "\u00a0": " ", "\u202f": " ", "\u2011": "-", "\u00ad": ""}
)
_WORD: Final = re.compile(r"[А-Яа-яЍѝ]+")
#: Article 6: "ия" at the end of a word. Article 5: the name of the country stands as it is known.
_END: Final = "ия"
_AS_KNOWN: Final = {"българия": "bulgaria"}
#: What prints a value, what controls the template, and addresses, which stay as they are.
_TEMPLATE: Final = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|https?://\S+)", re.S)
_PRINTED: Final = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.S)
#: The templates' filter that does to a value what is done to a text.
FILTER: Final = "latin"


def to_latin(text: str) -> str:
    """Write Bulgarian words in Latin letters; what is not Cyrillic stays."""
    return _WORD.sub(lambda found: _word(found[0]), text.translate(_SIGNS))


def template_to_latin(body: str) -> str:
    """The same for a template: its words now, and the values that it prints when they are known."""
    return "".join(_piece(piece) for piece in _TEMPLATE.split(body))


def is_latin_already(body: str) -> bool:
    """Whether nothing of the template would change."""
    return template_to_latin(body) == body


def _piece(piece: str) -> str:
    if found := _PRINTED.fullmatch(piece):
        is_done = found[1].endswith(f"|{FILTER}") or found[1].endswith(("_url", ".url"))
        return piece if is_done else f"{{{{ ({found[1]})|{FILTER} }}}}"
    return piece if _TEMPLATE.fullmatch(piece) else to_latin(piece)


def _word(word: str) -> str:
    lower = word.lower()
    latin = _AS_KNOWN.get(lower)
    if latin is not None:
        return _cased(latin, word)
    stem = f"{lower[:-2]}иa" if lower.endswith(_END) and len(lower) > len(_END) else lower
    is_shouted = word.isupper() and len(word) > 1
    letters = (_LETTERS.get(letter, letter) for letter in stem)
    return "".join(_letter(letter, old, is_shouted=is_shouted) for letter, old in zip(letters, word, strict=True))


def _letter(latin: str, old: str, *, is_shouted: bool) -> str:
    if is_shouted:
        return latin.upper()
    return latin.capitalize() if old.isupper() else latin


def _cased(latin: str, word: str) -> str:
    return latin.upper() if word.isupper() else latin.capitalize() if word[0].isupper() else latin
