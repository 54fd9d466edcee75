"""Prices of an account, and what was spent: seen, changed, refused in words, and nobody else's."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from outreach.core.models import Account
from outreach.delivery.accounts import create_account
from outreach.delivery.models import Price
from tests.web.console.conftest import Person

TABLE = "country,unit,amount,currency,valid_from\nBG,segment,0.045,EUR,2026-01-01\n"


@pytest.fixture
def account(alice: Person) -> Account:
    settings = {"account_sid": "AC1", "auth_token": "secret", "sender": "+359880000000"}
    return create_account(alice.actor, adapter="twilio", name="SMS of the ministry", settings=settings)


def kept() -> list[tuple[str, str, Decimal, str, date]]:
    return list(Price.objects.values_list("country", "unit", "amount", "currency", "valid_from"))


def test_prices_are_written_read_and_replaced_by_a_file(alice: Person, account: Account) -> None:
    path = f"/accounts/{account.pk}/prices"
    assert "No prices yet" in alice.see(path)
    assert alice.post(path, table=TABLE).status_code == 302
    assert kept() == [("BG", "segment", Decimal("0.045"), "EUR", date(2026, 1, 1))]
    page = alice.see(path)
    assert ["Bulgaria" in page, "€0.045" in page or "0.045\u00a0€" in page, "1\u00a0January\u00a02026" in page] == [
        True
    ] * 3
    file = SimpleUploadedFile(
        "prices.csv", b";segment;0,09;EUR;2026-02-01\n".join([b"country;unit;amount;currency;valid_from\n", b""])
    )
    assert alice.post(path, table=TABLE, file=file).status_code == 302
    assert kept() == [("", "segment", Decimal("0.09"), "EUR", date(2026, 2, 1))]


def test_bad_line_is_named_and_nothing_changes(alice: Person, account: Account) -> None:
    page = alice.post(f"/accounts/{account.pk}/prices", table=TABLE + "BG,word,1,EUR,2026-01-01\n").content.decode()
    assert "Line 3: Write “segment” or “message”." in page
    assert kept() == []
    page = alice.post(f"/accounts/{account.pk}/prices", table="a,b\n1,2\n").content.decode()
    assert "The first line must name these columns" in page


def test_strangers_and_analysts_see_no_prices(alice: Person, bob: Person, charlie: Person, account: Account) -> None:
    charlie.see(f"/accounts/{account.pk}/prices", status=404)
    bob.see(f"/accounts/{account.pk}/prices", status=403)


def test_costs_of_nothing_are_said(alice: Person, account: Account) -> None:
    assert "Nothing that costs was sent" in alice.see("/costs")
    assert "Name two days in their order" in alice.see("/costs?since=2026-02-01&until=2026-01-01")
