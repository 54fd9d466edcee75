"""Quiet hours: the part of each local day in which a person is not to be disturbed, and when it ends. Pure.

The clock on the person's wall decides. An hour that it shows twice is quiet twice; where it jumps over the end, the
quiet ends with the jump.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from schedules.zones import local_time

DAY: Final = 1440
_MINUTE: Final = timedelta(minutes=1)


def quiet_until(at: datetime, *, begins: int, ends: int, zone_name: str) -> datetime | None:
    """When the quiet hours end in which `at` falls, a whole minute in UTC; None where it falls in none.

    `begins` and `ends` are minutes of the local day, the first within and the last without; where they begin later
    than they end, they go over midnight.

    Raises:
        UnknownZone: there is none of this name.
    """
    return _end(at.astimezone(UTC).replace(second=0, microsecond=0), begins, ends, zone_name)


@lru_cache(maxsize=4096)
def _end(minute: datetime, begins: int, ends: int, zone_name: str) -> datetime | None:
    moment, clock = minute, local_time(minute, zone_name)
    while left := _left(clock, begins, ends):
        ahead = local_time(moment + left * _MINUTE, zone_name)
        if ahead.utcoffset() != clock.utcoffset():  # the clock is set meanwhile: minute by minute up to there
            left, ahead = 1, local_time(moment + _MINUTE, zone_name)
        moment, clock = moment + left * _MINUTE, ahead
    return moment if moment > minute else None


def _left(clock: datetime, begins: int, ends: int) -> int:
    """Minutes until the clock shows the end; 0 where it shows no quiet hour."""
    minute = clock.hour * 60 + clock.minute
    is_quiet = begins <= minute < ends if begins < ends else minute >= begins or minute < ends
    return (ends - minute) % DAY if is_quiet else 0
