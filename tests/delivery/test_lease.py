"""Leases and inheritance: who takes over from a dead worker resolves his hands first, and never sends in silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from outreach.core.models import Account, Alert, Installation
from outreach.delivery import pacing
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import Identity, connect, identity
from outreach.delivery.lease import resolve_lost, take_batch
from outreach.delivery.models import Attempt, Batch, Delivery
from outreach.delivery.runs import cancel_run, pause_run, release_batch, resume_run
from outreach.delivery.sweep import sweep
from tests.delivery.world import World, campaign_of, fates, let_leases_run_out


class Died(BaseException):
    """A worker that dies in mid-hand-over: nothing of it runs any more."""


def die_at(world: World, channel: str, nth: int) -> None:
    """Let the worker die when it hands over its nth message, after the peer got it."""
    box = world.box(channel)
    box.answer(*[None] * (nth - 1), Died())


def test_a_dead_workers_ids_are_sent_once_more_and_flagged(world: World) -> None:
    people = world.people(10)
    world.window = 4
    run = world.fanned_out()
    die_at(world, "email", 6)
    with pytest.raises(Died):
        world.send_all()
    [batch] = Batch.objects.filter(run=run)
    in_hand = list(batch.in_hand)
    assert len(in_hand) == 4
    assert fates(run) == {("email", "accepted", ""): 4, ("email", "planned", ""): 6}

    let_leases_run_out()
    world.send_all()

    run.refresh_from_db()
    assert (fates(run), run.state) == ({("email", "accepted", ""): 10}, "finished")
    assert sorted(Delivery.objects.filter(run=run, uncertain=True).values_list("id", flat=True)) == sorted(in_hand)
    received = [message.to for message in world.box().messages]
    doubled = {to for to in received if received.count(to) > 1}
    assert len(doubled) == 2  # the two that left before the worker died
    assert doubled <= {f"person{person.pk}@example.org" for person in people}
    assert Attempt.objects.filter(kind="inherited").count() == 4
    assert check_ledger(run.campaign).problems == []


def test_with_hold_nothing_is_sent_twice(world: World) -> None:
    world.people(10, channels=["sms"])
    world.window = 4
    run = world.fanned_out(channels=["sms"])
    die_at(world, "sms", 6)
    with pytest.raises(Died):
        world.send_all()

    let_leases_run_out()
    world.send_all()

    run.refresh_from_db()
    received = [message.to for message in world.box("sms").messages]
    assert len(received) == len(set(received)) == 8
    assert fates(run) == {("sms", "accepted", ""): 6, ("sms", "unknown", "lost_in_hand"): 4}
    assert run.state == "finished"


def test_inherited_rows_come_alone_and_one_that_kills_again_is_unknown(world: World) -> None:
    people = world.people(3)
    run = world.fanned_out()
    deadly = f"person{people[1].pk}@example.org"
    world.box().answer(Died(), Died(), to=deadly)
    for _ in range(2):
        with pytest.raises(Died):
            world.send_all()
        let_leases_run_out()
    world.send_all()

    assert world.box().attempts.count(deadly) == 2
    assert fates(run) == {("email", "accepted", ""): 2, ("email", "unknown", "lost_in_hand"): 1}
    assert max(world.box().attempts.count(to) for to in world.box().attempts) == 2


def test_a_batch_inherited_three_times_is_parked_with_an_alert(world: World) -> None:
    world.people(5)
    run = world.fanned_out()
    world.box().decide = lambda _: Died()
    for _ in range(3):
        with pytest.raises(Died):
            world.send_all()
        let_leases_run_out()
    assert world.send_all() == 0

    [batch] = Batch.objects.filter(run=run)
    assert (batch.state, batch.inherited, batch.in_hand) == ("parked", 3, [])
    assert list(Alert.objects.values_list("code", "noun_id")) == [("batch_parked", str(batch.pk))]
    assert max(world.box().attempts.count(to) for to in set(world.box().attempts)) == 2
    assert check_ledger(run.campaign).problems == []

    world.box().decide = lambda _: None
    assert release_batch(batch.pk) is True
    assert release_batch(batch.pk) is False
    world.send_all()
    assert Alert.objects.filter(resolved_at=None).count() == 0
    run.refresh_from_db()
    assert run.state == "finished"


def test_a_lease_that_lasts_is_nobody_elses(world: World) -> None:
    world.people(1)
    world.fanned_out()
    with connect() as link:
        here = identity(link)
        assert take_batch(link, "campaigns", here=here) is not None
        assert take_batch(link, "campaigns", here=here) is None


def test_after_the_clock_went_back_a_lease_far_ahead_counts_as_run_out(world: World) -> None:
    world.people(1)
    world.fanned_out()
    with connect() as link:
        here = identity(link)
        take_batch(link, "campaigns", here=here)
        link.execute(
            "UPDATE outreach_batch SET lease_until = clock_timestamp() + interval '1 hour',"
            " due_at = due_at + interval '1 hour'"
        )
        lease = take_batch(link, "campaigns", here=here)
    assert lease is not None
    assert lease.fence == 2


def test_notices_overtake_and_runs_take_turns(world: World) -> None:
    world.people(4)
    first, second = world.fanned_out(), world.fanned_out()
    recipients = [{"channel": "email", "value": "boss@example.org", "language": "bg"}]
    notice = world.fanned_out(kind="test", frozen={**world.frozen(), "recipients": recipients})
    Batch.objects.create(run=first, account=world.accounts["email"], due_at=datetime(2026, 1, 1, tzinfo=UTC))
    with connect() as link:
        here = identity(link)
        taken = [take_batch(link, "campaigns", here=here) for _ in range(4)]
    assert [lease.run for lease in taken if lease] == [notice.pk, first.pk, second.pk, first.pk]


@pytest.mark.parametrize("reason", ["paused_account", "not_due", "other_database", "absent", "paused_run"])
def test_what_must_not_be_leased(world: World, reason: str) -> None:
    world.people(1)
    run = world.fanned_out()
    Batch.objects.filter(run=run).update(due_at=datetime.now(UTC) - timedelta(minutes=1))
    with connect() as link:
        here = identity(link)
    if reason == "paused_account":
        Account.objects.update(state="paused")
    elif reason == "not_due":
        Batch.objects.update(due_at=datetime.now(UTC) + timedelta(minutes=1))
    elif reason == "other_database":
        here = Identity(system=here.system, timeline=here.timeline + 1)
    elif reason == "absent":
        Installation.objects.create(pk=1, alive_at=datetime.now(UTC) - timedelta(hours=1))
    else:
        pause_run(run.pk)
    with connect() as link:
        assert take_batch(link, "campaigns", here=here) is None


@pytest.mark.parametrize(("stop", "state"), [(pause_run, "paused"), (cancel_run, "cancelled")])
def test_in_a_stopped_run_lost_ids_become_unknown_and_nothing_is_sent(world: World, stop: object, state: str) -> None:
    world.people(6)
    world.window = 4
    run = world.fanned_out()
    die_at(world, "email", 2)
    with pytest.raises(Died):
        world.send_all()
    assert callable(stop)
    stop(run.pk)
    run.refresh_from_db()
    assert run.state in {"pausing", "cancelling"}
    sweep()
    run.refresh_from_db()
    assert run.state in {"pausing", "cancelling"}  # its worker may still live: the lease has not run out

    let_leases_run_out()
    sweep()

    run.refresh_from_db()
    assert run.state == campaign_of(run).state == state
    rest = ("email", "planned", "") if state == "paused" else ("email", "cancelled", "run_cancelled")
    assert fates(run) == {("email", "unknown", "lost_in_hand"): 4, rest: 2}
    assert len(world.box().messages) == 2
    assert check_ledger(run.campaign).problems == []
    with connect() as link:
        assert resolve_lost(link) == 0
    if state == "paused":
        resume_run(run.pk)
        world.send_all()
        assert fates(run) == {("email", "unknown", "lost_in_hand"): 4, ("email", "accepted", ""): 2}


def test_the_lease_of_a_slow_provider_is_not_taken_for_one_of_a_clock_that_went_back(world: World) -> None:
    world.people(2)
    run = world.fanned_out()
    seconds = pacing.lease_seconds(30.0)  # as a mail server's
    assert seconds > 2 * pacing.LEASE
    with connect() as mine, connect() as other:
        lease = take_batch(mine, "campaigns", here=identity(mine))
        assert lease is not None
        mine.execute("UPDATE outreach_batch SET lease_until = clock_timestamp() + %s * interval '1 second'", [seconds])

        assert take_batch(other, "campaigns", here=identity(other)) is None

    assert Batch.objects.get(run=run).fence == lease.fence
