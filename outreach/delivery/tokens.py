"""Signed compact tokens of links in messages: no query is needed to verify one.

`<key id><kind><varints><10 bytes of keyed BLAKE2b>`, base64url without padding. In aggregate tracking `delivery` is 0:
the token then says which message of a run, not whose. One digest signs every kind of token of a delivery: each kind has
ten bytes of it that are no other kind's. Keys rotate: the first of `OUTREACH_TOKEN_KEYS` signs, each of them and the
secret key verifies, so that a link leads where it led for as long as its key is kept.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from django.conf import settings

from outreach.core.secrets import Stamp, derived_key
from outreach.core.vocabulary import Channel, Language

#: 80 bits cannot be guessed over HTTP.
SIGNATURE_BYTES: Final = 10
#: The installation's secret key has this number; others have one of their own, whatever their order.
SECRET_KEY_ID: Final = 1
#: Position of the link that no reader sees: only a program that follows every address of a message comes by it.
HONEYPOT: Final = 16_383

_PURPOSE: Final = "tokens/1"
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
    #: The page on which a reader answers what the message asks: always personal.
    FEEDBACK = 6


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
        key = _keys()[0]
        self._kinds = [(bytes([key.id, kind]), _own_bytes(kind)) for kind in kinds]
        self._run = numeral(run)
        self._after = numeral(CHANNELS.index(channel)) + numeral(LANGUAGES.index(language)) + numeral(link)
        self._digest = key.stamp.digest

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
    if len(body) < 5 or head[1] != kind:
        return None
    own = _own_bytes(kind)
    stamps = [key.stamp for key in _keys() if key.id == head[0]]
    if not any(hmac.compare_digest(signature, each.digest(body)[own]) for each in stamps):
        return None
    run, delivery, channel, language, link = _read_varints(body)
    return Token(
        kind=kind, run=run, delivery=delivery, channel=CHANNELS[channel], language=LANGUAGES[language], link=link
    )


class _Key(NamedTuple):
    id: int
    stamp: Stamp


def _keys() -> tuple[_Key, ...]:
    """The key that signs, then those that only verify."""
    return _made_keys(settings.TOKEN_KEYS, settings.SECRET_KEY)


@functools.lru_cache(maxsize=8)
def _made_keys(own: tuple[str, ...], secret: str) -> tuple[_Key, ...]:
    """Two keys of one number do no harm: each is tried."""
    rotated = [_Key(derived_key("tokens/id", key)[0], Stamp(derived_key(_PURPOSE, key))) for key in own]
    return *rotated, _Key(SECRET_KEY_ID, Stamp(derived_key(_PURPOSE, secret)))


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
