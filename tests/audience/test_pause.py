from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Subscriber
from outreach.audience.pause import end_of_pause, pause_of, set_pause
from outreach.core import clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import AuditEntry

ZONES = ("Europe/Sofia", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "UTC")
NOW = datetime(2026, 1, 30, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "day", "zone", "end"),
    [
        ("", "", "Europe/Sofia", None),
        # In Sofia it is the 31st already.
        ("week", "", "Europe/Sofia", datetime(2026, 2, 6, 22, tzinfo=UTC)),
        ("week", "", "UTC", datetime(2026, 2, 6, tzinfo=UTC)),
        ("month", "", "Europe/Sofia", datetime(2026, 2, 27, 22, tzinfo=UTC)),
        ("month", "", "UTC", datetime(2026, 2, 28, tzinfo=UTC)),
        ("date", "2026-07-01", "Europe/Sofia", datetime(2026, 6, 30, 21, tzinfo=UTC)),
    ],
)
def test_a_pause_ends_at_the_beginning_of_a_day_of_the_person(length: str, day: str, zone: str, end: Any) -> None:
    assert end_of_pause(length, day, zone=zone, now=NOW) == end


@pytest.mark.parametrize(("length", "day", "field"), [("date", "31.12.2026", "until"), ("for ever", "", "length")])
def test_a_pause_that_is_none_is_refused_at_its_field(length: str, day: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        end_of_pause(length, day, zone="UTC", now=NOW)
    assert list(refused.value.fields) == [field]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(second=st.integers(1_577_836_800, 2_051_222_400), zone=st.sampled_from(ZONES), is_week=st.booleans())
def test_a_pause_lasts_whole_days_in_any_zone(second: int, zone: str, is_week: bool) -> None:
    now, length = datetime.fromtimestamp(second, UTC), "week" if is_week else "month"
    end = end_of_pause(length, "", zone=zone, now=now)
    assert end is not None
    place = ZoneInfo(zone)
    days = (end.astimezone(place).date() - now.astimezone(place).date()).days
    assert days == 7 if is_week else 28 <= days <= 31
    # The first moment of its day: a microsecond before, the clock shows the day before.
    assert (end - timedelta(microseconds=1)).astimezone(place).date() < end.astimezone(place).date()
    assert end.astimezone(place).time() in {time(0), time(1)}


@pytest.fixture
def person(actor: Actor) -> Subscriber:
    return Subscriber.objects.create(organisation=actor.organisation, name="Мария")


def test_a_pause_is_kept_once_and_ended(actor: Actor, person: Subscriber) -> None:
    until = clock.now() + timedelta(days=7)
    for end in (until, until, None, None):
        set_pause(actor, person, end)
    person.refresh_from_db()
    assert pause_of(person) is None
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "facts")) == [
        ("subscriber.paused", {"until": until.isoformat()}),
        ("subscriber.resumed", {}),
    ]


@pytest.mark.parametrize("days", [-1, 0, 367])
def test_a_pause_of_the_past_or_for_ever_is_refused(actor: Actor, person: Subscriber, days: int) -> None:
    with pytest.raises(Invalid) as refused:
        set_pause(actor, person, clock.now() + timedelta(days=days))
    person.refresh_from_db()
    assert (list(refused.value.fields), person.paused_until) == (["until"], None)


def test_a_pause_that_is_over_is_none(person: Subscriber) -> None:
    person.paused_until = clock.now() - timedelta(seconds=1)
    assert pause_of(person) is None


def test_who_was_erased_has_no_pause(actor: Actor, person: Subscriber) -> None:
    set_pause(actor, person, clock.now() + timedelta(days=7))
    erase_subscriber(actor, person)
    person.refresh_from_db()
    assert person.paused_until is None
    with pytest.raises(StateConflict):
        set_pause(actor, person, clock.now() + timedelta(days=7))
