"""Calls between servers, signed as Standard Webhooks 1.0 asks (https://www.standardwebhooks.com). Pure.

HMAC-SHA-256 over the call's id, its time and its body, under a secret that both sides know. Whoever reads a call cannot
change it, and can send it again only for a while; the id tells that it came before.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

#: How far the caller's clock may be from ours, either way: what is older was replayed.
TOLERANCE: Final = timedelta(minutes=5)
#: So that secrets are found where they were written by mistake.
PREFIX: Final = "whsec_"
_KEY_BYTES: Final = 32
#: Signatures that are looked at: a caller that changes its secret may send two.
_MOST_SIGNATURES: Final = 5
_TIME: Final = re.compile(r"\d{1,11}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SignedCall:
    """A call as it came in; nothing of it is believed before `is_signed_by`."""

    #: The caller's own id of what it tells: the same for each try.
    id: str
    #: Seconds since 1970, as written.
    timestamp: str
    #: One or more, as written: `v1,BASE64 v1,BASE64`.
    signatures: str
    body: bytes

    def is_signed_by(self, secret: str) -> bool:
        """Whether one of the signatures was made with the secret; takes as long for a wrong one as for a right one."""
        expected = sign(secret, id=self.id, timestamp=self.timestamp, body=self.body).encode()
        given = self.signatures.encode().split(b" ")[:_MOST_SIGNATURES]
        return True in [hmac.compare_digest(expected, one) for one in given]

    def is_fresh(self, now: datetime) -> bool:
        """Whether it was signed within the tolerance of this time."""
        if not _TIME.fullmatch(self.timestamp):
            return False
        return abs(datetime.fromtimestamp(int(self.timestamp), UTC) - now) <= TOLERANCE


def read_call(headers: Mapping[str, str], body: bytes) -> SignedCall:
    """The call with these headers, named in small letters; what is missing is ''."""
    named = {name: headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")}
    return SignedCall(id=named["id"], timestamp=named["timestamp"], signatures=named["signature"], body=body)


def make_secret() -> str:
    """A new secret, as both sides write it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def sign(secret: str, *, id: str, timestamp: str, body: bytes) -> str:
    """One signature: what goes into `webhook-signature`."""
    content = f"{id}.{timestamp}.".encode() + body
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
