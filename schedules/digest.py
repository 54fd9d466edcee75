"""Digests: at which moments a reader's messages of a day or a week are told together. Pure.

The clock on the reader's wall decides: where it skips the minute, the digest comes as much later; where it shows it
twice, at the first. The moments part time into periods, so that each message lies in exactly one.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from schedules.zones import local_time, moment_of

#: Days that a weekly digest gathers; a daily one gathers 1.
WEEK: Final = 7


def next_digest(after: datetime, *, days: int, minute: int, weekday: int, zone_name: str) -> datetime:
    """The first moment after `after`, in UTC, at which a digest of so many days comes: at this minute of the local day.

    A weekly one comes on the weekday, Monday being 0.

    Raises:
        UnknownZone: there is none of this name.
    """
    return _next(after.astimezone(UTC).replace(second=0, microsecond=0), days, minute, weekday, zone_name)


@lru_cache(maxsize=4096)
def _next(after: datetime, days: int, minute: int, weekday: int, zone_name: str) -> datetime:
    clock = time(minute // 60, minute % 60)
    day = local_time(after, zone_name).date() - timedelta(days=1)  # a clock that skipped a day shows it late
    while True:
        at = moment_of(datetime.combine(day, clock), zone_name).at
        if at > after and (days < WEEK or day.weekday() == weekday):
            return at
        day += timedelta(days=1)
