"""How long a text message is, as the networks count it: GSM 03.38 letters, SMS segments, and posts with short links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Each takes two places: an escape and itself.
_GSM_EXTENDED: Final = frozenset("^{}\\[~]|€\f")

_URL: Final = re.compile(r"https?://[^\s<>\"]+")
#: X counts every link as 23 characters: https://docs.x.com/fundamentals/counting-characters
LINK_LENGTH: Final = 23
LONGEST_POST: Final = 280
#: Ranges that X counts as one; everything else counts as two.
_LIGHT: Final = ((0, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))


@dataclass(frozen=True, kw_only=True)
class SmsSize:
    """What an SMS takes."""

    #: `gsm7` or `ucs2`.
    encoding: str
    #: Places used: septets, or UTF-16 units.
    length: int
    segments: int
    #: Places left in the last segment.
    left: int


def measure_sms(text: str) -> SmsSize:
    """Count as the network does: 160 or 153 a part in the GSM alphabet, 70 or 67 in any other."""
    if all(letter in _GSM_BASIC or letter in _GSM_EXTENDED for letter in text):
        return _size("gsm7", [2 if letter in _GSM_EXTENDED else 1 for letter in text], whole=160, part=153)
    return _size("ucs2", [2 if ord(letter) > 0xFFFF else 1 for letter in text], whole=70, part=67)


def _size(encoding: str, places: list[int], *, whole: int, part: int) -> SmsSize:
    length = sum(places)
    if length <= whole:
        return SmsSize(encoding=encoding, length=length, segments=1 if length else 0, left=whole - length)
    segments, used = 1, 0
    for place in places:  # a character of two places is never cut in half
        if used + place > part:
            segments, used = segments + 1, 0
        used += place
    return SmsSize(encoding=encoding, length=length, segments=segments, left=part - used)


def measure_post(text: str) -> int:
    """Count as X does: a link is 23, letters of most alphabets one, emoji and CJK two."""
    links = _URL.findall(text)
    rest = _URL.sub("", text)
    return LINK_LENGTH * len(links) + sum(_weight(letter) for letter in rest)


def _weight(letter: str) -> int:
    point = ord(letter)
    return 1 if any(low <= point <= high for low, high in _LIGHT) else 2
