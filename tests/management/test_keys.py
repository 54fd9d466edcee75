"""The key of accounts' credentials is changed without losing one, and without touching what it does not seal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from outreach.campaigns.models import Service
from outreach.core.models import Account, Organisation
from outreach.core.secrets import NotOurKey, seal, unseal
from outreach.events.call_secrets import CallSecret
from outreach.management import keys

NEW, NEWER = "a new key of thirty-two characters", "another key of thirty-two characters"


@pytest.fixture
def account(db: None) -> Account:
    council = Organisation.objects.create(slug="council")
    Account.objects.create(organisation=council, name="open", adapter="feed", channel="feed", hook_key="b")
    return Account.objects.create(
        organisation=council, name="mail", adapter="smtp", channel="email", hook_key="a", sealed=seal({"password": "s"})
    )


def reread(account: Account) -> dict[str, str]:
    account.refresh_from_db()
    return unseal(account.sealed)


def test_a_rotation_moves_every_credential_to_the_first_key(account: Account, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = (NEW,)
    assert keys.count() == {"first_key": 0, "older_keys": 1, "unreadable": 0}
    assert (keys.rotate(), keys.rotate()) == (1, 0)
    assert keys.count() == {"first_key": 1, "older_keys": 0, "unreadable": 0}
    assert reread(account) == {"password": "s"}

    settings.ENCRYPTION_KEYS = (NEWER, NEW)
    assert (reread(account), keys.rotate()) == ({"password": "s"}, 1)
    settings.ENCRYPTION_KEYS = (NEWER,)
    assert reread(account) == {"password": "s"}


def test_secrets_of_services_move_with_the_credentials(account: Account, settings: Any) -> None:
    service = Service.objects.create(organisation=account.organisation, slug="pay", name={}, url="https://x.example")
    secret = CallSecret.objects.create(
        organisation=account.organisation, service=service, sealed=seal({"secret": "whsec_x"}), ending="x"
    )
    CallSecret.objects.create(organisation=account.organisation, service=service, sealed=b"", ending="gone")
    settings.ENCRYPTION_KEYS = (NEW,)
    assert (keys.rotate(), keys.count()) == (2, {"first_key": 2, "older_keys": 0, "unreadable": 0})
    secret.refresh_from_db()
    assert secret.text == "whsec_x"


def test_what_no_key_opens_is_counted_and_left_alone(
    account: Account, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ENCRYPTION_KEYS = (NEW,)
    keys.rotate()
    settings.ENCRYPTION_KEYS = (NEWER,)
    with pytest.raises(NotOurKey):
        reread(account)

    from outreach.cli import main

    assert main(["keys", "--rotate", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"rotated": 0, "first_key": 0, "older_keys": 0, "unreadable": 1}
