"""Partitions of the ledger and of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.partitions import (
    MOST_ROWS,
    Partition,
    begin_partition,
    is_full,
    keep_partitions,
    last_partition,
    make_event_months,
)
from tests.delivery.world import World, fates

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "days", "expected"),
    [(0, 400, False), (1, 30, False), (1, 31, True), (MOST_ROWS - 1, 1, False), (MOST_ROWS, 1, True)],
)
def test_is_full(rows: int, days: int, *, expected: bool) -> None:
    partition = Partition(name="p", lower=None, rows=rows, created_at=NOON - timedelta(days=days))
    assert is_full(partition, now=NOON) is expected


def test_a_new_range_takes_new_runs_and_old_ones_stay(world: World) -> None:
    world.people(3)
    old = world.fanned_out()
    with connect() as link:
        last = last_partition(link)
        assert last is not None
        made = begin_partition(link, last)
        new = world.fanned_out()
        world.send_all()
        found = link.execute(
            "SELECT run_id, tableoid::regclass::text FROM outreach_delivery GROUP BY 1, 2 ORDER BY 1"
        ).fetchall()
        newest = last_partition(link)
        assert newest is not None
        assert (newest.name, newest.lower) == (made, new.pk - 1)
        begin_partition(link, newest)
    assert found == [(old.pk, last.name), (new.pk, made)]
    assert fates(old) == fates(new) == {("email", "accepted", ""): 3}
    assert check_ledger().problems == []


def test_each_partition_keeps_the_physical_rules(world: World) -> None:
    """Only the key, the unique and the batch of moved rows have an index, and half of each page is left free."""
    with connect() as link:
        rows = link.execute(
            "SELECT c.relname, c.reloptions, array_agg(pg_get_indexdef(x.indexrelid) ORDER BY x.indexrelid)"
            " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_index x ON x.indrelid = c.oid"
            " WHERE i.inhparent = 'outreach_delivery'::regclass GROUP BY 1, 2"
        ).fetchall()
    assert rows
    for _, options, indexes in rows:
        assert options == ["fillfactor=50"]
        assert sorted(index[index.index("(") :] for index in indexes) == [
            "(batch_id) WHERE is_moved",
            "(run_id, id)",
            "(run_id, target, channel)",
        ]


def test_months_of_events_are_there_before_they_begin(world: World) -> None:
    with connect() as link:
        link.execute("DROP TABLE IF EXISTS outreach_event_" + _month(datetime.now(UTC), 2))
        assert make_event_months(link) == ["outreach_event_" + _month(datetime.now(UTC), 2)]
        assert make_event_months(link) == []
    assert keep_partitions() == []


def _month(now: datetime, ahead: int) -> str:
    months = now.year * 12 + now.month - 1 + ahead
    return f"{months // 12}{months % 12 + 1:02d}"
