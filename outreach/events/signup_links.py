"""The signed links by which sign-ups are confirmed."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Final

from outreach.audience.pending import SignUp
from outreach.core import clock
from outreach.core.secrets import mac

#: How long a link confirms, and how long what was asked for is kept.
VALID: Final = timedelta(days=7)


def make_link(sign_up: SignUp) -> str:
    """The signed part of a confirming link."""
    return f"{sign_up.pk}-{_signature(sign_up.pk)}"


def _signature(key: int) -> str:
    return mac("sign-ups").digest(str(key).encode()).hex()[:32]


def find_sign_up(text: str) -> SignUp | None:
    """The sign-up of a link that we signed, while it is valid."""
    key, _dash, signature = text.partition("-")
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        return None
    if not hmac.compare_digest(signature.encode(), _signature(int(key)).encode()):
        return None
    kept = SignUp.objects.select_related("organisation").filter(created_at__gt=clock.now() - VALID)
    return kept.filter(pk=int(key)).first()
