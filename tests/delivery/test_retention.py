"""Retention drops whole partitions, never a run that is under way or young, and keeps sums."""

from __future__ import annotations

import pytest
from django.test.utils import override_settings

from outreach.delivery import counters
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.models import Batch, Delivery, Hand
from outreach.delivery.partitions import begin_partition, last_partition
from outreach.delivery.retention import retire
from tests.delivery.world import World, fates


def begin_next() -> str:
    """The next range; the name of the one that was closed."""
    with connect() as link:
        last = last_partition(link)
        assert last is not None
        begin_partition(link, last)
        return last.name


def age(runs: list[int], months: int) -> None:
    with connect() as link:
        link.execute(
            "UPDATE outreach_run SET finished_at = finished_at - make_interval(months => %s) WHERE id = ANY (%s)",
            [months, runs],
        )


@pytest.fixture
def old_and_new(world: World) -> tuple[int, int, str]:
    world.people(3)
    old = world.fanned_out()
    world.send_all()
    closed = begin_next()
    new = world.fanned_out()
    world.send_all()
    return old.pk, new.pk, closed


@pytest.mark.django_db(transaction=True)
def test_an_old_range_goes_whole_and_its_sums_stay(old_and_new: tuple[int, int, str]) -> None:
    old, new, closed = old_and_new
    age([old], 13)

    with override_settings(KEEP_MONTHS=12):
        dropped, again = retire(), retire()

    assert (dropped, again) == ([closed], [])
    assert set(Delivery.objects.values_list("run_id", flat=True)) == {new}
    assert set(Batch.objects.values_list("run_id", flat=True)) == {new}
    assert set(Hand.objects.values_list("run_id", flat=True)) == {new}
    assert counters.counts(old) == {("email", "accepted", ""): 3}
    assert check_ledger().problems == []


@pytest.mark.django_db(transaction=True)
def test_a_range_with_a_run_that_is_young_or_under_way_stays(world: World, old_and_new: tuple[int, int, str]) -> None:
    old, new, _ = old_and_new
    under_way = world.fanned_out()
    age([old], 11)
    age([new], 13)
    begin_next()

    with override_settings(KEEP_MONTHS=12):
        assert retire() == []

    assert (fates(under_way), Delivery.objects.count()) == ({("email", "planned", ""): 3}, 9)


@pytest.mark.django_db(transaction=True)
def test_nothing_goes_where_everything_is_kept(old_and_new: tuple[int, int, str]) -> None:
    old, new, _ = old_and_new
    age([old, new], 500)
    assert (retire(), Delivery.objects.count()) == ([], 6)


@pytest.mark.django_db(transaction=True)
def test_a_month_of_events_goes_when_it_is_over_for_so_long(world: World) -> None:
    with connect() as link:
        link.execute(
            "CREATE TABLE outreach_event_200101 PARTITION OF outreach_event"
            " FOR VALUES FROM ('2001-01-01Z') TO ('2001-02-01Z')"
        )
    with override_settings(KEEP_MONTHS=12):
        assert (retire(), retire()) == (["outreach_event_200101"], [])
