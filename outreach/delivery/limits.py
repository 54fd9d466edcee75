"""An account's limits as people write them: read, checked, and what is used of them today."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from outreach.core import clock
from outreach.core.models import Account
from outreach.delivery.models import Pace
from outreach.delivery.pacing import DAY, OTHERS, Limits

#: More would be no ramp.
MOST_GROWTH: Final = 10.0
MOST_DAYS: Final = 365
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")

Wrong = dict[str, list[Any]]


def read_domain_rates(given: Mapping[str, Any]) -> tuple[dict[str, int], Wrong]:
    """Domain -> messages a minute, and what is wrong by path (`domain_rates/abv.bg`). `*` is each other domain."""
    rates: dict[str, int] = {}
    wrong: Wrong = {}
    for name, rate in given.items():
        try:
            domain = name.strip().lower().encode("idna").decode() if name != OTHERS else OTHERS
        except UnicodeError:
            domain = ""
        if domain != OTHERS and not _DOMAIN.fullmatch(domain):
            wrong[f"domain_rates/{name}"] = [_("This is not a domain such as abv.bg, nor * for all others.")]
        elif isinstance(rate, bool) or not isinstance(rate, int) or rate < 1:
            wrong[f"domain_rates/{name}"] = [_("Write a whole number from 1.")]
        else:
            rates[domain] = rate
    return rates, wrong


def read_warm_up(given: Mapping[str, Any]) -> tuple[dict[str, Any], Wrong]:
    """A ramp as the account keeps it, and what is wrong by path (`warm_up/first_day`); {} is no ramp."""
    if not given:
        return {}, {}
    starts_on = given.get("starts_on") or clock.now().astimezone(UTC).date()
    first_day, growth, days = given.get("first_day"), given.get("growth", 1.5), given.get("days", 30)
    wrong: Wrong = {}
    if not isinstance(first_day, int) or first_day < 1:
        wrong["warm_up/first_day"] = [_("Write a whole number from 1.")]
    if not isinstance(growth, int | float) or not 1.0 <= growth <= MOST_GROWTH:
        wrong["warm_up/growth"] = [_("Write how many times the day before, from 1 to 10.")]
    if not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
        wrong["warm_up/days"] = [_("Write a number of days from 1 to 365.")]
    if isinstance(starts_on, date):
        starts_on = starts_on.isoformat()
    return {"starts_on": starts_on, "first_day": first_day, "growth": growth, "days": days}, wrong


@dataclass(frozen=True, kw_only=True)
class Today:
    """Where a ramp stands."""

    #: Messages that may leave on this day (UTC), and those that did.
    allowed: int
    used: int
    #: From 1.
    day: int
    days: int


def today(account: Account) -> Today | None:
    """Where the account's ramp stands; None where it has none, or none on this day."""
    ramp = Limits.of(0, {}, account.warm_up).warm_up
    now = clock.now().astimezone(UTC)
    day = (now.date() - ramp.starts_on).days if ramp else -1
    if ramp is None or not 0 <= day < ramp.days:
        return None
    buckets = Pace.objects.filter(account=account, scope=DAY, written_at__date=now.date())
    used = sum(int(tokens) for tokens in buckets.values_list("tokens", flat=True))
    return Today(allowed=ramp.allows(now.date()), used=used, day=day + 1, days=ramp.days)
