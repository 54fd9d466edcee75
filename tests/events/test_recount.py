from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F

from outreach.core.vocabulary import EventKind
from outreach.delivery.check import LedgerCheck
from outreach.delivery.models import Counter
from outreach.events.record import Happening, record
from outreach.events.recount import check_events

pytestmark = pytest.mark.django_db


def test_sums_that_differ_from_the_events_are_named(sent: Any) -> None:
    for _ in range(3):
        record(Happening(kind=EventKind.OPENED, run=sent.run.pk, channel="email", language="bg"))
    assert check_events(LedgerCheck(campaign=None)).adds_up
    Counter.objects.filter(kind="event").update(count=F("count") + 1)
    found = check_events(LedgerCheck(campaign=None), sent.run.campaign)
    assert (found.adds_up, [problem.message for problem in found.problems]) == (
        False,
        ["3 events of email bg opened human, but 4 were counted"],
    )
