"""What is not kept: providers' raw words, after 30 days, and who gave an answer; verdicts, reasons and sums stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from outreach.core import clock
from outreach.events.answering import OPEN_FOR
from outreach.events.feedback import Feedback, SurveyResponse
from outreach.events.models import Event, HookCall

KEPT: Final = timedelta(days=30)
#: Older ones were emptied by an earlier run of the task.
LOOKED_AT: Final = timedelta(days=90)


def close_answers() -> int:
    """Let answers to questions be final, and nobody's: the digest that tells who gave one goes; answer how many."""
    old = {"at__lt": clock.now() - OPEN_FOR, "voter__isnull": False}
    return Feedback.objects.filter(**old).update(voter=None) + SurveyResponse.objects.filter(**old).update(voter=None)


def forget_raw() -> int:
    """Empty what providers told us in their own words more than 30 days ago; answer how many records.

    Calls of which nothing could be made, too: why stays.
    """
    until = clock.now() - KEPT
    since = until - LOOKED_AT
    events = Event.objects.filter(at__gte=since, at__lt=until).exclude(raw={})
    calls = HookCall.objects.filter(received_at__gte=since, received_at__lt=until).exclude(event={})
    return events.update(raw={}) + calls.update(event={})
