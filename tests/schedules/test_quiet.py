from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schedules.quiet import quiet_until
from schedules.zones import UnknownZone

#: With clocks that are set by an hour, by half an hour, at midnight, in the south, by a quarter's offset, and never.
ZONES = ("Europe/Sofia", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Asia/Kathmandu", "UTC")
BEGIN = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
YEAR = 366 * 86400


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Sofia"))


@pytest.mark.parametrize(
    ("moment", "begins", "ends", "until"),
    [
        ("2026-11-27 21:59:59", "22:00", "07:00", None),
        ("2026-11-27 22:00", "22:00", "07:00", "2026-11-28 07:00"),
        ("2026-11-28 06:59:59", "22:00", "07:00", "2026-11-28 07:00"),
        ("2026-11-28 07:00", "22:00", "07:00", None),
        ("2026-11-27 13:30", "13:00", "14:00", "2026-11-27 14:00"),
        ("2026-11-27 00:00", "00:00", "06:30", "2026-11-27 06:30"),
        ("2026-11-27 23:59", "22:00", "00:00", "2026-11-28 00:00"),
        # The night that has 23 hours, and the one that has 25.
        ("2026-03-28 23:00", "22:00", "07:00", "2026-03-29 07:00"),
        ("2026-10-24 23:00", "22:00", "07:00", "2026-10-25 07:00"),
        # The clock goes from 3 to 4: half past three never comes.
        ("2026-03-29 02:30", "22:00", "03:30", "2026-03-29 04:00"),
    ],
)
def test_quiet_ends_by_the_clock_on_the_wall(moment: str, begins: str, ends: str, until: str | None) -> None:
    found = quiet_until(at(moment), begins=minutes(begins), ends=minutes(ends), zone_name="Europe/Sofia")
    assert found == (at(until) if until else None)


def minutes(text: str) -> int:
    hours, rest = text.split(":")
    return int(hours) * 60 + int(rest)


def test_an_hour_that_is_shown_twice_is_quiet_twice() -> None:
    """On 25 October the clock shows 3:00 to 4:00 twice: 0:00 to 1:00 and 1:00 to 2:00 in UTC."""
    zero = datetime(2026, 10, 25, tzinfo=UTC)
    ends = [
        quiet_until(zero + timedelta(minutes=after), begins=180, ends=210, zone_name="Europe/Sofia")
        for after in (0, 29, 30, 59, 60, 89, 90)
    ]
    first, second = zero + timedelta(minutes=30), zero + timedelta(minutes=90)
    assert ends == [first, first, None, None, second, second, None]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    second=st.integers(BEGIN, BEGIN + YEAR),
    begins=st.integers(0, 1439),
    ends=st.integers(0, 1439),
    zone=st.sampled_from(ZONES),
)
def test_the_end_is_the_first_minute_whose_clock_is_not_quiet(second: int, begins: int, ends: int, zone: str) -> None:
    assume(begins != ends)
    moment = datetime.fromtimestamp(second, UTC)
    assert quiet_until(moment, begins=begins, ends=ends, zone_name=zone) == slowly(moment, begins, ends, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_the_law_holds_in_each_night_in_which_clocks_are_set(zone: str) -> None:
    place = ZoneInfo(zone)
    hours = [datetime.fromtimestamp(BEGIN + 3600 * hour, UTC) for hour in range(366 * 24)]
    changes = [
        one
        for one, following in pairwise(hours)
        if one.astimezone(place).utcoffset() != following.astimezone(place).utcoffset()
    ]
    for change in changes:
        for before in (90, 30, 1, 0, -1, -29, -61):
            moment = change - timedelta(minutes=before)
            for begins, ends in ((1320, 420), (1320, 15), (60, 150), (1410, 200)):
                found = quiet_until(moment, begins=begins, ends=ends, zone_name=zone)
                assert found == slowly(moment, begins, ends, zone)


def slowly(moment: datetime, begins: int, ends: int, zone: str) -> datetime | None:
    """What the law says, minute by minute."""
    quiet = {(begins + step) % 1440 for step in range((ends - begins) % 1440)}
    start = minute = moment.replace(second=0, microsecond=0)
    place = ZoneInfo(zone)
    while (clock := minute.astimezone(place)).hour * 60 + clock.minute in quiet:
        minute += timedelta(minutes=1)
    return minute if minute > start else None


def test_a_zone_that_is_none_is_named() -> None:
    with pytest.raises(UnknownZone):
        quiet_until(datetime(2026, 1, 1, tzinfo=UTC), begins=0, ends=1, zone_name="Europe/Sofya")
