"""When a message that was put off is tried again: doubling pauses with jitter, in whole minutes. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

FIRST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(hours=4)


def delay(attempts: int, *, retry_after: float | None, jitter: float) -> timedelta:
    """The pause after the `attempts`-th failed try (from 0), between 75 and 125 % of 1, 2, 4 ... 240 minutes.

    A provider's own `retry_after` is a floor, never a ceiling.
    """
    pause = min(FIRST * float(2 ** min(attempts, 10)), LONGEST)
    spread = pause * (0.75 + jitter / 2)
    return max(spread, timedelta(seconds=retry_after or 0))


def due_minute(moment: datetime) -> datetime:
    """The whole minute, not before `moment`: retries of one run, account and minute share a batch."""
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + timedelta(minutes=1)
