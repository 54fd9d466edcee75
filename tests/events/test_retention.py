from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from outreach.core import clock
from outreach.core.vocabulary import EventKind
from outreach.events.models import Event
from outreach.events.record import Happening, record
from outreach.events.retention import forget_raw

pytestmark = pytest.mark.django_db


def test_raw_words_go_after_30_days_and_the_event_stays(sent: Any) -> None:
    for days in (1, 29, 31):
        at = clock.now() - timedelta(days=days)
        record(
            Happening(
                kind=EventKind.BOUNCED,
                run=sent.run.pk,
                delivery=sent.delivery,
                reason="userunknown",
                raw={"status": "5.1.1"},
                at=at,
            )
        )
    assert (forget_raw(), forget_raw()) == (1, 0)
    assert list(Event.objects.order_by("at").values_list("reason", "raw")) == [
        ("userunknown", {}),
        ("userunknown", {"status": "5.1.1"}),
        ("userunknown", {"status": "5.1.1"}),
    ]
