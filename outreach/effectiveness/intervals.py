"""Intervals for shares, so that no rate is shown as more certain than it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: Two-sided 95 % quantile of the standard normal distribution.
Z95: Final = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of a whole with its 95 % interval; all three are in [0, 1]."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """As the API gives it."""
        return {"value": self.value, "low": self.low, "high": self.high}


def wilson(part: int, whole: int) -> Share | None:
    """Wilson's score interval (Wilson 1927, JASA 22, 209-212); None where there is no whole.

    Unlike the normal approximation it stays within [0, 1] and holds for small counts.
    """
    if whole <= 0:
        return None
    share = part / whole
    squared = Z95 * Z95
    centre = (share + squared / (2 * whole)) / (1 + squared / whole)
    reach = Z95 / (1 + squared / whole) * math.sqrt(share * (1 - share) / whole + squared / (4 * whole * whole))
    return Share(value=share, low=max(0.0, min(share, centre - reach)), high=min(1.0, max(share, centre + reach)))
