"""The sweep: nothing depends on any message of the broker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from outreach.core import clock
from outreach.delivery import pacing
from outreach.delivery.models import Batch
from outreach.delivery.sweep import sweep, wanted_messages
from tests.delivery.world import World, let_leases_run_out

Published = list[tuple[str, tuple[object, ...], str]]


@pytest.mark.parametrize(
    ("waiting", "leased", "slots", "expected"),
    [(0, 0, 4, 0), (1, 0, 4, 1), (9, 1, 4, 3), (9, 4, 4, 1), (9, 9, 4, 1), (900, 0, 100, 16)],
)
def test_wanted_messages(waiting: int, leased: int, slots: int, expected: int) -> None:
    assert wanted_messages(waiting=waiting, leased=leased, slots=slots) == expected


def test_lost_messages_are_published_again(world: World, published: Published) -> None:
    world.people(5)
    new, waiting = world.run(), world.fanned_out()
    published.clear()

    assert sweep() == {"outreach.fan_out": 1, "outreach.work": 1}
    assert published == [
        ("outreach.fan_out", (new.pk,), "upkeep"),
        ("outreach.work", ("campaigns",), "campaigns"),
    ]
    waiting.refresh_from_db()
    assert waiting.state == "running"


def test_a_dead_workers_batch_is_work_again(world: World, published: Published) -> None:
    world.people(1)
    run = world.fanned_out()
    Batch.objects.filter(run=run).update(state="leased", lease_until=clock.now() + timedelta(minutes=1))
    assert sweep()["outreach.work"] == 0
    Batch.objects.filter(run=run).update(lease_until="2999-01-01T00:00:00Z")  # of a clock that went back since
    assert sweep()["outreach.work"] == 1
    let_leases_run_out()
    assert sweep()["outreach.work"] == 1


@pytest.mark.parametrize(("seconds", "called"), [(pacing.SOON - 1, 1), (pacing.SOON + 60, 0)])
def test_a_batch_that_is_due_before_the_next_sweep_has_a_worker_wait_for_it(
    world: World, published: Published, seconds: float, called: int
) -> None:
    world.people(1)
    run = world.fanned_out()
    Batch.objects.filter(run=run).update(due_at=clock.now() + timedelta(seconds=seconds))

    assert sweep()["outreach.work"] == called


def test_no_more_messages_than_idle_workers(world: World, published: Published) -> None:
    world.people(40)
    from outreach.delivery.fanout import Size

    world.fanned_out(size=Size(chunk=40, batch=4))
    with override_settings(WORKERS=3):
        assert sweep()["outreach.work"] == 3


def test_a_run_that_nobody_finished_is_finished(world: World, published: Published) -> None:
    world.people(1)
    run = world.fanned_out()
    world.send_all()
    type(run).objects.filter(pk=run.pk).update(state="running", finished_at=None)
    sweep()
    run.refresh_from_db()
    assert run.state == "finished"


def test_the_tasks_do_all_of_it(world: World, published: Published, monkeypatch: Any) -> None:
    from outreach import tasks

    monkeypatch.setattr(tasks, "real_door", world.door)
    world.people(3)
    run = world.run()
    assert tasks.fan_out(run.pk) is True
    published.clear()
    assert tasks.work("campaigns") == 1
    assert published == [("outreach.work", ("campaigns",), "campaigns")]
    assert tasks.work("campaigns") == 0
    assert len(world.box().messages) == 3
