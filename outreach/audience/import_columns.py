"""What a file's columns are taken for: by their names, unless whoever hands the file in says otherwise. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from outreach.audience.csv_reader import FileFormat
from outreach.core.errors import Invalid

#: Columns with a meaning, and the Bulgarian names that offices give them. Any other column is an attribute.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "email": ("e-mail", "mail", "имейл", "е-поща", "електронна поща", "имейл адрес", "поща"),
    "phone": ("mobile", "телефон", "мобилен", "мобилен телефон", "тел", "тел."),
    "name": ("име", "имена", "наименование", "име и фамилия"),
    "kind": ("вид", "тип"),
    "language": ("lang", "език"),
    "timezone": ("time zone", "часова зона", "часови пояс"),
    "preferred_channel": ("preferred channel", "предпочитан канал", "предпочитан начин", "предпочитана връзка"),
    "region": ("област", "регион", "oblast"),
    "frequency": ("how often", "честота", "колко често"),
    "consent_source": ("източник на съгласие", "източник на съгласието"),
    "consent_at": ("дата на съгласие", "дата на съгласието", "съгласие от"),
    "consent_text_version": ("версия на текста", "версия на съгласието"),
    "consent_language": ("език на текста", "език на съгласието"),
}
_MEANING: Final = {name: field for field, names in COLUMNS.items() for name in (field, *names)}

#: How addresses look; whether they are some is another's question (`addresses`).
_LOOKS: Final = {
    "email": re.compile(r"\s*[^@\s]{1,200}@[^@\s]{1,200}\s*"),
    "phone": re.compile(r"\s*(?=(?:\D*\d){7})[+0][\d ()/.-]{6,24}\s*"),
}
#: What a column without a meaning is: kept under its own name, or not kept at all.
ATTRIBUTE: Final = "attribute"
LEFT_OUT: Final = "left_out"
#: How an export's own columns begin.
OF_EXPORTS: Final = "outreach_"
#: Everything that a column can be taken for, and how people call it.
WORDS: Final[dict[str, Any]] = {
    "email": _("E-mail address"),
    "phone": _("Telephone number"),
    "name": _("Name"),
    "kind": _("Kind of person"),
    "language": _("Language"),
    "timezone": _("Time zone"),
    "preferred_channel": _("Preferred channel"),
    "region": _("Region"),
    "frequency": _("How often they want it"),
    "consent_source": _("Consent: where it was given"),
    "consent_at": _("Consent: when it was given"),
    "consent_text_version": _("Consent: text that was shown"),
    "consent_language": _("Consent: language of that text"),
    ATTRIBUTE: _("Attribute of that name"),
    LEFT_OUT: _("Leave out"),
}


def meaning(column: str) -> str:
    """The field that a column fills by its name, or '' for an attribute."""
    return _MEANING.get(" ".join(column.casefold().split()), "")


def taken_for(column: str, mapping: Mapping[str, str]) -> str:
    """What this column is taken for: a word of WORDS. What an export says beyond a person's fields is left out."""
    return mapping.get(column) or meaning(column) or (LEFT_OUT if column.startswith(OF_EXPORTS) else ATTRIBUTE)


def may_say(form: FileFormat, mapping: Mapping[str, str], word: str) -> bool:
    """Whether a row of the file may say this; the keys of NDJSON are not known before they are read."""
    return not form.delimiter or any(taken_for(column, mapping) == word for column in form.columns)


def check_mapping(form: FileFormat, mapping: Mapping[str, str]) -> None:
    """Refuse a mapping that makes no sense for this file.

    Raises:
        Invalid: a word is not known, a column is not there, two hold the same thing, or none holds addresses.
    """
    problems = {f"columns/{column}": told for column, word in mapping.items() if (told := _fault(form, column, word))}
    holders: dict[str, str] = {}
    for column in form.columns or mapping:
        word = taken_for(column, mapping)
        if word in COLUMNS and holders.setdefault(word, column) != column:
            problems.setdefault(f"columns/{column}", _("Another column is taken for this already."))
    if form.columns and not problems and not {"email", "phone"} & holders.keys():
        problems["columns"] = _("Say which column holds e-mail addresses or telephone numbers.")
    if problems:
        raise Invalid({path: [told] for path, told in problems.items()})


def _fault(form: FileFormat, column: str, word: str) -> Any:
    if word not in WORDS:
        return _("A column cannot be taken for this.")
    if form.columns and column not in form.columns:
        return _("The file has no such column.")
    return None


def propose(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """What named columns seem to hold: by their names, and by the first rows where no name tells of addresses."""
    mapping: dict[str, str] = {}
    for column in filter(None, columns):
        word = taken_for(column, {})
        mapping[column] = ATTRIBUTE if word in COLUMNS and word in mapping.values() else word
    if {"email", "phone"} & set(mapping.values()):
        return mapping
    for place, column in enumerate(columns):
        values = [row[place] for row in rows if place < len(row) and row[place].strip()]
        for word, looks in _LOOKS.items():
            if column and values and word not in mapping.values() and all(map(looks.fullmatch, values)):
                mapping[column] = word
    return mapping
