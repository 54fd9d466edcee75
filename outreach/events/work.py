"""Proof of work: a browser that runs our script reckons for a moment before it sends a form; a machine for each of its.

Who cannot run it is not asked to: without a proof the narrower limits hold. A proof is of one address and an hour.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from outreach.core import clock
from outreach.core.secrets import mac

#: Leading zero bits: 16,000 hashes on the average, a third of a second of a telephone.
BITS: Final = 14
#: Seconds that a challenge is good for.
GOOD_FOR: Final = 3600


def make_challenge() -> str:
    """What a page hands to its script."""
    at = str(int(clock.now().timestamp()))
    return f"{at}-{_signature(at)}"


def is_done(work: str, address: str) -> bool:
    """Whether `CHALLENGE.NUMBER` proves work for this address, as it was typed, on a challenge of ours of late."""
    challenge, _dot, number = work.partition(".")
    at, _dash, signature = challenge.partition("-")
    if not (at.isascii() and at.isdecimal() and len(at) < 12 and number.isascii() and number.isdecimal()):
        return False
    if not hmac.compare_digest(signature.encode(), _signature(at).encode()):
        return False
    if not 0 <= clock.now().timestamp() - int(at) <= GOOD_FOR:
        return False
    found = hashlib.sha256(f"{challenge}.{number[:12]}.{address.strip()}".encode()).digest()
    return int.from_bytes(found[:4]) >> (32 - BITS) == 0


def _signature(at: str) -> str:
    return mac("sign-up-work").digest(at.encode()).hex()[:24]
