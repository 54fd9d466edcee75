"""A real worker process is killed by SIGKILL between every two steps; the rows are compared with what its peer got."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection

from outreach.campaigns.models import Run
from outreach.core.vocabulary import Lane
from outreach.delivery.check import check_ledger
from outreach.delivery.engine import work
from outreach.delivery.models import Batch, Delivery
from tests.delivery.dying_worker import file_door
from tests.delivery.world import World, fates, let_leases_run_out

PEOPLE = 30
WINDOW = 8
ROOT = Path(__file__).resolve().parents[2]


def run_worker(path: Path, failpoint: str) -> int:
    environment = {**os.environ, "OUTREACH_FAILPOINT": failpoint, "PYTHONPATH": str(ROOT)}
    name = str(connection.settings_dict["NAME"])
    arguments = [sys.executable, "-m", "tests.delivery.dying_worker", name, str(path), str(WINDOW)]
    return subprocess.run(arguments, env=environment, cwd=ROOT, check=False, timeout=60).returncode


@pytest.mark.parametrize(
    ("failpoint", "channel"),
    [
        ("settle.before_commit:kill:nth=3", "email"),
        ("settle.after_commit:kill:nth=2", "email"),
        ("handover.after:kill:nth=11", "email"),
        ("handover.after:kill:nth=11", "sms"),
    ],
)
def test_a_killed_worker_loses_nothing_and_doubles_nothing_in_silence(
    world: World, tmp_path: Path, failpoint: str, channel: str
) -> None:
    people = world.people(PEOPLE, channels=[channel])
    run = world.fanned_out(channels=[channel])
    outbox = tmp_path / "outbox"
    outbox.touch()

    assert run_worker(outbox, failpoint) == -signal.SIGKILL
    at_the_cut = {id_ for hand in Batch.objects.values_list("in_hand", flat=True) for id_ in hand}
    let_leases_run_out()
    work(Lane.CAMPAIGNS.value, door=file_door(outbox, WINDOW))

    received = Counter(int(line.split()[0].rpartition("-")[2]) for line in outbox.read_text().splitlines())
    rows = {row.id: row for row in Delivery.objects.filter(run=run)}
    assert len(rows) == len(people)
    doubled = {id_ for id_, count in received.items() if count > 1}
    assert max(received.values()) <= 2
    assert doubled <= at_the_cut
    assert all(rows[id_].uncertain for id_ in doubled)
    assert {id_ for id_, row in rows.items() if row.uncertain} == at_the_cut
    if channel == "sms":
        assert doubled == set()
        assert {id_ for id_, row in rows.items() if row.state == "unknown"} == at_the_cut
    else:
        assert fates(run) == {(channel, "accepted", ""): PEOPLE}
        assert set(received) == set(rows)
    assert {row.state for id_, row in rows.items() if id_ not in at_the_cut} == {"accepted"}
    assert check_ledger(run.campaign).problems == []
    assert Run.objects.get(pk=run.pk).state == "finished"
