"""Signed compact tokens of links in messages: no query is needed to verify one.

`<key id><kind><varints><10 bytes of keyed BLAKE2b>`, base64url without padding. In aggregate tracking `delivery` is 0:
the token then says which message of a run, not whose. One digest signs every kind of token of a delivery: each kind has
ten bytes of it that are no other kind's.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from outreach.core.secrets import stamp
from outreach.core.vocabulary import Channel, Language

#: 80 bits cannot be guessed over HTTP.
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
    series = Series(token.kind, run=token.run, channel=token.channel, language=token.language, link=token.link)
    return series.make(token.delivery)[0]


class Series:
    """Tokens of some kinds that differ in nothing but the delivery: the rest is written once."""

    def __init__(self, *kinds: TokenKind, run: int, channel: str, language: str, link: int = 0) -> None:
        self._kinds = [(bytes([KEY_ID, kind]), _own_bytes(kind)) for kind in kinds]
        self._run = numeral(run)
        self._after = numeral(CHANNELS.index(channel)) + numeral(LANGUAGES.index(language)) + numeral(link)
        self._digest = stamp(_PURPOSE).digest

    def make(self, delivery: int) -> list[str]:
        """The tokens of one delivery, in the order of the kinds."""
        body = self._run + numeral(delivery) + self._after
        digest = self._digest(body)
        encode = binascii.b2a_base64
        return [
            encode(head + body + digest[own], newline=False).translate(_URL_SAFE).rstrip(b"=").decode()
            for head, own in self._kinds
        ]


def read(text: str, kind: TokenKind) -> Token | None:
    """The token, if it is of this kind and ours; None for anything else, whatever it is."""
    if len(text) > 80:
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    head, body, signature = data[:2], data[2:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    if len(body) < 5 or head != bytes([KEY_ID, kind]):
        return None
    if not hmac.compare_digest(signature, stamp(_PURPOSE).digest(body)[_own_bytes(kind)]):
        return None
    run, delivery, channel, language, link = _read_varints(body)
    return Token(
        kind=kind, run=run, delivery=delivery, channel=CHANNELS[channel], language=LANGUAGES[language], link=link
    )


def _own_bytes(kind: TokenKind) -> slice:
    """Where in a digest the signature of this kind stands."""
    return slice((kind - 1) * SIGNATURE_BYTES, kind * SIGNATURE_BYTES)


def numeral(number: int) -> bytes:
    """Unsigned LEB128."""
    if number < 0x80:
        return bytes((number,))
    return bytes((number & 0x7F | 0x80,)) + _higher(number >> 7)


@functools.lru_cache(maxsize=1024)
def _higher(number: int) -> bytes:
    """`numeral`, remembered: neighbours share all but their lowest seven bits."""
    return numeral(number)


def _read_varints(data: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value, shift = 0, 0
    return numbers
