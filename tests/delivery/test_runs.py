"""A run's states, and its campaign's with it."""

from __future__ import annotations

import pytest

from channels.base import PermanentFailure
from outreach.core.errors import StateConflict
from outreach.core.models import Alert
from outreach.delivery.check import check_ledger
from outreach.delivery.models import Batch
from outreach.delivery.runs import cancel_run, hold_run, pause_run, resume_run, settled_state
from outreach.delivery.sweep import sweep
from tests.delivery.world import World, campaign_of, fates

#: (state, fanned out, unfinished batches, batches with ids in hand) -> where the run has come to.
SETTLED = {
    ("running", True, 0, 0): "finished",
    ("running", False, 0, 0): None,
    ("running", True, 1, 0): None,
    ("pausing", True, 3, 0): "paused",
    ("pausing", True, 3, 1): None,
    ("pausing", False, 0, 0): "paused",
    ("cancelling", True, 1, 0): None,
    ("cancelling", True, 1, 1): None,
    ("cancelling", True, 0, 0): "cancelled",
    ("cancelling", False, 0, 0): "cancelled",
    ("paused", True, 0, 0): None,
    ("held", True, 0, 0): None,
    ("finished", True, 0, 0): None,
    ("cancelled", True, 0, 0): None,
}


@pytest.mark.parametrize(("case", "expected"), SETTLED.items())
def test_settled_state(case: tuple[str, bool, int, int], expected: str | None) -> None:
    state, is_fanned_out, unfinished, in_hand = case
    assert settled_state(state, is_fanned_out=is_fanned_out, unfinished=unfinished, in_hand=in_hand) == expected


def test_pause_and_resume_with_nothing_in_hand(world: World) -> None:
    world.people(2)
    run = world.fanned_out()
    assert pause_run(run.pk) == "paused"
    assert world.send_all() == 0
    run.refresh_from_db()
    assert (run.state, campaign_of(run).state) == ("paused", "paused")

    assert resume_run(run.pk) == "running"
    world.send_all()
    run.refresh_from_db()
    assert (run.state, campaign_of(run).state, fates(run)) == ("finished", "finished", {("email", "accepted", ""): 2})


def test_cancel_in_mid_send_closes_what_is_open_and_lets_the_hand_settle(world: World) -> None:
    world.people(5)
    world.window = 2
    run = world.fanned_out()

    def cancel_at_third(_: object) -> None:
        if len(world.box().attempts) == 3:
            cancel_run(run.pk)

    world.box().decide = cancel_at_third
    world.send_all()
    run.refresh_from_db()
    assert run.state == "cancelling"
    sweep()

    run.refresh_from_db()
    assert (run.state, campaign_of(run).state) == ("cancelled", "cancelled")
    assert fates(run) == {("email", "accepted", ""): 4, ("email", "cancelled", "run_cancelled"): 1}
    assert set(Batch.objects.filter(run=run).values_list("state", flat=True)) == {"done"}
    assert check_ledger(run.campaign).problems == []


def test_a_held_run_sends_nothing_until_somebody_lets_it(world: World) -> None:
    world.people(2)
    run = world.fanned_out()
    assert hold_run(run.pk, {"code": "away", "from": "a", "to": "b"}) is True
    assert world.send_all() == 0
    [alert] = Alert.objects.all()
    assert (alert.code, alert.noun_id, alert.facts) == (
        "run_held",
        str(run.pk),
        {"code": "away", "from": "a", "to": "b", "name": "Campaign"},
    )

    resume_run(run.pk)
    world.send_all()

    alert.refresh_from_db()
    run.refresh_from_db()
    assert alert.resolved_at is not None
    assert (run.state, run.trouble) == ("finished", {})


def test_a_run_whose_provider_refuses_us_pauses_itself(world: World) -> None:
    world.people(200)
    world.window = 50
    run = world.fanned_out()
    world.box().decide = lambda _: PermanentFailure("blocked", reason="policy")

    world.send_all()

    run.refresh_from_db()
    assert (run.state, run.trouble) == ("paused", {"code": "too_many_refusals"})
    assert fates(run) == {("email", "rejected", "policy"): 50, ("email", "planned", ""): 150}
    assert list(Alert.objects.values_list("code", "facts")) == [
        ("run_paused", {"name": "Campaign", "reason": "too_many_refusals"})
    ]


def test_unknown_recipients_pause_nobody(world: World) -> None:
    world.people(200)
    run = world.fanned_out()
    world.box().decide = lambda _: PermanentFailure("no such user", reason="unknown_recipient")
    world.send_all()
    run.refresh_from_db()
    assert run.state == "finished"


@pytest.mark.parametrize("verb", [pause_run, resume_run, cancel_run])
def test_a_finished_run_stays_finished(world: World, verb: object) -> None:
    run = world.fanned_out()
    assert callable(verb)
    with pytest.raises(StateConflict):
        verb(run.pk)
    assert hold_run(run.pk, {}) is False
