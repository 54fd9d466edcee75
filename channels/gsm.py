"""How a text travels as SMS: the GSM 7-bit alphabet of 3GPP TS 23.038, UCS-2 for all others, and its parts.

What is counted before sending and what an adapter cuts are the same function, so that no price surprises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: The default alphabet in the order of its codes; 0x1B leads to the extension table.
_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Reached by an escape, so that each takes two places.
_EXTENSION: Final = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
_ESCAPE: Final = 0x1B
_CODES: Final = {letter: bytes([code]) for code, letter in enumerate(_BASIC) if code != _ESCAPE} | {
    letter: bytes([_ESCAPE, code]) for letter, code in _EXTENSION.items()
}
_EXTENDED_LETTERS: Final = {code: letter for letter, code in _EXTENSION.items()}

#: Places of a message that is alone, and of each part of a longer one, whose head takes the rest.
GSM_PLACES: Final = (160, 153)
UCS2_PLACES: Final = (70, 67)


@dataclass(frozen=True, kw_only=True)
class SmsText:
    """A text cut into what the network carries."""

    #: `gsm7` or `ucs2`.
    encoding: str
    #: Each part's letters, encoded: an octet a septet, or UTF-16 big-endian. One empty part for an empty text.
    parts: tuple[bytes, ...]
    #: Places used over all parts: septets, or UTF-16 units.
    length: int
    #: Places left in the last part.
    left: int


def cut(text: str) -> SmsText:
    """Cut as the networks do: 160 or 153 places a part in the GSM alphabet, 70 or 67 in any other.

    A character of two places is never cut in half.
    """
    if is_gsm(text):
        return _cut("gsm7", [_CODES[letter] for letter in text], places=GSM_PLACES, octets=1)
    return _cut("ucs2", [letter.encode("utf-16-be", "replace") for letter in text], places=UCS2_PLACES, octets=2)


def is_gsm(text: str) -> bool:
    """Whether the GSM alphabet has every letter; one that it lacks costs the whole message more than half its room."""
    return all(letter in _CODES for letter in text)


def foreign_letters(text: str) -> str:
    """The letters that the GSM alphabet lacks, each once, in their order."""
    return "".join(dict.fromkeys(letter for letter in text if letter not in _CODES))


def decode_gsm(octets: bytes) -> str:
    """The text of octets that hold a septet each; what stands for nothing becomes a space, as handsets show it."""
    return "".join(_decode(octets))


def _decode(octets: bytes) -> Iterator[str]:
    is_escaped = False
    for octet in octets:
        if is_escaped:
            yield _EXTENDED_LETTERS.get(octet, " ")
        elif octet != _ESCAPE:
            yield _BASIC[octet] if octet < len(_BASIC) else " "
        is_escaped = octet == _ESCAPE and not is_escaped


def _cut(encoding: str, letters: list[bytes], *, places: tuple[int, int], octets: int) -> SmsText:
    whole, part = places
    length = sum(map(len, letters)) // octets
    if length <= whole:
        return SmsText(encoding=encoding, parts=(b"".join(letters),), length=length, left=whole - length)
    parts = [b""]
    for letter in letters:
        if len(parts[-1]) + len(letter) > part * octets:
            parts.append(b"")
        parts[-1] += letter
    return SmsText(encoding=encoding, parts=tuple(parts), length=length, left=part - len(parts[-1]) // octets)
