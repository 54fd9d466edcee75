"""Applying anew what providers told us, for when our own reading of it was mended, or effects were lost."""

from __future__ import annotations

from datetime import datetime

from outreach.events.calls import look_at_alerts
from outreach.events.hooks import try_call
from outreach.events.models import HookCall


def replay(*, since: datetime, account: int | None = None) -> dict[str, int]:
    """Apply the kept calls that came since then, oldest first; how many were, wait still, and cannot be.

    Keys of what follows from a call are made from the call itself, so nothing happens or counts twice, in whatever
    order. Of opens, clicks and replies no call is kept once it was applied: their events and words are kept instead.
    """
    calls = HookCall.objects.filter(received_at__gte=since).exclude(event={})
    chosen = calls if account is None else calls.filter(account=account)
    found = {"applied": 0, "waiting": 0, "failed": 0}
    for pk in chosen.order_by("received_at", "pk").values_list("pk", flat=True).iterator():
        found[try_call(pk, is_again=True)] += 1
    look_at_alerts()
    return found
