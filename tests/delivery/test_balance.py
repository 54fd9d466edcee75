"""Accounts that share a channel: who gets how much, and what moves where one of them cannot send."""

from __future__ import annotations

from typing import Any

import pytest

from channels.base import AccountProblem, OutcomeUnknown, TemporaryFailure
from outreach.campaigns.models import Run
from outreach.core.models import Account, Alert
from outreach.delivery.balance import LEAST_SHARE, Part, Speed, Standing, balance, for_account, next_share, parts
from outreach.delivery.check import check_ledger
from outreach.delivery.connection import connect
from outreach.delivery.models import Attempt, Batch, Delivery
from outreach.delivery.runs import cancel_run, pause_run
from outreach.delivery.sweep import sweep
from tests.delivery.world import World, campaign_of, fates, make_due

A, B, C = (Standing(id=id_, weight=weight) for id_, weight in ((1, 3), (2, 1), (3, 0)))


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ([A, B, C], [Part(account=1, lower=0.0, upper=0.75), Part(account=2, lower=0.75, upper=1.0)]),
        (
            [Standing(id=1, weight=2, share=0.25), Standing(id=2, weight=2, share=0.75)],
            [Part(account=1, lower=0.0, upper=0.25), Part(account=2, lower=0.25, upper=1.0)],
        ),
        ([Standing(id=1, weight=3, is_usable=False), B, C], [Part(account=2, lower=0.0, upper=1.0)]),
        ([Standing(id=1, weight=3, is_usable=False), C], [Part(account=3, lower=0.0, upper=1.0)]),
        (
            [Standing(id=1, weight=1, is_usable=False), Standing(id=2, weight=1, is_usable=False)],
            [Part(account=1, lower=0.0, upper=0.5), Part(account=2, lower=0.5, upper=1.0)],
        ),
        ([Standing(id=3, weight=0, is_usable=False)], [Part(account=3, lower=0.0, upper=1.0)]),
    ],
)
def test_a_pool_is_split_by_weight_share_and_trouble(pool: list[Standing], expected: list[Part]) -> None:
    assert parts(pool) == expected


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (Speed(share=1.0, receipts=100, slow=10, since_change=None), 0.9),
        (Speed(share=1.0, receipts=100, slow=9, since_change=None), 1.0),
        (Speed(share=1.0, receipts=19, slow=19, since_change=None), 1.0),
        (Speed(share=0.5, receipts=100, slow=90, since_change=59.0), 0.5),
        (Speed(share=0.5, receipts=100, slow=90, since_change=60.0), 0.4),
        (Speed(share=0.1, receipts=100, slow=90, since_change=60.0), 0.1),
        (Speed(share=0.5, receipts=100, slow=0, since_change=599.0), 0.5),
        (Speed(share=0.5, receipts=0, slow=0, since_change=600.0), 0.6),
        (Speed(share=0.95, receipts=0, slow=0, since_change=600.0), 1.0),
        (Speed(share=0.5, receipts=0, slow=0, since_change=-5.0), 0.6),
    ],
)
def test_a_slow_provider_gets_less_and_slowly_more_again(speed: Speed, expected: float) -> None:
    assert next_share(speed) == expected


def second(world: World, **fields: Any) -> Account:
    return world.account("email", name="second", **fields)


def pooled(world: World, *accounts: Account, **changes: Any) -> dict[str, Any]:
    """A plan whose e-mails are split over the usual account and these."""
    frozen = world.frozen(**changes)
    for content in frozen["contents"]:
        if content["channel"] == "email":
            content["pooled"] = True
    frozen["pools"] = {"email": [[account.pk, account.weight] for account in (world.accounts["email"], *accounts)]}
    return frozen


def by_account(run: Run) -> dict[int, int]:
    found: dict[int, int] = {}
    for account in Delivery.objects.filter(run=run).values_list("account_id", flat=True):
        found[account or 0] = found.get(account or 0, 0) + 1
    return found


def turn() -> int:
    with connect() as link:
        return balance(link)


def problems(run: Run) -> list[Any]:
    return check_ledger(campaign_of(run)).problems


def test_fan_out_splits_by_weight_and_the_same_way_each_time(world: World) -> None:
    other = second(world, weight=3)
    world.people(400)
    runs = [world.fanned_out(frozen=pooled(world, other)) for _ in range(2)]

    counts = [by_account(run) for run in runs]

    assert counts[0] == counts[1]
    assert counts[0][world.accounts["email"].pk] + counts[0][other.pk] == 400
    assert 260 < counts[0][other.pk] < 340
    first, again = (dict(Delivery.objects.filter(run=run).values_list("subscriber_id", "account_id")) for run in runs)
    assert first == again
    batches = Batch.objects.filter(run=runs[0])
    assert {row.account_id for row in batches} == {world.accounts["email"].pk, other.pk}
    assert all(row.account_id == row.batch.account_id for row in Delivery.objects.filter(run=runs[0]) if row.batch)


def test_a_content_that_names_its_account_is_not_split(world: World) -> None:
    other = second(world)
    world.people(20, language="en")
    frozen = pooled(world, other)
    for content in frozen["contents"]:
        if content["language"] == "en":
            del content["pooled"]
    assert by_account(world.fanned_out(frozen=frozen)) == {world.accounts["email"].pk: 20}


