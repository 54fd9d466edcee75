"""Signed compact tokens of links in messages: no query is needed to verify one.

`<key id><kind><varints><10 bytes of HMAC-SHA-256>`, base64url without padding. In aggregate tracking `delivery` is 0:
the token then says which message of a run, not whose.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from outreach.core.secrets import mac
from outreach.core.vocabulary import Channel, Language

#: Truncated as RFC 2104 section 5 allows; 80 bits cannot be guessed over HTTP.
SIGNATURE_BYTES: Final = 10
#: The newest key signs; older ones still verify.
KEY_ID: Final = 1

_PURPOSE: Final = f"tokens/{KEY_ID}"
#: The alphabet of RFC 4648, section 5.
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
CHANNELS: Final[tuple[str, ...]] = tuple(Channel.values)
LANGUAGES: Final[tuple[str, ...]] = ("", *Language.values)


class TokenKind(IntEnum):
    """What a token is for; one kind never passes for another."""

    OPEN = 1
    CLICK = 2
    #: Unsubscribe and preferences: always personal.
    PERSON = 3
    #: The message in the browser.
    VIEW = 4
    #: The unguessable part of a provider's call-back URL for one delivery.
    CALLBACK = 5


@dataclass(frozen=True, kw_only=True)
class Token:
    """What a token says."""

    kind: TokenKind
    run: int
    #: `Delivery.id`, 0 in aggregate tracking.
    delivery: int = 0
    channel: str = Channel.EMAIL
    language: str = ""
    #: Position of the link in the content.
    link: int = 0

    @property
    def public_id(self) -> str:
        return f"{self.run}-{self.delivery}"


def make(token: Token) -> str:
    """Sign a token; about 30 characters."""
    return Series(token).make(token.delivery)


class Series:
    """Tokens that differ in nothing but the delivery: the rest is written once."""

    def __init__(self, token: Token) -> None:
        self._before = bytes([KEY_ID, token.kind]) + _varints(token.run)
        self._after = _varints(CHANNELS.index(token.channel), LANGUAGES.index(token.language), token.link)
        self._digest = mac(_PURPOSE).digest

    def make(self, delivery: int) -> str:
        """The token of one delivery."""
        return self.sign(numeral(delivery))

    def sign(self, number: bytes) -> str:
        """The token of the delivery whose number is written so (`numeral`): two series need it once."""
        body = self._before + number + self._after
        signed = binascii.b2a_base64(body + self._digest(body)[:SIGNATURE_BYTES], newline=False)
        return signed.translate(_URL_SAFE).rstrip(b"=").decode()


def read(text: str, kind: TokenKind) -> Token | None:
    """The token, if it is of this kind and ours; None for anything else, whatever it is."""
    if len(text) > 80:
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    body, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    if len(body) < 7 or body[0] != KEY_ID or body[1] != kind or not hmac.compare_digest(signature, _sign(body)):
        return None
    run, delivery, channel, language, link = _read_varints(body[2:])
    return Token(
        kind=kind, run=run, delivery=delivery, channel=CHANNELS[channel], language=LANGUAGES[language], link=link
    )


def _sign(body: bytes) -> bytes:
    return mac(_PURPOSE).digest(body)[:SIGNATURE_BYTES]


def numeral(number: int) -> bytes:
    """Unsigned LEB128."""
    if number < 0x80:
        return bytes((number,))
    return bytes((number & 0x7F | 0x80,)) + numeral(number >> 7)


def _varints(*numbers: int) -> bytes:
    return b"".join([numeral(number) for number in numbers])


def _read_varints(data: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value, shift = 0, 0
    return numbers
