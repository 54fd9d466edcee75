"""What providers charge: the table of an account, read from CSV or the API, and which price holds where and when."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import phonenumbers
from babel.numbers import list_currencies
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Account
from outreach.core.vocabulary import Permission, PriceUnit
from outreach.delivery.models import Price

#: The columns, as the CSV names them and the API.
COLUMNS: Final = ("country", "unit", "amount", "currency", "valid_from")
MOST_ROWS: Final = 5000
#: As much as the column holds: 6 digits before the point and 6 behind it.
HIGHEST: Final = Decimal(1_000_000)
_DECIMALS: Final = 6
#: Numbers, not words: other scripts' digits and exponents are none.
_AMOUNT: Final = re.compile(r"\d{1,6}(?:[.,]\d{1,6})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PriceRow:
    """One line of the table."""

    #: ISO 3166 in two letters; '' for every country that is not named.
    country: str
    unit: str
    amount: Decimal
    currency: str
    valid_from: date


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """An account's prices on one day."""

    currency: str
    #: (country, unit) -> the amount that holds.
    amounts: Mapping[tuple[str, str], Decimal]

    def price(self, *, country: str, messages: Decimal, segments: Decimal) -> Decimal | None:
        """What so many messages cost in a country; None where nothing says it."""
        found = {unit: self._amount(country, unit) for unit in PriceUnit.values}
        if all(amount is None for amount in found.values()):
            return None
        nothing = Decimal(0)
        return (found[PriceUnit.MESSAGE] or nothing) * messages + (found[PriceUnit.SEGMENT] or nothing) * segments

    def _amount(self, country: str, unit: str) -> Decimal | None:
        return self.amounts.get((country, unit), self.amounts.get(("", unit)))


def tariffs(accounts: Iterable[int], day: date) -> dict[int, Tariff]:
    """The tariff of each account that has prices on this day; one query."""
    rows = Price.objects.filter(account__in=set(accounts), valid_from__lte=day).order_by("valid_from")
    amounts: dict[int, dict[tuple[str, str], Decimal]] = {}
    currencies: dict[int, str] = {}
    for row in rows:
        amounts.setdefault(row.account_id, {})[row.country, row.unit] = row.amount
        currencies[row.account_id] = row.currency
    return {key: Tariff(currency=currencies[key], amounts=found) for key, found in amounts.items()}


def prices_of(account: Account) -> list[PriceRow]:
    """The whole table, the general prices first, the newest of each first."""
    rows = Price.objects.filter(account=account).order_by("country", "unit", "-valid_from")
    return [PriceRow(**{name: getattr(row, name) for name in COLUMNS}) for row in rows]


@transaction.atomic
def replace_prices(actor: Actor, account: Account, given: Iterable[Mapping[str, Any]]) -> list[PriceRow]:
    """Put a whole table in the place of the account's.

    Raises:
        Invalid: with every bad value, by path (`prices/3/amount`); nothing was changed.
        Forbidden
    """
    actor.require(Permission.MANAGE_ACCOUNTS)
    rows = read_rows(given)
    Price.objects.filter(account=account).delete()
    Price.objects.bulk_create(Price(account=account, **row.__dict__) for row in rows)
    audit.record(actor, "account.priced", account, rows=len(rows))
    return prices_of(account)


def read_rows(given: Iterable[Mapping[str, Any]]) -> list[PriceRow]:
    """Check the rows of a table.

    Raises:
        Invalid: with every bad value, by path.
    """
    wrong: dict[str, list[Any]] = {}
    rows: list[PriceRow] = []
    for number, values in enumerate(given):
        if number >= MOST_ROWS:
            raise Invalid({"prices": [_("This is too long: at most %(most)s rows.") % {"most": MOST_ROWS}]})
        row = _read_row(values, f"prices/{number}", wrong)
        if row is not None:
            rows.append(row)
    keys = [(row.country, row.unit, row.valid_from) for row in rows]
    if len(set(keys)) < len(keys):
        wrong.setdefault("prices", []).append(_("Two rows have the same country, unit and day."))
    if len({row.currency for row in rows}) > 1:
        wrong.setdefault("prices", []).append(_("An account has one currency."))
    if wrong:
        raise Invalid(wrong)
    return rows


def read_csv(text: str) -> list[dict[str, str]]:
    """The rows of a CSV with a head of COLUMNS, by comma or semicolon; values are not checked here.

    Raises:
        Invalid: a column is missing.
    """
    lines = text.lstrip("\ufeff").strip()
    if not lines:
        return []
    head = lines.splitlines()[0]
    reader = csv.DictReader(io.StringIO(lines), delimiter=";" if head.count(";") > head.count(",") else ",")
    names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise Invalid(
            {"prices": [_("The first line must name these columns: %(names)s.") % {"names": ",".join(COLUMNS)}]}
        )
    return [
        {
            (name or "").strip().lower(): (value or "").strip()
            for name, value in row.items()
            if isinstance(value, str | None)
        }
        for row in reader
    ]


def write_csv(rows: Iterable[PriceRow]) -> str:
    """The table as `read_csv` takes it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([row.country, row.unit, _plain(row.amount), row.currency, row.valid_from] for row in rows)
    return text.getvalue()


def country_of(number: str) -> str:
    """The country of an international number; '' where it has none, as satellite telephones.

    Of a number that nobody has, as those kept for examples, the first country of its code.
    """
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    region = phonenumbers.region_code_for_number(parsed)
    found = str(region or phonenumbers.region_code_for_country_code(parsed.country_code or 0))
    return found if found in phonenumbers.SUPPORTED_REGIONS else ""


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _read_row(values: Mapping[str, Any], path: str, wrong: dict[str, list[Any]]) -> PriceRow | None:
    country = str(values.get("country") or "").strip().upper()
    unit = str(values.get("unit") or "").strip().lower()
    currency = str(values.get("currency") or "").strip().upper()
    amount, day = _read_amount(values.get("amount")), _read_day(values.get("valid_from"))
    complaints = {
        "country": not country or country in phonenumbers.SUPPORTED_REGIONS,
        "unit": unit in PriceUnit.values,
        "amount": amount is not None,
        "currency": currency in list_currencies(),
        "valid_from": day is not None,
    }
    found = {f"{path}/{name}": [COMPLAINTS[name]] for name, is_good in complaints.items() if not is_good}
    wrong |= found
    if found or amount is None or day is None:
        return None
    return PriceRow(country=country, unit=unit, amount=amount, currency=currency, valid_from=day)


COMPLAINTS: Final[dict[str, Any]] = {
    "country": _("Write a country in two letters, such as BG, or nothing for all others."),
    "unit": _("Write “segment” or “message”."),
    "amount": _("Write an amount such as 0.045, at most six digits behind the point."),
    "currency": _("Write a currency in three letters, such as EUR."),
    "valid_from": _("Write a day such as 2027-01-31."),
}


def _read_amount(value: Any) -> Decimal | None:
    text = format(value, "f") if isinstance(value, Decimal) else str(value if value is not None else "").strip()
    if not _AMOUNT.fullmatch(text):
        return None
    try:
        return Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None


def _read_day(value: Any) -> date | None:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value or "").strip()) if value else timezone.localdate(clock.now())
    except ValueError:
        return None
