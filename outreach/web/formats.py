"""How numbers and times are written for the reader: in their language's format and with their zone."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent
from django.utils import timezone
from django.utils.translation import get_language

from outreach.core import clock

#: A line never breaks inside a number or a time.
NO_BREAK: Final = "\u00a0"
#: English as it is written in Europe: 8 April 2026, 18:30.
LOCALES: Final = {"bg": Locale("bg"), "en": Locale("en", "GB")}
UNITS: Final = ("B", "KB", "MB", "GB", "TB")


def _locale() -> Locale:
    return LOCALES.get((get_language() or "en")[:2], LOCALES["en"])


def _unbroken(text: str) -> str:
    return text.replace(" ", NO_BREAK).replace("\u202f", NO_BREAK)


def number(value: float | None, decimals: int = 0) -> str:
    """`12 403`, or a dash where nothing is known."""
    if value is None:
        return "–"
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return _unbroken(format_decimal(value, format=pattern, locale=_locale()))


def money(amount: Decimal | None, currency: str) -> str:
    """`1 240,50 €`, or a dash where nobody wrote a price; parts of a cent are shown of what costs less than one."""
    if amount is None:
        return "–"
    is_small = 0 < amount < Decimal("0.1")
    pattern = "#,##0.00####\u00a0¤" if is_small else "#,##0.00\u00a0¤"
    text = format_currency(amount, currency, format=pattern, locale=_locale(), currency_digits=False)
    return _unbroken(text)


def percent(share: float | None, decimals: int = 1) -> str:
    """`62,7 %` of a share between 0 and 1; a dash where there is nothing to divide by."""
    if share is None:
        return "–"
    # CLDR writes Bulgarian per cent without the space that the orthography asks for.
    sign = " %" if _locale().language == "bg" else "%"
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "") + sign
    return _unbroken(format_percent(share, format=pattern, locale=_locale()))


def share(part: float, whole: float) -> float:
    """Part of whole, 0 where there is no whole: for the width of a bar."""
    return part / whole if whole else 0.0


def size(octets: int) -> str:
    """`4.2 MB`."""
    value, unit = float(octets), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number(value, 1 if unit and value < 100 else 0)}{NO_BREAK}{UNITS[unit]}"


def _local(moment: datetime) -> datetime:
    return timezone.localtime(moment)


def day(moment: date | datetime | None) -> str:
    """`8 April 2026`; the year is always there."""
    if moment is None:
        return "–"
    value = _local(moment).date() if isinstance(moment, datetime) else moment
    return _unbroken(format_date(value, "long", locale=_locale()))


def short_day(moment: date | datetime) -> str:
    """`8 April`, where the year is plain."""
    value = _local(moment).date() if isinstance(moment, datetime) else moment
    return _unbroken(format_date(value, "d MMMM", locale=_locale()))


def time_of_day(moment: datetime | None) -> str:
    """`10:42`; the page says the zone."""
    return "–" if moment is None else format_time(_local(moment), "HH:mm", locale=_locale(), tzinfo=_zone())


def seconds_of_day(moment: datetime) -> str:
    """`10:42:07`, for readings of the ledger."""
    return format_time(_local(moment), "HH:mm:ss", locale=_locale(), tzinfo=_zone())


def moment(value: datetime | None) -> str:
    """`8 April 2026, 10:42`; the page says the zone."""
    if value is None:
        return "–"
    hour = _unbroken(format_datetime(_local(value), "HH:mm", locale=_locale(), tzinfo=_zone()))
    return f"{day(value)}, {hour}"


def exact(value: datetime) -> str:
    """`8 April 2026, 10:42:07.250`, for commits of the ledger; the page says the zone."""
    thousandths = f"{_local(value).microsecond // 1000:03}"
    return f"{day(value)}, {seconds_of_day(value)}.{thousandths}"


def zoned(value: datetime | None) -> str:
    """`8 April 2026, 10:42, Europe/Sofia`."""
    return "–" if value is None else f"{moment(value)}, {zone_name()}"


def ago(value: datetime) -> str:
    """`3 minutes ago`."""
    return _unbroken(format_timedelta(value - clock.now(), add_direction=True, locale=_locale()))


def country(code: str) -> str:
    """A country's name; a dash where messages have none."""
    return str(_locale().territories.get(code, code)) if code else "–"


def language_name(code: str) -> str:
    """A language's name in the reader's own."""
    return str(_locale().languages.get(code, code))


def zone_name() -> str:
    return timezone.get_current_timezone_name()


def _zone() -> Any:
    return timezone.get_current_timezone()


def zones() -> list[str]:
    """Zones that a manager may name, the usual ones of Europe first."""
    known = get_global("zone_territories")
    return sorted((zone for zone in known if "/" in zone), key=lambda zone: (not zone.startswith("Europe/"), zone))
