"""The law of digests: their moments part time, each at the reader's hour by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.digest import WEEK, next_digest
from schedules.zones import Decision, local_time, moment_of

ZONES = ("Europe/Sofia", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC")
moments = st.datetimes(datetime(2011, 12, 20), datetime(2031, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds
frequencies = st.fixed_dictionaries(
    {
        "days": st.sampled_from([1, WEEK]),
        "minute": st.integers(0, 1439),
        "weekday": st.integers(0, 6),
        "zone_name": st.sampled_from(ZONES),
    }
)


@given(at=moments, later=st.timedeltas(timedelta(0), timedelta(days=20)), frequency=frequencies)
def test_each_message_lies_in_exactly_one_period(at: datetime, later: timedelta, frequency: dict[str, Any]) -> None:
    """Its digest is the first after it, so nothing is told before it is kept, in two digests, or in none."""
    due = next_digest(at, **frequency)
    after = next_digest(at + later, **frequency)

    assert at < due <= after
    assert (after == due) == (at + later < due)
    assert due - at <= timedelta(days=frequency["days"] + 2)


@given(at=moments, frequency=frequencies)
def test_it_comes_at_the_hour_on_the_reader_s_wall(at: datetime, frequency: dict[str, Any]) -> None:
    due = next_digest(at, **frequency)

    zone, minute = frequency["zone_name"], frequency["minute"]
    clock = local_time(due, zone)
    asked = datetime.combine(clock.date(), datetime.min.time()) + timedelta(minutes=minute)
    if moment_of(asked, zone).decision is Decision.EXACT and moment_of(asked, zone).at == due:
        assert (clock.hour * 60 + clock.minute, frequency["days"] == 1 or clock.weekday() == frequency["weekday"]) == (
            minute,
            True,
        )
    else:  # the clock skipped it, or showed it twice
        offsets = {local_time(due + shift, zone).utcoffset() for shift in (timedelta(days=-2), timedelta(days=2))}
        assert len(offsets) == 2


@pytest.mark.parametrize(
    ("after", "days", "minute", "due"),
    [
        # The clocks go forward at 03:00 on 29 March 2026, and back at 04:00 on 25 October.
        ("2026-03-28T06:00Z", 1, 480, "2026-03-29T05:00Z"),
        ("2026-03-28T07:00Z", 1, 210, "2026-03-29T01:30Z"),
        ("2026-10-24T12:00Z", 1, 210, "2026-10-25T00:30Z"),
        ("2026-10-25T00:30Z", 1, 210, "2026-10-26T01:30Z"),
        ("2026-10-23T12:00Z", 7, 480, "2026-10-26T06:00Z"),
        # Kept in the very minute, and just before it.
        ("2026-11-27T06:00Z", 1, 480, "2026-11-28T06:00Z"),
        ("2026-11-27T05:59:59Z", 1, 480, "2026-11-27T06:00Z"),
        ("2026-11-27T06:00Z", 7, 480, "2026-11-30T06:00Z"),
    ],
)
def test_in_sofia_it_comes_then(after: str, days: int, minute: int, due: str) -> None:
    found = next_digest(datetime.fromisoformat(after), days=days, minute=minute, weekday=0, zone_name="Europe/Sofia")
    assert found == datetime.fromisoformat(due)
