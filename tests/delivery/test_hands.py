"""The story of the windows: who had which ids in hand, from when to when; told to people, decided by nothing."""

from __future__ import annotations

import os

import pytest

from outreach.campaigns.models import Run
from outreach.delivery.models import Batch, Delivery, Hand
from outreach.delivery.settle import worker
from tests.delivery.world import World, let_leases_run_out


class Died(BaseException):
    """A worker that dies in mid-hand-over."""


def story(run: Run) -> list[tuple[int, int, bool]]:
    """(fence, ids, whether it was settled) of each window, in the order of their commits."""
    hands = Hand.objects.filter(run=run).order_by("id")
    return [(hand.fence, len(hand.ids), hand.settled_at is not None) for hand in hands]


def test_each_window_is_told_with_its_commits(world: World) -> None:
    world.people(5)
    world.window = 2
    run = world.fanned_out()

    world.send_all()

    assert story(run) == [(1, 2, True), (1, 2, True), (1, 1, True)]
    [batch] = Batch.objects.filter(run=run)
    hands = list(Hand.objects.order_by("id"))
    settled = dict(Delivery.objects.filter(run=run).values_list("id", "settled_at"))
    assert {hand.worker for hand in hands} == {worker()} == {f"{os.uname().nodename}:{os.getpid()}"}
    assert [(hand.batch_id, hand.run_id) for hand in hands] == [(batch.pk, run.pk)] * 3
    assert [id_ for hand in hands for id_ in hand.ids] == sorted(settled)
    assert all(settled[id_] == hand.settled_at for hand in hands for id_ in hand.ids)
    assert all(hand.settled_at is not None and hand.in_hand_at < hand.settled_at for hand in hands)


def test_a_dead_workers_window_stays_unsettled_in_the_story(world: World) -> None:
    world.people(3)
    run = world.fanned_out()
    world.box().answer(None, Died())
    with pytest.raises(Died):
        world.send_all()
    let_leases_run_out()

    world.send_all()

    assert story(run) == [(1, 3, False), *[(2, 1, True)] * 3]


def test_the_story_goes_with_its_run(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    world.send_all()

    run.delete()

    assert Hand.objects.count() == 0
