"""Accounts over the API: one's own with their settings, those of the nodes above by name only."""

from __future__ import annotations

from typing import Any

import pytest

from outreach.core.models import Account, Organisation

from .caller import Api, make_api

pytestmark = pytest.mark.django_db


def account_of(organisation: Organisation, name: str) -> Account:
    return Account.objects.create(
        organisation=organisation,
        adapter="smtp",
        channel="email",
        name=name,
        unknown_policy="resend",
        hook_key=f"key-of-{name}",
        settings={"host": f"{name}.example", "sender": f"{name}@example.org"},
        sealed=f"sealed-{name}".encode(),
        trouble=f"trouble of {name}",
        domain_rates={"abv.bg": 5},
        warm_up={"starts_on": "2026-01-01", "first_day": 50, "growth": 1.5, "days": 30},
    )


@pytest.fixture
def tree(ministry: Organisation) -> dict[str, Organisation]:
    """A town below the ministry, and another beside it."""
    towns = {
        slug: Organisation.objects.create(slug=slug, name={"en": slug}, parent=ministry) for slug in ("town", "beside")
    }
    return {"ministry": ministry, **towns}


def shown(account: Account, lent_by: str | None) -> dict[str, Any]:
    own = {
        "settings": account.settings,
        "domain_rates": account.domain_rates,
        "warm_up": account.warm_up,
        "trouble": account.trouble,
        "hook_urls": {
            kind: f"http://localhost:8000/hooks/{account.hook_key}/{kind}" for kind in ("events", "inbound", "status")
        },
    }
    hidden: dict[str, Any] = {"settings": {}, "domain_rates": {}, "warm_up": None, "trouble": "", "hook_urls": {}}
    return {
        "id": str(account.pk),
        "organisation": account.organisation.slug,
        "lent_by": lent_by,
        "adapter": "smtp",
        "channel": "email",
        "name": account.name,
        "unknown_policy": "resend",
        "rate_per_minute": 0,
        "weight": 1,
        "share": 1.0,
        "state": "active",
        "trouble_since": None,
        **(hidden if lent_by else own),
    }


def test_accounts_that_are_lent_are_listed_without_their_settings(tree: dict[str, Organisation], settings: Any) -> None:
    settings.BASE_URL = "http://localhost:8000"
    far, own, _beside = (account_of(tree[slug], slug) for slug in ("ministry", "town", "beside"))
    town = make_api(tree["town"])

    listed = town.get("/accounts")

    assert listed == (200, {"items": [shown(own, None), shown(far, "ministry")], "next_cursor": None})
    assert town.get("/accounts?lent=false")[1]["items"] == [shown(own, None)]
    assert town.get("/accounts?lent=true")[1]["items"] == [shown(far, "ministry")]
    assert town.get(f"/accounts/{far.pk}") == (200, shown(far, "ministry"))
    for told in (
        "ministry.example",
        "ministry@example.org",
        "key-of-ministry",
        "sealed",
        "trouble of ministry",
        "abv.bg",
    ):
        assert told not in str(town.get("/accounts?lent=true")) + str(town.get(f"/accounts/{far.pk}"))


def test_lent_accounts_come_by_pages_among_ones_own(tree: dict[str, Organisation]) -> None:
    made = [account_of(tree[slug], f"{slug}{number}") for number in range(2) for slug in ("ministry", "town")]
    town = make_api(tree["town"])

    first = town.get("/accounts?limit=3")[1]
    second = town.get(f"/accounts?limit=3&cursor={first['next_cursor']}")[1]

    assert [row["id"] for row in first["items"] + second["items"]] == [str(account.pk) for account in reversed(made)]
    assert [row["lent_by"] for row in first["items"]] == [None, "ministry", None]


def test_a_lent_account_is_only_looked_at(tree: dict[str, Organisation], stranger: Api) -> None:
    far, beside = account_of(tree["ministry"], "far"), account_of(tree["beside"], "beside")
    town = make_api(tree["town"])

    assert town.call("PATCH", f"/accounts/{far.pk}", {"name": "mine"})[0] == 404
    assert town.post(f"/accounts/{far.pk}/check")[0] == 404
    assert town.get(f"/accounts/{far.pk}/prices")[0] == 404
    assert town.get(f"/accounts/{beside.pk}")[0] == 404
    assert stranger.get("/accounts") == (200, {"items": [], "next_cursor": None})


def test_who_lends_an_account_sees_it_whole(tree: dict[str, Organisation], api: Api, settings: Any) -> None:
    settings.BASE_URL = "http://localhost:8000"
    far, own = account_of(tree["ministry"], "far"), account_of(tree["town"], "own")

    assert api.get("/accounts")[1]["items"] == [shown(own, None), shown(far, None)]
