"""A provider that is away: its account rests for all workers, longer each time; nobody was tried, nobody is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import django.db
import pytest

from channels.base import (
    AccountProblem,
    AccountWideFailure,
    ChannelError,
    PermanentFailure,
    Session,
    TemporaryFailure,
)
from channels.memory import MemorySession
from outreach.core.models import Account
from outreach.delivery import retry
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect, identity
from outreach.delivery.lease import take_batch
from outreach.delivery.models import Attempt, Batch, Delivery
from tests.delivery.world import World, fates, make_due


def let_rests_end() -> None:
    """What some seconds do."""
    Account.objects.exclude(rest_until=None).update(rest_until=datetime.now(UTC) - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("rests", "retry_after", "jitter", "seconds"),
    [
        (0, None, 0.5, 5.0),
        (0, None, 0.0, 3.75),
        (1, None, 1.0, 12.5),
        (5, None, 0.5, 160.0),
        (99, None, 0.5, 300.0),
        (0, 90.0, 0.5, 90.0),
        (99, 1.0, 0.5, 300.0),
    ],
)
def test_rests_double_up_to_five_minutes(rests: int, retry_after: float | None, jitter: float, seconds: float) -> None:
    assert retry.rest(rests, retry_after=retry_after, jitter=jitter) == seconds


def test_an_unreachable_provider_rests_and_its_rows_wait_untried_in_their_batch(world: World) -> None:
    world.people(5)
    world.window = 3
    run = world.fanned_out()
    world.box().answer(None, AccountWideFailure("connection refused"))

    world.send_all()

    account = world.accounts["email"]
    account.refresh_from_db()
    assert (account.state, account.rests) == ("active", 1)
    assert account.rest_until is not None
    assert account.rest_until > datetime.now(UTC)
    assert len(world.box().attempts) == 2
    assert fates(run) == {
        ("email", "accepted", ""): 1,
        ("email", "deferred", "temporary"): 1,
        ("email", "planned", ""): 3,
    }
    [batch] = Batch.objects.filter(run=run)
    assert (batch.state, batch.is_retry, batch.due_at <= datetime.now(UTC)) == ("ready", False, True)
    assert set(Delivery.objects.filter(state="deferred").values_list("attempts", flat=True)) == {0}
    with connect() as link:
        assert take_batch(link, "campaigns", here=identity(link)) is None

    let_rests_end()
    world.box().answer(AccountWideFailure("connection refused"))
    world.send_all()
    account.refresh_from_db()
    assert account.rests == 2

    let_rests_end()
    world.send_all()

    run.refresh_from_db()
    assert list(Account.objects.filter(channel="email").values_list("rests", "rest_until")) == [(0, None)]
    assert (fates(run), run.state) == ({("email", "accepted", ""): 5}, "finished")
    assert len(world.box().messages) == 5
    assert check_ledger(run.campaign).problems == []


def test_two_workers_that_meet_the_same_trouble_count_it_once(world: World) -> None:
    world.people(4)
    world.window = 2
    world.fanned_out()
    world.fanned_out()

    def refuse_both(_: object) -> ChannelError:
        if len(world.box().attempts) == 1:
            world.send_all()
        return AccountWideFailure("busy", retry_after=40.0)

    world.box().decide = refuse_both
    world.send_all()

    assert len(world.box().attempts) == 2
    assert list(Account.objects.filter(channel="email").values_list("rests", flat=True)) == [1]


def test_the_tries_of_a_row_end_though_the_account_was_away(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    Delivery.objects.filter(run=run).update(created_at=datetime.now(UTC) - timedelta(hours=48))
    world.box().answer(AccountWideFailure("connection refused"))

    world.send_all()

    assert fates(run) == {("email", "rejected", "too_many_attempts"): 1}


def test_a_session_that_cannot_be_opened_lets_the_account_rest(world: World) -> None:
    world.people(1)
    run = world.fanned_out()
    opens: list[int] = []

    def refuse(account: int) -> Session:
        opens.append(account)
        raise AccountWideFailure("connection refused")

    world.send_all(open_session=refuse)

    assert len(opens) == 1
    assert fates(run) == {("email", "planned", ""): 1}
    let_rests_end()
    world.send_all()
    assert fates(run) == {("email", "accepted", ""): 1}


def test_a_batch_of_retries_that_is_given_back_waits_and_is_no_minutes_batch_any_more(world: World) -> None:
    world.people(1)  # two would now and then fall into two minutes
    run = world.fanned_out()
    world.box().answer(TemporaryFailure("later"))
    world.send_all()
    make_due(run)

    def break_down(_: object) -> BaseException:
        return ValueError("the adapter is broken")

    world.box().decide = break_down
    assert world.send_all() == 1

    [retried] = Batch.objects.filter(run=run).exclude(state="done")
    assert (retried.state, retried.is_retry) == ("ready", False)
    assert retried.due_at > datetime.now(UTC) + timedelta(seconds=30)


@pytest.mark.parametrize("broken", [django.db.OperationalError, django.db.InterfaceError])
def test_outcomes_are_written_though_the_account_could_not_be_paused(world: World, broken: type[Exception]) -> None:
    world.people(3)
    run = world.fanned_out()
    world.box().answer(None, AccountProblem("wrong password"))

    def fail(_account: int, _trouble: str) -> None:
        raise broken("the connection is closed")

    world.send_all(pause_account=fail)

    assert fates(run) == {
        ("email", "accepted", ""): 1,
        ("email", "deferred", "account_problem"): 1,
        ("email", "planned", ""): 1,
    }
    [batch] = Batch.objects.filter(run=run)
    assert (batch.state, batch.in_hand, batch.due_at > datetime.now(UTC)) == ("ready", [], True)
    assert list(Attempt.objects.values_list("kind", flat=True)) == ["account"]


@pytest.mark.parametrize("reason", ["rendering", "unsupported", "policy"])
def test_a_run_whose_messages_cannot_be_made_or_carried_pauses_itself(world: World, reason: str) -> None:
    people = world.people(120)
    world.window = 60
    run = world.fanned_out()
    answers: dict[str, Callable[[object], ChannelError | None]] = {
        "unsupported": lambda _: _refusal("unsupported"),
        "policy": lambda _: _refusal("policy"),
    }
    if reason == "rendering":
        world.fails_for = {f"person{person.pk}@example.org" for person in people}
    else:
        world.box().decide = answers[reason]

    world.send_all()

    run.refresh_from_db()
    assert (run.state, run.trouble) == ("paused", {"code": "too_many_refusals"})
    assert fates(run) == {("email", "rejected", reason): 60, ("email", "planned", ""): 60}


def _refusal(reason: str) -> ChannelError:
    return PermanentFailure("no", reason=reason)


def test_the_session_of_an_account_in_trouble_is_closed_when_its_window_is_settled(world: World) -> None:
    world.people(2)
    run = world.fanned_out()
    world.box().answer(None, AccountWideFailure("connection reset"))
    seen: list[dict[tuple[str, str, str], int]] = []
    plain = world.door().open_session

    class Noted(MemorySession):
        def __exit__(self, *error: object) -> None:
            seen.append(fates(run))
            raise OSError("the connection was gone already")

    world.send_all(open_session=lambda account: Noted(plain(account)._box))  # type: ignore[attr-defined]  # a Memory's

    assert seen == [{("email", "accepted", ""): 1, ("email", "deferred", "temporary"): 1}]
