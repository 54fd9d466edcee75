"""A local time in a named zone, made into one moment: what is decided where a clock shows an hour twice or never.

A time that the clock skips (spring) moves on by the skipped hour; of one shown twice (autumn), the first counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

#: Years of which every zone of the world can show a moment, and PostgreSQL can keep it.
YEARS: Final = range(1900, 9000)


class Decision(StrEnum):
    """How a local time became a moment; the caller words it."""

    EXACT = "exact"
    #: The clock never showed it: moved on by what was skipped.
    SKIPPED = "skipped"
    #: The clock showed it twice: the first.
    TWICE = "twice"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A moment in UTC, and how it was found."""

    at: datetime
    decision: Decision


class UnknownZone(ValueError):
    """There is no time zone of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no time zone named {name!r}.")
        self.name = name
        #: The zone that was perhaps meant, or ''.
        self.suggestion = next(iter(get_close_matches(name, sorted(available_timezones()), n=1, cutoff=0.7)), "")

    def __reduce__(self) -> tuple[type[UnknownZone], tuple[str]]:
        return type(self), (self.name,)


@cache
def zone(name: str) -> ZoneInfo:
    """The IANA zone of this name.

    Raises:
        UnknownZone: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise UnknownZone(name) from err


def is_of_our_time(at: datetime) -> bool:
    """Whether the time can be kept and shown everywhere: one of the calendar's first or last day cannot."""
    return at.year in YEARS


def moment_of(local: datetime, zone_name: str) -> Moment:
    """The moment at which a clock in the zone shows `local` (a naive time of our time)."""
    place = zone(zone_name)
    first = local.replace(tzinfo=place, fold=0)
    second = local.replace(tzinfo=place, fold=1)
    at = first.astimezone(UTC)
    if at.astimezone(place).replace(tzinfo=None) != local:
        return Moment(at=at, decision=Decision.SKIPPED)
    if first.utcoffset() != second.utcoffset():
        return Moment(at=at, decision=Decision.TWICE)
    return Moment(at=at, decision=Decision.EXACT)


def local_time(at: datetime, zone_name: str) -> datetime:
    """What a clock in the zone shows at the moment `at`, with its offset."""
    return at.astimezone(zone(zone_name))
