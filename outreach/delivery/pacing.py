"""How many messages may leave now: pure rules of windows and of the pacing bucket, which all workers share as a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Seconds a lease lasts at least; each settle renews it.
LEASE: Final = 60.0
#: No lease lasts longer, however slow its provider: one that ends after twice this is of a clock that went back.
LONGEST_LEASE: Final = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What the bucket gives to one window."""

    count: int
    #: The bucket afterwards.
    tokens: float
    #: Seconds until a window worth its commit can be had; 0 where this one is.
    wait: float = 0.0


def lease_seconds(call_timeout: float) -> float:
    """The lease of an adapter whose one call may last `call_timeout`: that must stay under a quarter of it."""
    return max(LEASE, min(4 * call_timeout + 1, LONGEST_LEASE))


def jumped_lease() -> float:
    """Seconds ahead at which no lease can end that this clock gave out."""
    return 2 * max(LEASE, LONGEST_LEASE)


def capacity(rate_per_minute: int, lease: float = LEASE) -> float:
    """Most tokens a bucket holds: what a quarter of a lease sends, and at least one."""
    return max(1.0, rate_per_minute / 60 * lease / 4)


def refilled(tokens: float, *, rate_per_minute: int, seconds: float, lease: float = LEASE) -> float:
    """Tokens after `seconds`; a clock that went back adds none."""
    return min(capacity(rate_per_minute, lease), tokens + rate_per_minute / 60 * max(0.0, seconds))


def window_size(most: int, *, rate_per_minute: int, seen_per_second: float, lease: float = LEASE) -> int:
    """Rows of the next window: the adapter's most, what pacing lets through, and what a quarter of a lease can send."""
    size = float(most)
    if rate_per_minute:
        size = min(size, capacity(rate_per_minute, lease))
    if seen_per_second:
        size = min(size, seen_per_second * lease / 4)
    return max(1, int(size))


def grant(wanted: int, *, window: int, tokens: float, rate_per_minute: int) -> Grant:
    """Take tokens for `wanted` rows; none at all where less than a quarter of a window could be had.

    A lease never waits for pacing: the batch is given back until `wait` has passed.
    """
    if not rate_per_minute:
        return Grant(count=wanted, tokens=tokens)
    enough = min(wanted, max(1, window // 4))
    if tokens < enough:
        return Grant(count=0, tokens=tokens, wait=(enough - tokens) * 60 / rate_per_minute)
    count = min(wanted, int(tokens))
    return Grant(count=count, tokens=tokens - count)
