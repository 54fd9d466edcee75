"""A provider whose receipts come late: its share falls and rises again, seen by the messages that it gets.

Receipts come by signed call-backs over HTTP; time is let pass in the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client
from twilio.request_validator import RequestValidator

from outreach.campaigns.models import Run
from outreach.core.models import Account, Alert
from outreach.core.secrets import seal
from outreach.delivery import tokens
from outreach.delivery.balance import LEAST_RECEIPTS, LEAST_SHARE, balance
from outreach.delivery.connection import connect
from outreach.delivery.models import Delivery
from outreach.delivery.tokens import Token, TokenKind
from tests.delivery.world import World

#: Of one campaign; each account of two gets some 60, one with half a share some 40.
PEOPLE = 120
#: Of an account's messages, those that its provider calls back for; 2 of them are less than a tenth.
CALLED = 21
TOKEN = "the account's auth token"


@pytest.fixture
def pool(world: World) -> tuple[Account, Account]:
    """Two SMS accounts that share a channel; what they send goes into the memory's boxes."""
    one = world.accounts["sms"]
    other = world.account("sms", name="second", hook_key="key-second")
    for account in (one, other):
        account.adapter, account.sealed, account.settings = (
            "twilio",
            seal({"auth_token": TOKEN}),
            {"account_sid": "AC1"},
        )
        account.save()
    world.people(PEOPLE, channels=("sms",))
    return one, other


def send(world: World, pool: Iterable[Account]) -> Run:
    """One campaign over the pool, handed over whole."""
    frozen = world.frozen(channels=("sms",))
    for content in frozen["contents"]:
        content["pooled"] = True
    frozen["pools"] = {"sms": [[account.pk, account.weight] for account in pool]}
    run = world.fanned_out(frozen=frozen)
    world.send_all()
    assert Delivery.objects.filter(run=run, state="accepted").count() == PEOPLE
    return run


def parts_of(run: Run) -> Counter[int]:
    return Counter(account or 0 for account in Delivery.objects.filter(run=run).values_list("account_id", flat=True))


def report(run: Run, account: Account, word: str = "delivered") -> list[int]:
    """The provider calls back for messages of the account; which."""
    rows = Delivery.objects.filter(run=run, account_id=account.pk).order_by("id")
    ids = list(rows.values_list("id", flat=True)[:CALLED])
    assert len(ids) == CALLED >= LEAST_RECEIPTS
    for id_ in ids:
        token = tokens.make(Token(kind=TokenKind.CALLBACK, run=run.pk, delivery=id_, channel="sms"))
        path = f"/hooks/{account.hook_key}/status?d={token}"
        form = {"MessageSid": f"SM{run.pk}-{id_}", "MessageStatus": word, "To": "+359888123456"}
        answer = Client().post(
            path,
            urlencode(form),
            content_type="application/x-www-form-urlencoded",
            headers={
                "x-twilio-signature": RequestValidator(TOKEN).compute_signature(f"{settings.BASE_URL}{path}", form)
            },
        )
        assert answer.status_code == 200
    return ids


def let_pass(minutes: int) -> None:
    """What is known happened so much earlier."""
    with connect() as link:
        for change in (
            "UPDATE outreach_delivery SET settled_at = settled_at - %(past)s::interval",
            "UPDATE outreach_event SET at = at - %(past)s::interval",
            "UPDATE outreach_account SET share_at = share_at - %(past)s::interval",
        ):
            link.execute(change, {"past": f"{minutes} minutes"})


def turn() -> None:
    """One look of the sweep."""
    with connect() as link:
        balance(link)


def shares(pool: Iterable[Account]) -> list[float]:
    return [Account.objects.get(pk=account.pk).share for account in pool]


def alerts() -> list[tuple[str, Any]]:
    return list(Alert.objects.filter(resolved_at=None).values_list("code", "noun_id"))


def test_a_slow_providers_share_falls_and_rises_again(world: World, pool: tuple[Account, Account]) -> None:
    slow, quick = pool
    run = send(world, pool)
    before = parts_of(run)
    report(run, quick)
    let_pass(5)
    report(run, slow)

    turn()

    assert shares(pool) == [0.9, 1.0]
    assert alerts() == [("account_slow", str(slow.pk))]
    turn()
    assert shares(pool) == [0.9, 1.0], "within a minute it does not fall twice"
    falling = []
    for _minute in range(9):
        let_pass(1)
        turn()
        falling.append(shares(pool)[0])
    assert falling == [0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, LEAST_SHARE]
    lowered = parts_of(send(world, pool))
    assert lowered[slow.pk] < before[slow.pk] / 2
    assert lowered[quick.pk] > before[quick.pk]

    let_pass(15)  # the late receipts are of the past now
    turn()
    rising = [shares(pool)[0]]
    for _step in range(9):
        let_pass(10)
        turn()
        rising.append(shares(pool)[0])

    assert rising == [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0]
    assert (shares(pool), alerts(), Account.objects.get(pk=slow.pk).trouble_since) == ([1.0, 1.0], [], None)
    assert parts_of(send(world, pool)) == before


def test_receipts_in_time_raise_a_share_and_a_late_reading_lowers_none(
    world: World, pool: tuple[Account, Account]
) -> None:
    """Somebody who reads a message minutes after it came says nothing of the provider."""
    one, _other = pool
    Account.objects.filter(pk=one.pk).update(share=0.5)
    run = send(world, pool)
    told = report(run, one)
    let_pass(6)
    report(run, one, "read")

    turn()

    assert set(Delivery.objects.filter(run=run, id__in=told).values_list("receipt", flat=True)) == {"read"}
    assert (shares(pool), alerts()) == ([0.6, 1.0], [])


def test_a_few_late_receipts_among_many_lower_nothing(world: World, pool: tuple[Account, Account]) -> None:
    """Less than a tenth: the slowest messages of a provider that is well."""
    one, _other = pool
    run = send(world, pool)
    few = report(run, one)[:2]
    with connect() as link:
        link.execute(
            "UPDATE outreach_delivery SET settled_at = settled_at - interval '5 minutes'"
            " WHERE run_id = %(run)s AND id = ANY(%(ids)s)",
            {"run": run.pk, "ids": few},
        )

    turn()

    assert (shares(pool), alerts()) == ([1.0, 1.0], [])
