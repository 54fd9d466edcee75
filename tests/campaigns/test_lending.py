"""An account belongs to an organisation and is lent to everything below it; nobody else sees or uses it."""

from __future__ import annotations

import pytest

from outreach.campaigns.senders import resolve_accounts, resolve_pools, usable_accounts
from outreach.core.models import Account, Organisation


@pytest.fixture
def tree(db: None) -> dict[str, Organisation]:
    council = Organisation.objects.create(slug="council")
    ministry = Organisation.objects.create(slug="ministry", parent=council)
    town = Organisation.objects.create(slug="town", parent=ministry)
    beside = Organisation.objects.create(slug="beside", parent=council)
    return {"council": council, "ministry": ministry, "town": town, "beside": beside}


def account(owner: Organisation, name: str, **fields: object) -> Account:
    values = {"adapter": "smtp", "channel": "email", "hook_key": f"{owner.slug}-{name}", **fields}
    return Account.objects.create(organisation=owner, name=name, **values)


def test_who_may_use_an_account_and_who_may_open_it(tree: dict[str, Organisation]) -> None:
    lent = account(tree["ministry"], "ministry's")

    users = {name for name, node in tree.items() if lent in usable_accounts(node)}
    openers = {name for name, node in tree.items() if lent in Account.objects.for_organisation(node)}

    assert users == {"ministry", "town"}
    assert openers == {"council", "ministry"}


def test_a_pool_is_of_the_nearest_node_that_has_an_account(tree: dict[str, Organisation]) -> None:
    far = account(tree["council"], "far")
    one, two = (account(tree["ministry"], name) for name in ("one", "two"))
    account(tree["ministry"], "for one campaign", is_default=False)
    account(tree["ministry"], "sandbox", is_sandbox=True)

    assert resolve_pools(tree["town"], ["email", "sms"]) == {"email": [one, two]}
    assert resolve_pools(tree["beside"], ["email"]) == {"email": [far]}
    assert resolve_accounts(tree["town"], ["email"]) == {"email": one}


def test_a_town_does_not_split_its_messages_with_the_ministry(tree: dict[str, Organisation]) -> None:
    account(tree["ministry"], "ministry's")
    own = account(tree["town"], "own")
    assert resolve_pools(tree["town"], ["email"]) == {"email": [own]}
