"""The rules of buckets: even, exact over any minute, fair to notices, and a ramp by the day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.delivery import pacing
from outreach.delivery.pacing import ACCOUNT, DAY, Bucket, Limits, Room, Share, WarmUp

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def bucket(tokens: float = 0.0, *, idle: float = 0.0, grants: tuple[tuple[float, int], ...] = ()) -> Bucket:
    """One that was written `idle` seconds before noon; `grants` by their age."""
    ages = [(NOON - ago, count) for ago, count in grants]
    return Bucket(tokens=tokens, now=NOON, written_at=NOON - idle, grants=ages)


def test_a_bucket_refills_to_a_quarter_of_a_lease() -> None:
    refills = {5.0: 5.0, 500.0: 15.0, -500.0: 0.0}
    assert {idle: pacing.refilled(bucket(idle=idle), rate=60) for idle in refills} == refills


ROOMS = [
    # tokens, grants (age, count), the other lane, is_notice, least -> room
    (10.0, (), None, False, 2, Room(count=10)),
    (4.5, (), None, False, 3, Room(count=4)),
    (1.0, (), None, False, 3, Room(count=1, wait=2.0)),
    (15.0, ((10.0, 50),), None, False, 3, Room(count=10)),
    (15.0, ((50.0, 30), (5.0, 29)), None, False, 3, Room(count=1, wait=10.0)),
    (15.0, ((61.0, 60),), None, False, 3, Room(count=15)),
    # A notice ten minutes ago: a tenth of the rate is kept free.
    (15.0, ((10.0, 50),), bucket(idle=600.0), False, 3, Room(count=4)),
    # Of that tenth, this minute's notices have used two.
    (15.0, ((10.0, 50),), bucket(grants=((1.0, 2),)), False, 3, Room(count=4)),
    (15.0, ((10.0, 50),), bucket(idle=4000.0), False, 3, Room(count=10)),
    # Notices wait for no tokens.
    (0.0, (), bucket(grants=((10.0, 50),)), True, 1, Room(count=10)),
]


@pytest.mark.parametrize(("tokens", "grants", "other", "is_notice", "least", "expected"), ROOMS)
def test_room_of_a_minute(
    tokens: float,
    grants: tuple[tuple[float, int], ...],
    other: Bucket | None,
    is_notice: bool,
    least: int,
    expected: Room,
) -> None:
    own = bucket(tokens, grants=grants)
    assert pacing.minute_room(own, other, rate=60, is_notice=is_notice, least=least) == expected


@given(
    rate=st.integers(1, 5000),
    start=st.floats(0.0, 15.0),
    steps=st.lists(st.tuples(st.floats(0.001, 20.0), st.integers(1, 300), st.booleans()), min_size=5, max_size=150),
)
def test_no_minute_holds_more_than_the_rate_whoever_asks(
    rate: int, start: float, steps: list[tuple[float, int, bool]]
) -> None:
    lanes = {is_notice: Bucket(tokens=start, now=NOON, written_at=NOON) for is_notice in (True, False)}
    now, sent = NOON, []
    for pause, wanted, is_notice in steps:
        now += pause
        own, other = (replace(lanes[lane], now=now) for lane in (is_notice, not is_notice))
        room = pacing.minute_room(own, other, rate=rate, is_notice=is_notice, least=1)
        count = min(wanted, room.count)
        if count:
            lanes[is_notice] = pacing.paid(own, ACCOUNT, count, rate=rate)
            sent.append((now, count))
    for begin, _ in sent:
        assert sum(count for at, count in sent if begin <= at < begin + 60.0) <= rate


@settings(deadline=None)
@given(rate=st.integers(6, 3000), look=st.floats(0.25, 1.0))
def test_an_account_that_always_has_work_gets_its_whole_rate(rate: int, look: float) -> None:
    state, now, sent = Bucket(tokens=0.0, now=NOON, written_at=NOON), NOON, 0
    while now < NOON + 240.0:
        now += look
        state = replace(state, now=now)
        room = pacing.minute_room(state, None, rate=rate, is_notice=False, least=1)
        if room.count:
            state = pacing.paid(state, ACCOUNT, room.count, rate=rate)
            sent += room.count
    # No minute holds more than its rate, so what comes between two looks is missed once a minute.
    assert (1 - (look + 0.25) / 60) * 4 * rate - rate / 60 - 2 <= sent <= 4 * rate


def test_waiting_as_long_as_is_said_is_enough() -> None:
    spent = bucket(3.0, grants=((59.0, 40), (2.0, 20)))
    room = pacing.minute_room(spent, None, rate=60, is_notice=False, least=10)
    later = replace(spent, now=NOON + room.wait)
    assert (room, pacing.minute_room(later, None, rate=60, is_notice=False, least=10).count >= 10) == (
        Room(count=0, wait=7.0),
        True,
    )


def test_a_domain_that_always_has_work_gets_its_whole_rate_though_windows_are_large() -> None:
    """A worker comes back some seconds later than was said: what the bucket cannot hold meanwhile must not be much."""
    rate, late = 600, 2.0
    state, now, sent = Bucket(tokens=0.0, now=NOON, written_at=NOON), NOON, 0
    while now < NOON + 600.0:
        state = replace(state, now=now)
        least = pacing.worth_waiting_for(rate, least=125)
        room = pacing.minute_room(state, None, rate=rate, is_notice=False, least=least)
        if room.count >= least:
            state = pacing.paid(state, ACCOUNT, room.count, rate=rate)
            sent += room.count
        now += room.wait + late

    assert sent >= 0.96 * 10 * rate


def test_places_go_in_order_while_account_and_domain_have_room() -> None:
    domains = ["a.example", "b.example", "a.example", "c.example", "a.example"]
    rooms = {ACCOUNT: Room(count=4), "a.example": Room(count=2, wait=9.0)}
    assert pacing.share_out(domains, rooms, least=1) == Share(
        positions=[0, 1, 2, 3], spent={ACCOUNT: 4, "a.example": 2}
    )


def test_a_domain_without_room_does_not_hold_up_the_others() -> None:
    rooms = {"a.example": Room(count=0, wait=9.0), "b.example": Room(count=1, wait=4.0)}
    assert pacing.share_out(["a.example", "b.example", "a.example", "b.example"], rooms, least=2) == Share(
        positions=[], wait=4.0, blocked=["a.example", "b.example"]
    )


def test_an_account_without_room_says_when_it_has() -> None:
    rooms = {ACCOUNT: Room(count=1, wait=3.0), DAY: Room(count=0, wait=40.0), "a.example": Room(count=9)}
    assert pacing.share_out(["a.example"] * 3, rooms, least=2) == Share(positions=[], wait=40.0)


def test_the_few_that_are_left_need_no_full_window() -> None:
    assert pacing.share_out([""], {ACCOUNT: Room(count=1, wait=3.0)}, least=25) == Share(
        positions=[0], spent={ACCOUNT: 1}
    )


def test_a_ramp_grows_day_by_day_and_ends() -> None:
    ramp = WarmUp(starts_on=date(2026, 11, 1), first_day=100, growth=1.5, days=4)
    allowed = [ramp.allows(date(2026, 11, day)) for day in (1, 2, 3, 4, 5)]
    assert (allowed[:4], allowed[4] > 10**9, ramp.allows(date(2026, 10, 31)) > 10**9) == (
        [100, 150, 225, 337],
        True,
        True,
    )


def test_a_day_counts_both_lanes_and_stops_only_campaigns() -> None:
    used, notices = replace(bucket(40.0), written_at=NOON - 3600), replace(bucket(5.0), written_at=NOON)
    yesterday = replace(bucket(99.0), written_at=NOON - 86_400)
    assert pacing.day_room(used, notices, allowed=50, is_notice=False) == Room(count=5, wait=43_200.0)
    assert pacing.day_room(yesterday, None, allowed=50, is_notice=False) == Room(count=50, wait=43_200.0)
    assert pacing.day_room(used, None, allowed=1, is_notice=True).count > 10**9
    assert pacing.used_today(pacing.paid(used, DAY, 3, rate=0)) == 43


def test_limits_name_the_buckets_that_a_window_needs() -> None:
    ramp = {"starts_on": "2026-11-01", "first_day": 100, "growth": 1.5, "days": 30}
    limits = Limits.of(600, {"abv.example": 60, "*": 300}, ramp)
    named = Limits.of(0, {"abv.example": 60}, {})
    assert limits.scopes(["x.example", "abv.example", ""]) == ["", "abv.example", "day", "x.example"]
    assert [limits.rate(scope) for scope in ("", "abv.example", "x.example")] == [600, 60, 300]
    assert (named.scopes(["x.example", "abv.example"]), Limits().is_any) == (["abv.example"], False)
