"""How a batch finds its rows: by the range of ids that it was made with; those that moved by an index of their own."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.db.models import Max, Min

from channels.base import TemporaryFailure
from outreach.campaigns.models import Run
from outreach.delivery import queries
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import Link, connect
from outreach.delivery.fanout import Size
from outreach.delivery.models import Batch, Delivery
from tests.delivery.world import World, fates, make_due

#: Parameters of a window and of a settle in which nothing happened.
NOTHING: dict[str, Any] = {
    **{
        name: []
        for name in ("ancestors", "topics", "accepted", "ids", "old_states", "old_reasons", "states", "reasons")
    },
    **{name: [] for name in ("uncertain", "tries", "line_provider_ids", "batches", "kinds", "details")},
    "limit": 10,
    "reads_attributes": True,
    "fence": 1,
    "provider_ids": "",
}
FIND_RANGES = importlib.import_module("outreach.migrations.0026_batches_by_range").FIND_RANGES


def ranges(run: Run) -> list[tuple[int | None, int | None]]:
    return list(Batch.objects.filter(run=run).order_by("pk").values_list("first_id", "last_id"))


def real_ranges(run: Run) -> list[tuple[int, int]]:
    rows = Delivery.objects.filter(run=run, batch__isnull=False).values("batch").order_by("batch")
    return list(rows.annotate(first=Min("id"), last=Max("id")).values_list("first", "last"))


def test_a_batch_keeps_the_first_and_last_id_of_its_rows(world: World) -> None:
    world.people(20)
    run = world.fanned_out(size=Size(chunk=11, batch=4))

    assert ranges(run) == real_ranges(run)
    assert len(ranges(run)) == 5


def test_ranges_of_one_run_lie_apart_also_over_two_accounts(world: World) -> None:
    """A window of one account reads none of the other's rows."""
    world.people(20, language="bg")
    world.people(20, language="en")
    other = world.account("email", name="other")
    contents = [
        {"channel": "email", "language": "bg", "variant": "", "account": world.accounts["email"].pk},
        {"channel": "email", "language": "en", "variant": "", "account": other.pk},
    ]
    run = world.fanned_out(contents=contents, size=Size(chunk=40, batch=10))

    found = sorted(real_ranges(run))
    assert ranges(run) == real_ranges(run)
    assert all(before[1] < after[0] for before, after in pairwise(found))


def test_rows_that_came_by_a_retry_are_found_beside_those_of_the_range(world: World) -> None:
    """One batch may hold both: here a row of another one was moved into it."""
    world.people(6)
    run = world.fanned_out(size=Size(chunk=6, batch=3))
    first, second = Batch.objects.filter(run=run).order_by("pk")
    moved = Delivery.objects.filter(batch=second).earliest("id")
    Delivery.objects.filter(pk=moved.pk).update(batch=first, is_moved=True)

    assert world.send_all() == 2
    assert fates(run) == {("email", "accepted", ""): 6}
    assert check_ledger(run.campaign).problems == []


def test_batches_of_before_are_served_after_the_migration(world: World) -> None:
    """Of an open one its range is found, of an open retry the rows; nothing is forgotten and nothing sent twice."""
    people = world.people(4)
    world.box().answer(TemporaryFailure("later", retry_after=90.0))
    run = world.fanned_out()
    world.send_all()
    rest = world.people(3)
    second = world.fanned_out()
    Batch.objects.update(first_id=None, last_id=None)
    Delivery.objects.update(is_moved=False)

    with connect() as link:
        link.execute(FIND_RANGES)
    make_due(run)
    world.send_all()

    assert fates(run) == {("email", "accepted", ""): 4}
    assert fates(second) == {("email", "accepted", ""): len(people) + len(rest)}


@pytest.mark.parametrize("knows", ["nothing", "one row a run", "no such run"])
def test_rows_are_found_by_their_key_whatever_the_planner_knew_before(world: World, knows: str) -> None:
    """It never reads a whole run for one row, as it may where it expects a run to have no more than that."""
    for count in {"nothing": [], "one row a run": [1] * 5, "no such run": [40]}[knows]:
        world.people(count)
        world.fanned_out()
    with connect() as link:
        link.execute("ANALYZE outreach_delivery")
        world.people(300)
        run = world.fanned_out(size=Size(chunk=300, batch=50))
        batch = Batch.objects.filter(run=run).earliest("pk")
        [[table]] = link.execute("SELECT DISTINCT tableoid::regclass::text FROM outreach_delivery").fetchall()
        window = _scans(link, table, queries.WINDOW_OF_PEOPLE, run=run.pk, batch=batch.pk)
        settle = _scans(link, table, queries.SETTLE, run=run.pk, batch=batch.pk)
    assert (window, settle) == ({"pkey", "batch_id_idx"}, {"pkey"})


def _scans(link: Link, table: str, statement: str, **given: int) -> set[str]:
    """The indexes of the table that a statement reads; a scan without any is `whole`."""
    [[plan]] = link.execute(f"EXPLAIN (FORMAT JSON) {statement}", {**NOTHING, **given}).fetchall()
    names = {
        node.get("Index Name", "whole")
        for node in _nodes(plan[0]["Plan"])
        if node.get("Relation Name") == table and node["Node Type"] != "ModifyTable"
    }
    return {re.sub(r"\d+$", "", name.removeprefix(f"{table}_")) for name in names}


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)
