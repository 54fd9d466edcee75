"""What came from outside, made fit for the database: PostgreSQL takes neither NUL nor half a surrogate pair.

Nor does JSON of it take infinity, or nest without end; and a moment may be beyond every calendar.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta
from typing import Any, Final

#: Levels of what is kept; what lies deeper is left out.
DEEPEST: Final = 50
#: Digits of a number that is kept as one.
LONGEST_NUMBER: Final = 300
#: A provider that tells of something older, or later than its own call, has a wrong clock.
OLDEST: Final = timedelta(days=90)
EARLY: Final = timedelta(minutes=5)


def storable(value: Any, *, levels: int = DEEPEST) -> Any:
    """The value with every text and number in it, however deep, as PostgreSQL can keep it."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict | list | tuple) and not levels:
        return "…"
    if isinstance(value, dict):
        return {storable_text(str(name)): storable(each, levels=levels - 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each, levels=levels - 1) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return hex(value) if isinstance(value, int) and abs(value) >= 10**LONGEST_NUMBER else value


def storable_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def storable_key(text: str, longest: int) -> str:
    """As what things are told apart by: where it is too long, two that begin alike stay two."""
    kept = storable_text(text)
    return kept if len(kept) <= longest else f"long:{hashlib.sha256(kept.encode()).hexdigest()}"


def credible(said: datetime | None, came_at: datetime) -> datetime:
    """When something happened, by a provider's clock where that can be right; else when we were told.

    Events are kept by months: one of a far month would stand in the way of that month's table.
    """
    return said if said and came_at - OLDEST <= said <= came_at + EARLY else came_at
