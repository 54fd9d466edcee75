"""Pause, resume and cancel while a worker hands over: they act within one window, and lose or double nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from django.db import connections

from channels.base import Message
from outreach.campaigns.models import Run
from outreach.delivery.check import check_ledger
from outreach.delivery.models import Batch
from outreach.delivery.runs import cancel_run, pause_run, resume_run
from outreach.delivery.sweep import sweep
from tests.delivery.world import World, campaign_of, fates

PEOPLE: Final = 10
WINDOW: Final = 3
PATIENCE: Final = 20.0


class SlowPeer:
    """Accepts everything, but keeps one message waiting for its answer."""

    def __init__(self, world: World, *, holds: int) -> None:
        self.box = world.box()
        self.holds = holds
        self.is_held = threading.Event()
        self.may_answer = threading.Event()
        self.box.decide = self._answer

    def _answer(self, _: Message) -> None:
        if len(self.box.attempts) == self.holds:
            self.is_held.set()
            assert self.may_answer.wait(PATIENCE)


@contextmanager
def sending(world: World) -> Iterator[threading.Thread]:
    """A worker at its work, in a thread of its own with its own connections."""
    errors: list[BaseException] = []

    def serve() -> None:
        try:
            world.send_all()
        except BaseException as err:  # told to the test below
            errors.append(err)
        finally:
            connections.close_all()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert errors == []


def state_of(run: Run) -> str:
    run.refresh_from_db()
    assert campaign_of(run).state == run.state
    return run.state


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


#: The message at which the peer is slow -> how many leave in all: up to the end of its window, and none after it.
WITHIN: Final = {1: 3, 3: 3, 4: 6, 5: 6, 9: 9}


@pytest.mark.parametrize(("holds", "leave"), WITHIN.items())
@pytest.mark.parametrize(
    ("stop", "on_the_way", "in_the_end"),
    [
        (pause_run, "pausing", "paused"),
        (cancel_run, "cancelling", "cancelled"),
    ],
)
def test_what_is_in_hand_settles_and_nothing_leaves_after_it(
    world: World, stop: Callable[[int], str], on_the_way: str, in_the_end: str, holds: int, leave: int
) -> None:
    world.people(PEOPLE)
    world.window = WINDOW
    run = world.fanned_out()
    peer = SlowPeer(world, holds=holds)
    with sending(world):
        assert peer.is_held.wait(PATIENCE)

        assert stop(run.pk) == on_the_way
        [batch] = Batch.objects.filter(run=run)
        assert len(batch.in_hand) == WINDOW
        sweep()
        assert state_of(run) == on_the_way  # somebody has messages in hand
        peer.may_answer.set()
    sweep()

    assert state_of(run) == in_the_end
    rest = ("email", "planned", "") if in_the_end == "paused" else ("email", "cancelled", "run_cancelled")
    assert fates(run) == {("email", "accepted", ""): leave, rest: PEOPLE - leave}
    assert len(peer.box.attempts) == leave
    if in_the_end == "paused":
        resume_run(run.pk)
        world.send_all()
        assert (state_of(run), fates(run)) == ("finished", {("email", "accepted", ""): PEOPLE})
    assert len({message.to for message in peer.box.messages}) == len(peer.box.messages)
    assert check_ledger(run.campaign).problems == []


def test_a_run_resumed_before_its_hand_settled_goes_on_and_doubles_nobody(world: World) -> None:
    world.people(PEOPLE)
    world.window = WINDOW
    run = world.fanned_out()
    peer = SlowPeer(world, holds=5)
    with sending(world):
        assert peer.is_held.wait(PATIENCE)
        assert pause_run(run.pk) == "pausing"
        assert resume_run(run.pk) == "running"
        world.send_all()  # another worker finds nothing: the batch is leased
        assert len(peer.box.attempts) == 5
        peer.may_answer.set()

    assert state_of(run) == "finished"
    assert fates(run) == {("email", "accepted", ""): PEOPLE}
    assert len(peer.box.attempts) == PEOPLE


def test_a_pause_waits_for_a_window_that_is_being_committed_and_for_nothing_longer(world: World) -> None:
    world.people(300)
    world.window = 1
    run = world.fanned_out()
    stopped_after: list[int] = []

    def note(_: Any) -> None:
        if stopped_after:
            stopped_after.append(len(world.box().attempts))

    world.box().decide = note
    with sending(world):
        wait_until(lambda: bool(world.box().attempts))
        pause_run(run.pk)
        stopped_after.append(len(world.box().attempts))

    assert state_of(run) == "paused"
    assert len(world.box().attempts) <= stopped_after[0] + 1
    assert check_ledger(run.campaign).problems == []
