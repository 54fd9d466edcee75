"""What is not kept: the raw words of providers go after 30 days; verdicts, reasons and sums stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from outreach.core import clock
from outreach.events.models import Event, HookCall

KEPT: Final = timedelta(days=30)
#: Older ones were emptied by an earlier run of the task.
LOOKED_AT: Final = timedelta(days=90)


def forget_raw() -> int:
    """Empty what providers told us in their own words more than 30 days ago; answer how many records."""
    until = clock.now() - KEPT
    since = until - LOOKED_AT
    events = Event.objects.filter(at__gte=since, at__lt=until).exclude(raw={})
    calls = HookCall.objects.filter(received_at__gte=since, received_at__lt=until).exclude(event={})
    return events.update(raw={}) + calls.exclude(applied_at=None).update(event={})
