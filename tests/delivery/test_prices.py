from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from outreach.core.access import Actor
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import AuditEntry
from outreach.delivery.prices import (
    PriceRow,
    Tariff,
    country_of,
    prices_of,
    read_csv,
    read_rows,
    replace_prices,
    tariffs,
    write_csv,
)
from tests.campaigns.studio import Studio

CSV = "country,unit,amount,currency,valid_from\n,segment,0.09,EUR,2026-01-01\nBG,segment,0.045,EUR,2026-01-01\n"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "country": "BG",
        "unit": "segment",
        "amount": "0.05",
        "currency": "EUR",
        "valid_from": "2026-01-01",
        **changes,
    }


def test_csv_is_read_as_it_is_written() -> None:
    rows = read_rows(read_csv(CSV))
    assert rows[1] == PriceRow(
        country="BG", unit="segment", amount=Decimal("0.045"), currency="EUR", valid_from=date(2026, 1, 1)
    )
    assert write_csv(rows) == CSV
    assert read_rows(read_csv("\ufeff" + CSV.replace(",", ";").replace(".", ","))) == rows
    assert read_csv(" \n") == []


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ([row(country="XX")], ["prices/0/country"]),
        ([row(), row(country="DE", unit="word")], ["prices/1/unit"]),
        ([row(amount="-1")], ["prices/0/amount"]),
        ([row(amount="1e3")], ["prices/0/amount"]),
        ([row(amount="NaN")], ["prices/0/amount"]),
        ([row(amount="0.0000001")], ["prices/0/amount"]),
        ([row(amount="")], ["prices/0/amount"]),
        ([row(currency="EURO")], ["prices/0/currency"]),
        ([row(valid_from="31.12.2026")], ["prices/0/valid_from"]),
        ([row(), row(amount="0.06")], ["prices"]),
        ([row(), row(country="DE", currency="USD")], ["prices"]),
    ],
)
def test_bad_rows_are_named(given: list[dict[str, Any]], paths: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        read_rows(given)
    assert list(caught.value.fields) == paths


def test_columns_must_be_named() -> None:
    with pytest.raises(Invalid) as caught:
        read_csv("country,price\nBG,1\n")
    assert list(caught.value.fields) == ["prices"]


@pytest.mark.parametrize(
    ("country", "expected"),
    [("BG", "0.245"), ("GB", "0.29"), ("", "0.29")],
)
def test_message_and_parts_are_added_and_the_country_goes_first(country: str, expected: str) -> None:
    amounts = {("", "segment"): Decimal("0.09"), ("BG", "segment"): Decimal("0.075"), ("", "message"): Decimal("0.02")}
    tariff = Tariff(currency="EUR", amounts=amounts)
    assert tariff.price(country=country, messages=Decimal(1), segments=Decimal(3)) == Decimal(expected)


def test_no_price_is_not_nothing() -> None:
    tariff = Tariff(currency="EUR", amounts={("BG", "segment"): Decimal(0)})
    assert tariff.price(country="BG", messages=Decimal(5), segments=Decimal(5)) == 0
    assert tariff.price(country="DE", messages=Decimal(5), segments=Decimal(5)) is None


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+359881234567", "BG"),
        ("+447700900123", "GB"),
        ("+12425551234", "BS"),
        ("+12125551234", "US"),
        ("+88", ""),
        ("", ""),
    ],
)
def test_country_of_a_number(number: str, country: str) -> None:
    assert country_of(number) == country


@pytest.mark.django_db
def test_table_is_replaced_as_a_whole_and_the_day_decides() -> None:
    studio = Studio()
    account = studio.account("sms", organisation=studio.town)
    replace_prices(studio.administrator, account, [row(amount="9")])
    kept = replace_prices(studio.administrator, account, [row(), row(amount="0.06", valid_from="2026-07-01")])
    assert kept == prices_of(account)
    assert [(price.amount, price.valid_from.month) for price in kept] == [(Decimal("0.06"), 7), (Decimal("0.05"), 1)]
    on = {day: tariffs([account.pk], day) for day in (date(2025, 12, 31), date(2026, 6, 30), date(2026, 7, 1))}
    assert [list(found[account.pk].amounts.values()) if found else [] for found in on.values()] == [
        [],
        [Decimal("0.05")],
        [Decimal("0.06")],
    ]
    assert list(AuditEntry.objects.values_list("action", "facts")) == [
        ("account.priced", {"rows": 1}),
        ("account.priced", {"rows": 2}),
    ]


@pytest.mark.django_db
def test_bad_table_changes_nothing_and_strangers_may_not() -> None:
    studio = Studio()
    account = studio.account("sms", organisation=studio.town)
    replace_prices(studio.administrator, account, [row()])
    with pytest.raises(Invalid):
        replace_prices(studio.administrator, account, [row(amount="x")])
    author: Actor = studio.author
    with pytest.raises(Forbidden):
        replace_prices(author, account, [])
    assert len(prices_of(account)) == 1