def test_each_account_sends_under_its_own_name(world: World) -> None:
    other = second(world)
    frozen = pooled(world, other, channels=("email", "sms"))
    mine = for_account(frozen, other.pk)
    assert {content["account"] for content in mine["contents"] if content["channel"] == "email"} == {other.pk}
    assert {c["account"] for c in mine["contents"] if c["channel"] == "sms"} == {world.accounts["sms"].pk}
    assert for_account(frozen, world.accounts["sms"].pk) is frozen


def test_what_waits_for_a_paused_account_moves_and_says_so(world: World) -> None:
    other = second(world)
    world.people(40)
    run = world.fanned_out(frozen=pooled(world, other))
    waiting = by_account(run)[other.pk]
    Account.objects.filter(pk=other.pk).update(state="paused", trouble="bad key")

    assert turn() == waiting
    assert turn() == 0

    other.refresh_from_db()
    assert (other.share, other.trouble_since is not None) == (LEAST_SHARE, True)
    assert by_account(run) == {world.accounts["email"].pk: 40}
    told = Attempt.objects.filter(run=run)
    assert {(row.kind, row.detail) for row in told} == {("moved", "second → email")}
    assert len(told) == waiting
    assert set(Alert.objects.filter(resolved_at=None).values_list("code", flat=True)) == {"account_evaded"}
    world.send_all()
    run.refresh_from_db()
    assert (fates(run), run.state) == ({("email", "accepted", ""): 40}, "finished")
    assert problems(run) == []


def test_only_rows_that_were_never_tried_move(world: World) -> None:
    """Of the account that fails: what it may have taken, and what it refused for now, stays with it."""
    other = second(world)
    world.people(30)
    run = world.fanned_out(frozen=pooled(world, other))
    Delivery.objects.filter(run=run).update(
        account_id=other.pk, batch_id=Batch.objects.get(account=other).pk, is_moved=True
    )
    box = world.memory.box(str(other.pk))
    box.answer(OutcomeUnknown(), TemporaryFailure())
    world.window = 5
    with world.engine(is_stopping=lambda: True) as engine:
        while not box.attempts:  # the other account's batch, which has no rows left, may come first
            assert engine.serve_next("campaigns")
    doubted, deferred = box.attempts[:2]
    left = Delivery.objects.filter(run=run, state="planned").count()
    Account.objects.filter(pk=other.pk).update(state="paused")

    assert turn() == left

    stayed = Delivery.objects.filter(run=run, account_id=other.pk, state="deferred")
    assert {f"person{row.subscriber_id}@example.org" for row in stayed} == {doubted, deferred}
    world.send_all()
    assert Delivery.objects.filter(run=run, state="deferred").count() == 2
    Account.objects.filter(pk=other.pk).update(state="active")
    make_due(run)
    world.send_all()
    assert (box.attempts.count(doubted), box.attempts.count(deferred)) == (2, 2)
    assert {doubted, deferred} & set(world.box().attempts) == set()
    assert problems(run) == []


def test_an_account_whose_trouble_is_met_in_the_middle_loses_nothing(world: World) -> None:
    other = second(world)
    world.people(60)
    world.window = 10
    run = world.fanned_out(frozen=pooled(world, other))
    world.memory.box(str(other.pk)).decide = lambda _: AccountProblem(detail="no credit")
    for _ in range(4):
        world.send_all()
        turn()
    run.refresh_from_db()
    assert (fates(run), run.state) == ({("email", "accepted", ""): 60}, "finished")
    assert world.memory.box(str(other.pk)).messages == []
    assert problems(run) == []


def test_nothing_moves_where_nobody_else_sends_or_the_run_stands(world: World) -> None:
    other = second(world)
    world.people(10)
    runs = [world.fanned_out(frozen=pooled(world, other)) for _ in range(3)]
    Account.objects.filter(channel="email").update(state="paused")
    assert turn() == 0
    Account.objects.filter(pk=other.pk).update(state="active")
    pause_run(runs[0].pk)
    cancel_run(runs[1].pk)

    waiting = by_account(runs[2])[world.accounts["email"].pk]

    assert turn() == waiting
    assert by_account(runs[2]) == {other.pk: 10}
    assert len(by_account(runs[0])) == 2


def test_a_long_rest_is_told_and_ends_with_the_first_message(world: World) -> None:
    world.people(1)
    world.fanned_out()
    with connect() as link:
        link.execute(
            "UPDATE outreach_account SET rests = 3, rest_until = clock_timestamp() + interval '40 s' WHERE id = %s",
            [world.accounts["email"].pk],
        )
    turn()
    account = Account.objects.get(pk=world.accounts["email"].pk)
    assert (account.share, account.trouble_since is not None) == (1.0, True)  # it is alone: nobody else takes its part
    assert list(Alert.objects.filter(resolved_at=None).values_list("code", "noun_id")) == [
        ("account_resting", str(account.pk))
    ]
    Account.objects.filter(pk=account.pk).update(rests=0, rest_until=None)
    sweep()
    account.refresh_from_db()
    assert (account.trouble_since, Alert.objects.filter(resolved_at=None).count()) == (None, 0)
