"""A test message goes through exactly the account that is tested, and its row says what became of it."""

from __future__ import annotations

import pytest

from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Account, AuditEntry
from outreach.delivery.models import Delivery
from outreach.delivery.trial import send_test_message
from tests.delivery.world import World


def test_a_test_goes_through_the_account_itself_and_leaves_a_receipt(world: World) -> None:
    tested = world.account("email", name="second", is_default=False)

    notice = send_test_message(product_itself(world.council), tested, to="Me@Example.org", language="en")
    world.send_all("notices")

    [message] = world.memory.box(str(tested.pk)).messages
    row = Delivery.objects.get(run=notice.run_id, id=notice.delivery)
    assert (row.account_id, row.state, message.to) == (tested.pk, "accepted", "Me@Example.org")
    assert world.box().messages == []
    assert AuditEntry.objects.filter(action="account.tested", noun_id=str(tested.pk)).count() == 1


def test_a_test_is_refused_where_it_would_be_public_or_the_address_is_none(world: World) -> None:
    actor = product_itself(world.council)
    for account, to in ((world.accounts["social"], "me@example.org"), (world.accounts["email"], "nobody")):
        with pytest.raises(Invalid) as refused:
            send_test_message(actor, account, to=to, language="bg")
        assert list(refused.value.fields) == ["to"]
    assert Delivery.objects.count() == 0


def test_only_who_manages_accounts_tests_them(world: World) -> None:
    analyst = Actor(organisation=world.council, roles=frozenset({"publisher"}))
    with pytest.raises(Forbidden):
        send_test_message(analyst, Account.objects.get(channel="email"), to="me@example.org", language="bg")
