"""When something that was put off is tried again: doubling pauses with jitter. Pure.

A message waits by the minute, an account whose provider is away by the second: then all its messages wait.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

FIRST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(hours=4)
#: Seconds.
FIRST_REST: Final = 5.0
LONGEST_REST: Final = 300.0


def delay(attempts: int, *, retry_after: float | None, jitter: float) -> timedelta:
    """The pause after the `attempts`-th failed try (from 0), between 75 and 125 % of 1, 2, 4 ... 240 minutes.

    A provider's own `retry_after` is a floor, never a ceiling.
    """
    pause = min(FIRST * float(2 ** min(attempts, 10)), LONGEST)
    spread = pause * (0.75 + jitter / 2)
    return max(spread, timedelta(seconds=retry_after or 0))


def rest(rests: int, *, retry_after: float | None, jitter: float) -> float:
    """Seconds that an account rests after `rests` rests: between 75 and 125 % of 5, 10, 20 ... 300.

    A provider's own `retry_after` is a floor, never a ceiling.
    """
    pause = min(FIRST_REST * float(2 ** min(rests, 10)), LONGEST_REST)
    return max(pause * (0.75 + jitter / 2), retry_after or 0.0)


def due_minute(moment: datetime) -> datetime:
    """The whole minute, not before `moment`: retries of one run, account and minute share a batch."""
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + timedelta(minutes=1)
