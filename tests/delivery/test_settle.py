"""The settle: outcomes become states by one table, in one transaction, under the fence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels.base import (
    AccountProblem,
    ChannelError,
    OutcomeUnknown,
    PermanentFailure,
    TemporaryFailure,
    UnsupportedContent,
)
from outreach.core import failpoints
from outreach.delivery.check import check_ledger
from outreach.delivery.models import Attempt, Batch, Delivery
from tests.delivery.world import World, fates, make_due

CASES: list[tuple[ChannelError, dict[tuple[str, str, str], int]]] = [
    (PermanentFailure("550 no such user", reason="unknown_recipient"), {("email", "rejected", "unknown_recipient"): 1}),
    (PermanentFailure("no"), {("email", "rejected", "refused"): 1}),
    (PermanentFailure("no", reason="a word we do not know"), {("email", "rejected", "refused"): 1}),
    (UnsupportedContent("too long"), {("email", "rejected", "unsupported"): 1}),
    (TemporaryFailure("later"), {("email", "deferred", "temporary"): 1}),
    (TemporaryFailure("slow down", reason="rate_limited"), {("email", "deferred", "rate_limited"): 1}),
    (AccountProblem("wrong password"), {("email", "deferred", "account_problem"): 1}),
]


@pytest.mark.parametrize(("error", "expected"), CASES, ids=lambda case: type(case).__name__)
def test_each_outcome_has_its_state(
    world: World, error: ChannelError, expected: dict[tuple[str, str, str], int]
) -> None:
    world.people(1)
    run = world.fanned_out()
    world.box().answer(error)

    world.send_all()

    assert fates(run) == expected
    assert list(Attempt.objects.values_list("kind", "detail")) == [(error.kind.value, error.detail)]
    assert check_ledger(run.campaign).problems == []


def test_a_message_that_cannot_be_made_is_rejected_without_hand_over(world: World) -> None:
    [bad, good] = world.people(2)
    world.fails_for = {f"person{bad.pk}@example.org"}
    run = world.fanned_out()

    world.send_all()

    assert world.box().attempts == [f"person{good.pk}@example.org"]
    assert fates(run) == {("email", "accepted", ""): 1, ("email", "rejected", "rendering"): 1}
    assert list(Attempt.objects.values_list("reason", flat=True)) == ["rendering"]


def test_a_retry_moves_to_a_batch_of_its_minute_and_is_sent_then(world: World) -> None:
    world.people(3)
    run = world.fanned_out()
    for _ in range(3):
        world.box().answer(TemporaryFailure("later", retry_after=90.0))

    world.send_all()

    [retry] = Batch.objects.filter(run=run, is_retry=True)
    assert retry.due_at.second == 0
    assert retry.due_at > datetime.now(UTC)
    assert Delivery.objects.filter(batch=retry).count() == 3
    run.refresh_from_db()
    assert run.state == "running"

    make_due(run)
    world.send_all()

    run.refresh_from_db()
    assert (fates(run), run.state) == ({("email", "accepted", ""): 3}, "finished")
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {2}
    assert check_ledger(run.campaign).problems == []


def test_retries_of_one_minute_share_a_batch(world: World) -> None:
    world.people(6)
    run = world.fanned_out()
    world.window = 2
    world.box().decide = lambda _: TemporaryFailure("later", retry_after=3600.0)
    world.send_all()
    assert 1 <= Batch.objects.filter(run=run, is_retry=True).count() <= 2


def test_tries_end_after_two_days_or_with_the_run(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    Delivery.objects.filter(run=run).update(created_at=datetime.now(UTC) - timedelta(hours=48))
    with_end = world.fanned_out(not_after=datetime.now(UTC) + timedelta(seconds=20))
    world.box().decide = lambda _: TemporaryFailure("later")

    world.send_all()

    assert fates(run) == {("email", "rejected", "too_many_attempts"): 1}
    assert fates(with_end) == {("email", "skipped", "expired"): 1}


def test_no_answer_is_tried_once_more_alone_and_then_unknown(world: World) -> None:
    [first, *_] = world.people(3)
    run = world.fanned_out()
    to = f"person{first.pk}@example.org"
    world.box().answer(OutcomeUnknown("cut"), OutcomeUnknown("cut again"), to=to)

    world.send_all()

    assert world.box().attempts.count(to) == 2
    assert fates(run) == {("email", "accepted", ""): 2, ("email", "unknown", "no_answer"): 1}
    assert Delivery.objects.get(run=run, subscriber=first).uncertain is True


def test_with_hold_no_answer_is_never_sent_again(world: World) -> None:
    world.people(1, channels=["sms"])
    run = world.fanned_out(channels=["sms"])
    world.box("sms").answer(OutcomeUnknown("cut"))
    world.send_all()
    assert len(world.box("sms").attempts) == 1
    assert fates(run) == {("sms", "unknown", "no_answer"): 1}


def test_an_account_problem_pauses_the_account_and_loses_nothing(world: World) -> None:
    world.people(5)
    world.window = 5
    run = world.fanned_out()
    world.box().answer(None, AccountProblem("quota used up"))

    world.send_all()

    assert world.paused == [(world.accounts["email"].pk, "quota used up")]
    assert len(world.box().attempts) == 2
    assert fates(run) == {
        ("email", "accepted", ""): 1,
        ("email", "deferred", "account_problem"): 1,
        ("email", "planned", ""): 3,
    }
    world.accounts["email"].__class__.objects.update(state="active")
    world.send_all()
    assert fates(run) == {("email", "accepted", ""): 5}
    assert len(world.box().messages) == 5


@pytest.mark.parametrize("place", ["settle.before", "settle.before_commit", "settle.after_commit"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_connection_that_breaks_in_a_settle_costs_nothing(world: World, place: str, nth: int) -> None:
    world.people(4)
    world.window = 2
    run = world.fanned_out()
    failpoints.arm(f"{place}:drop:nth={nth}")
    try:
        world.send_all()
    finally:
        failpoints.arm("")

    run.refresh_from_db()
    assert len(world.box().messages) == 4
    assert (fates(run), run.state) == ({("email", "accepted", ""): 4}, "finished")
    assert Delivery.objects.filter(run=run, uncertain=True).count() == 0
    assert check_ledger(run.campaign).problems == []


def test_who_lost_the_fence_leaves_evidence_and_writes_no_state(world: World) -> None:
    [person] = world.people(1)
    run = world.fanned_out()

    def take_over(_: Any) -> None:
        Batch.objects.filter(run=run).update(fence=99, in_hand=[])
        Delivery.objects.filter(run=run).update(state="unknown", uncertain=True)

    world.box().decide = take_over
    world.send_all()

    [row] = Delivery.objects.filter(run=run)
    assert row.subscriber_id == person.pk
    assert (row.state, row.uncertain) == ("accepted", True)
    assert list(Attempt.objects.values_list("kind", "fence")) == [("accepted", 1)]
