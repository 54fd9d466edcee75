"""The story of a delivery, over rows as the real ledger writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import translation

from channels.base import AccountWideFailure, TemporaryFailure
from outreach.audience.subscriptions import unsubscribe
from outreach.audience.suppression import suppress
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.models import Account
from outreach.delivery.evidence import append_evidence, set_receipt
from outreach.delivery.models import Batch, Delivery, Hand
from outreach.delivery.settle import worker
from outreach.effectiveness.receipts import DeliveryReceipt, receipt_of
from outreach.effectiveness.telling import tell
from tests.delivery.world import World, let_leases_run_out, make_due

pytestmark = pytest.mark.django_db(transaction=True)


class Died(BaseException):
    """A worker that dies in mid-hand-over."""


def story_of(run: Run, nth: int = 0) -> DeliveryReceipt:
    return receipt_of(run, Delivery.objects.filter(run=run).order_by("id")[nth])


def steps_of(found: DeliveryReceipt) -> list[tuple[str, str, int | None]]:
    return [(step.kind, step.word, step.fence) for step in found.steps]


def die(world: World) -> None:
    with pytest.raises(Died):
        world.send_all()
    let_leases_run_out()


def test_a_plain_delivery_has_three_commits_each_with_time_and_fence(world: World) -> None:
    world.people(3)
    run = world.fanned_out()
    world.send_all()
    [batch], [hand] = Batch.objects.all(), Hand.objects.all()
    delivery = Delivery.objects.order_by("id")[0]

    found = receipt_of(run, delivery)

    assert steps_of(found) == [("planned", "planned", None), ("in_hand", "in_hand", 1), ("settled", "accepted", 1)]
    assert [step.at for step in found.steps] == [delivery.created_at, hand.in_hand_at, hand.settled_at]
    assert [step.batch for step in found.steps] == [batch.pk] * 3
    assert found.steps[0].facts == {
        "run": run.pk, "run_kind": "campaign", "due": run.occurrence, "channel": "email", "chosen": "all",
        "order": ["email"], "fallback_of": "", "draw": delivery.draw, "variant": "",
    }  # fmt: skip
    assert found.steps[1].facts == {"worker": worker(), "size": 3, "until": hand.settled_at}
    assert found.steps[2].facts == {"worker": worker(), "since": hand.in_hand_at}
    assert (found.state, found.doubt, found.next) == ("accepted", "", [])


def test_the_variant_is_that_of_the_draw(world: World) -> None:
    world.people(1, language="bg")
    frozen = world.frozen()
    frozen["contents"] = [{**frozen["contents"][0], "variant": variant} for variant in ("a", "b")]
    run = world.fanned_out(frozen=frozen)
    Delivery.objects.filter(run=run).update(draw=0.75)

    [planned] = story_of(run).steps

    assert (planned.facts["draw"], planned.facts["variant"]) == (0.75, "b")
    assert "Draw 0.7500, variant “b”." in tell(planned, write_time=str).text


def test_a_dead_workers_window_and_the_one_more_try(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    world.box().answer(Died())
    die(world)

    lost = story_of(run)
    assert (lost.state, [each.code for each in lost.next]) == ("sending", ["lease_ran_out"])

    world.send_all()

    found = story_of(run)
    assert steps_of(found) == [
        ("planned", "planned", None),
        ("in_hand", "lost", 1),
        ("inherited", "inherited", 2),
        ("in_hand", "in_hand", 2),
        ("settled", "accepted", 2),
    ]
    assert found.steps[1].facts["until"] == found.steps[2].at
    assert (found.state, found.doubt, found.next) == ("accepted", "may_be_twice", [])


def test_a_second_death_leaves_it_unknown_and_evidence_may_clear_that(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    for _ in range(2):
        world.box().answer(Died())
        die(world)
    world.send_all()
    unknown = story_of(run)
    [row] = Delivery.objects.filter(run=run)
    append_evidence(run.pk, row.id, kind="accepted", detail="Its reader opened it.")

    found = story_of(run)

    assert (unknown.state, unknown.doubt, [each.code for each in unknown.next]) == (
        "unknown", "unknown", ["waits_for_evidence"],
    )  # fmt: skip
    assert steps_of(found)[-3:] == [
        ("in_hand", "lost", 2),
        ("inherited", "inherited", 3),
        ("evidence", "accepted", None),
    ]
    assert (found.state, found.doubt) == ("accepted", "may_be_twice")


def test_a_retry_tells_the_providers_words_and_when_it_is_tried_again(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    world.box().answer(TemporaryFailure("451 mailbox busy"))
    world.send_all()
    waiting = story_of(run)
    first, retry = Batch.objects.order_by("pk")
    make_due(run)
    world.send_all()

    found = story_of(run)

    assert [(each.code, each.at) for each in waiting.next] == [
        ("due", retry.due_at), ("given_up", waiting.delivery.created_at + timedelta(hours=48)),
    ]  # fmt: skip
    assert [(step.kind, step.word, step.batch, step.detail) for step in found.steps] == [
        ("planned", "planned", first.pk, ""),
        ("in_hand", "in_hand", first.pk, ""),
        ("settled", "temporary", first.pk, "451 mailbox busy"),
        ("in_hand", "in_hand", retry.pk, ""),
        ("settled", "accepted", retry.pk, ""),
    ]


def test_what_an_account_that_rests_makes_a_message_wait_for(world: World) -> None:
    world.people(2)
    run = world.fanned_out(not_after=clock.now() + timedelta(hours=1))
    world.box().answer(AccountWideFailure("421 come later"))
    world.send_all()
    account = Account.objects.get(pk=world.accounts["email"].pk)
    Run.objects.filter(pk=run.pk).update(state="paused")
    run.refresh_from_db()

    found = story_of(run, nth=1)

    codes = [(each.code, each.at) for each in found.next]
    assert codes[:2] == [("run_paused", None), ("account_rests", account.rest_until)]
    assert codes[-1] == ("ends_with_run", run.not_after)


@pytest.mark.parametrize("way", ["consent", "suppression"])
def test_a_withdrawal_during_a_window_is_told_with_both_times(world: World, way: str) -> None:
    [person] = world.people(1)
    run = world.fanned_out()

    def withdraw(_message: Any) -> None:
        if way == "consent":
            unsubscribe(person, topics=[world.topic], source="one_click")
        else:
            suppress(world.organisation, "email", f"person{person.pk}@example.org", "complaint")

    world.box().decide = withdraw
    world.send_all()
    [hand] = Hand.objects.all()

    found = story_of(run)

    [told] = [step for step in found.steps if step.kind == "withdrawn"]
    assert hand.in_hand_at < told.at < (hand.settled_at or told.at)
    assert told.facts == {"since": hand.in_hand_at, "until": hand.settled_at}
    assert steps_of(found)[-1] == ("settled", "accepted", 1)
    assert "may still leave" in tell(told, write_time=datetime.isoformat).text


def test_a_withdrawal_before_any_window_is_honoured(world: World) -> None:
    [person] = world.people(1)
    run = world.fanned_out()
    unsubscribe(person, topics=[world.topic], source="preferences")
    world.send_all()

    found = story_of(run)

    assert steps_of(found) == [
        ("planned", "planned", None), ("withdrawn", "withdrawn", None), ("settled", "skipped", None),
    ]  # fmt: skip
    assert found.steps[1].facts == {}
    assert (found.steps[2].reason, found.next) == ("unsubscribed", [])


def test_late_evidence_of_a_worker_that_was_overtaken(world: World) -> None:
    world.people(1)
    run = world.fanned_out()

    def stall(_message: Any) -> None:
        world.box().decide = lambda _: None
        let_leases_run_out()
        world.send_all()

    world.box().decide = stall
    world.send_all()

    found = story_of(run)

    kinds = [(step.kind, step.word, step.fence) for step in found.steps]
    assert ("in_hand", "lost", 1) in kinds
    assert ("inherited", "inherited", 2) in kinds
    assert ("late", "accepted", 1) in kinds
    assert (found.state, found.doubt) == ("accepted", "may_be_twice")


def test_what_was_never_to_leave_says_so_at_fan_out(world: World) -> None:
    world.people(1)
    run = world.fanned_out(frozen=world.frozen(holdout=1.0))

    found = story_of(run)

    [step] = found.steps
    assert (step.kind, step.word, step.reason, step.batch) == ("planned", "held_out", "hold_out", None)
    assert found.next == []


def test_the_receipt_that_came_later_is_told(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    world.send_all()
    [row] = Delivery.objects.filter(run=run)
    set_receipt(run.pk, row.id, "bounced")

    assert steps_of(story_of(run))[-1] == ("receipt", "bounced", None)


@pytest.mark.parametrize("language", ["bg", "en"])
def test_every_sentence_has_its_values(world: World, language: str) -> None:
    world.people(1)
    run = world.fanned_out()
    world.box().answer(Died())
    die(world)
    world.send_all()

    with translation.override(language):
        told = [tell(step, write_time=datetime.isoformat) for step in story_of(run).steps]

    assert all(each.title and "%(" not in each.title + each.text for each in told)
    assert [each.tone for each in told] == ["", "unsure", "unsure", "", "good"]
