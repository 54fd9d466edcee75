"""API: what accounts charge, and what an organisation spent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from ninja import Router
from pydantic import Field

from outreach.core.models import Account, Organisation
from outreach.delivery.cost import as_json, read_period, spent_by
from outreach.delivery.prices import PriceRow, prices_of, replace_prices
from outreach.web.api.access import Caller
from outreach.web.api.paging import find
from outreach.web.api.schemas import Body

router = Router(tags=["Costs"])


class PriceIn(Body):
    country: Annotated[str, Field(max_length=2)] = ""
    unit: Literal["segment", "message"]
    amount: Annotated[Decimal, Field(ge=0, lt=1_000_000, max_digits=12, decimal_places=6)]
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    valid_from: date


class PricesIn(Body):
    prices: Annotated[list[PriceIn], Field(max_length=5000)]


def _account(organisation: Organisation, key: str) -> Account:
    rows: QuerySet[Account] = Account.objects.for_organisation(organisation).select_related("organisation")
    return find(rows, key)


def _shown(rows: list[PriceRow]) -> dict[str, Any]:
    return {"prices": [{**row.__dict__, "amount": str(row.amount)} for row in rows]}


@router.get("/accounts/{account_id}/prices", response=dict[str, Any], summary="What messages through an account cost")
def get_prices(request: Caller, account_id: str) -> Any:
    return _shown(prices_of(_account(request.auth.organisation, account_id)))


@router.put("/accounts/{account_id}/prices", response=dict[str, Any], summary="Replace the prices of an account")
def put_prices(request: Caller, account_id: str, payload: PricesIn) -> Any:
    account = _account(request.auth.organisation, account_id)
    return _shown(replace_prices(request.auth, account, [row.dict() for row in payload.prices]))


@router.get("/costs", response=dict[str, Any], summary="What the organisation and all below it spent")
def get_costs(request: Caller, since: date | None = None, until: date | None = None) -> Any:
    days = read_period(since, until)
    found = spent_by(request.auth.organisation, since=days.since, until=days.until)
    return {"since": days.since.isoformat(), "until": days.until.isoformat(), **as_json(found)}
