"""What a short letter says, without the greeting above and the thanks and the name below. Pure."""

from __future__ import annotations

import re
from typing import Final

#: Longest letter of which anything is taken away, in characters; and the longest name below it.
LONGEST: Final = 600
_NAME: Final = 40
_MOST_BELOW: Final = 4

_GREETING: Final = re.compile(
    r"(?:здравей(?:те)?|здрасти|привет|добър (?:ден|вечер)|добро утро|уважаем[аи]\b|здравствуйте|добрый день|hi|hello|"
    r"hey|dear|good (?:morning|day|afternoon|evening)|hallo|guten (?:tag|morgen)|sehr geehrte|bonjour|madame|hola|"
    r"buenos días|buongiorno|ciao|olá|bună ziua|merhaba|dzień dobry|dobrý den|jó napot|hej|zdravo|pozdrav|здраво|"
    r"zdraveite|zdravejte|dobar den)[\w .’'-]{0,40}",
    re.I,
)
_FAREWELL: Final = re.compile(
    r"(?:с уважение|поздрави|благодаря|мерси|лек|хубав|приятен|всичко добро|спасибо|с уважением|(?:many )?thanks|"
    r"thank you|thx|(?:best|kind|warm)?\s?(?:regards|wishes)|best|yours|sincerely|cheers|"
    r"mit (?:freundlichen|besten) grüßen|mfg|danke|viele grüße|merci|cordialement|bien cordialement|gracias|"
    r"un saludo|saludos|grazie|cordiali saluti|obrigad[oa]|cumprimentos|mulțumesc|teşekkür\w*|dziękuję|pozdrawiam|"
    r"děkuji|köszönöm|bedankt|tack|tak|hvala|хвала|благодарам|дякую|blagodarya|blagodaria|pozdravi)\b[\w ,.’'-]{0,40}",
    re.I,
)
_NAMED: Final = re.compile(r"(?:[A-ZА-Я][\w.’'-]*\s?){1,3}")
#: Thanks at the end of the sentence itself.
_THANKS: Final = re.compile(r",\s*(?:thank you|thanks|благодаря(?: ви)?|мерси|спасибо|danke|merci)[\s.!]*$", re.I)
#: Where a sentence ends, or a greeting.
_PIECES: Final = re.compile(r"\n+|(?<=[.!?])\s+")


def without_courtesies(text: str) -> str:
    """What is left; the whole of a longer letter, and of one that is nothing but courtesy."""
    if len(text) > LONGEST:
        return text
    greeted = _GREETING.match(text.strip())
    body = text.strip()
    if greeted and body[greeted.end() : greeted.end() + 1] in {",", "!", ".", "\n"}:
        body = body[greeted.end() + 1 :].strip()
    pieces = [piece.strip() for piece in _PIECES.split(body) if piece.strip()]
    end = next((number for number in range(1, len(pieces)) if _is_farewell(pieces, number)), len(pieces))
    return _THANKS.sub("", "\n".join(pieces[:end])) or text


def _is_farewell(pieces: list[str], number: int) -> bool:
    """Whether from here on there is nothing but thanks, regards and a name."""
    below = pieces[number:]
    if len(below) > _MOST_BELOW or any(len(piece) > _NAME or "?" in piece for piece in below):
        return False
    first = below[0].rstrip(".,!")
    return bool(_FAREWELL.fullmatch(first)) or (len(below) == 1 and bool(_NAMED.fullmatch(first)))
