"""How long a text message is, as the networks count it: SMS segments, and posts with short links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from channels.gsm import cut
from outreach.delivery.latin import to_latin

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
    found = cut(text)
    return SmsSize(
        encoding=found.encoding, length=found.length, segments=len(found.parts) if found.length else 0, left=found.left
    )


def measure_in_latin(text: str) -> SmsSize | None:
    """The same text's size in Latin letters; None where it would not be cheaper."""
    size, other = measure_sms(text), measure_sms(to_latin(text))
    return other if other.segments < size.segments else None


def measure_post(text: str) -> int:
    """Count as X does: a link is 23, letters of most alphabets one, emoji and CJK two."""
    links = _URL.findall(text)
    rest = _URL.sub("", text)
    return LINK_LENGTH * len(links) + sum(_weight(letter) for letter in rest)


def _weight(letter: str) -> int:
    point = ord(letter)
    return 1 if any(low <= point <= high for low, high in _LIGHT) else 2
