"""Counters: sums in slots, always equal to the rows."""

from __future__ import annotations

import os
from collections import Counter as Tally

import pytest

from outreach.delivery import counters
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.models import Counter, Delivery
from tests.delivery.world import World


def test_counts_and_minutes_are_what_the_rows_say(world: World) -> None:
    world.people(5)
    run = world.fanned_out()
    assert counters.counts(run.pk) == {("email", "planned", ""): 5}
    world.send_all()
    assert counters.counts(run.pk) == {("email", "accepted", ""): 5}
    minutes = Tally(counters.minute(at) for at in Delivery.objects.values_list("settled_at", flat=True) if at)
    assert counters.accepted_by_minute(run.pk) == dict(minutes)


def test_each_process_writes_its_own_slot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = world.run()
    with connect() as link:
        for pid in (1, 2, 1):
            monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
            deltas: counters.Deltas = Tally()
            counters.born(deltas, channel="email", language="bg", state="planned", reason="", count=2)
            counters.write(link, run.pk, deltas)
    assert sorted(Counter.objects.values_list("count", flat=True)) == [2, 4]
    assert counters.counts(run.pk) == {("email", "planned", ""): 6}


@pytest.mark.parametrize("change", ["counter", "row", "count", "lost"])
def test_the_check_finds_what_does_not_add_up(world: World, change: str) -> None:
    world.people(3)
    run = world.fanned_out()
    first = Delivery.objects.filter(run=run).order_by("id").values_list("id", flat=True)[0]
    if change == "counter":
        Counter.objects.update(count=7)
    elif change == "row":
        Delivery.objects.filter(run=run, id=first).update(state="accepted")
    elif change == "count":
        type(run).objects.update(audience_count=4)
    else:
        Delivery.objects.filter(run=run, id=first).delete()

    found = check_ledger(run.campaign)

    expected = {
        "counter": ["counters"],
        "row": ["counters"],
        "count": ["fates"],
        "lost": ["fates", "counters"],
    }
    assert [problem.code for problem in found.problems] == expected[change]
    assert found.adds_up is False


def test_the_command_prints_the_check_and_its_exit_code(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    import argparse
    import json

    from outreach.management import ledger

    world.people(2)
    run = world.fanned_out()
    parser = argparse.ArgumentParser()
    ledger.add_arguments(parser)

    assert ledger.handle(parser.parse_args([str(run.campaign_id), "--check", "--json"])) == 0
    assert json.loads(capsys.readouterr().out) == {
        "campaign": str(run.campaign_id),
        "audience": 2,
        "primary": {"planned": 2},
        "fallback": {},
        "in_hand": 0,
        "counters_equal": True,
        "problems": [],
    }
    Counter.objects.update(count=7)
    assert ledger.handle(parser.parse_args(["--check"])) == 1
    assert "The ledger does NOT add up." in capsys.readouterr().out
