from __future__ import annotations

from typing import Any

import pytest

from outreach.core.models import Account
from outreach.core.vocabulary import Role

from .caller import Api, make_api

pytestmark = pytest.mark.django_db

PRICE: dict[str, Any] = {
    "country": "BG",
    "unit": "segment",
    "amount": "0.045000",
    "currency": "EUR",
    "valid_from": "2026-01-01",
}


@pytest.fixture
def account(ministry: Any) -> Account:
    return Account.objects.create(
        organisation=ministry, adapter="twilio", channel="sms", name="SMS", unknown_policy="hold", hook_key="key"
    )


def test_prices_are_put_and_got(api: Api, stranger: Api, account: Account) -> None:
    path = f"/accounts/{account.pk}/prices"
    assert api.call("PUT", path, {"prices": [PRICE]}) == (200, {"prices": [PRICE]})
    assert api.get(path) == (200, {"prices": [PRICE]})
    assert (stranger.get(path)[0], stranger.call("PUT", path, {"prices": []})[0]) == (404, 404)
    analyst = make_api(account.organisation, Role.ANALYST)
    assert analyst.call("PUT", path, {"prices": []})[0] == 403


def test_bad_price_is_named(api: Api, account: Account) -> None:
    status, problem = api.call("PUT", f"/accounts/{account.pk}/prices", {"prices": [PRICE, {**PRICE, "country": "XX"}]})
    assert (status, problem["code"]) == (422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == ["/prices/1/country"]
    assert api.get(f"/accounts/{account.pk}/prices") == (200, {"prices": []})


def test_costs_are_summed_over_some_days(api: Api) -> None:
    assert api.get("/costs?since=2026-01-01&until=2026-01-31") == (
        200,
        {"since": "2026-01-01", "until": "2026-01-31", "sums": {}, "least": {}, "most": {}, "unpriced": 0, "lines": []},
    )
    assert api.get("/costs?since=2026-02-01&until=2026-01-31")[0] == 422
