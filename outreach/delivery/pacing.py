"""How many messages may leave now: pure rules of leases, windows, and the buckets that all workers share as rows.

An account may have a rate a minute, rates for the recipients' domains, and a ramp that warms it up day by day. A bucket
smooths (tokens come evenly) and counts (no minute ever holds more than its rate, wherever the minute begins).
"""

from __future__ import annotations

import math
import os
import sys
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, Self

#: For tests, which cannot wait for minutes: what every lease lasts, whatever its adapter. Peers there answer at once.
TESTED_LEASE: Final = float(os.environ.get("OUTREACH_LEASE") or 0)
#: Seconds a lease lasts at least; each settle renews it.
LEASE: Final = TESTED_LEASE or 60.0
#: No lease lasts longer, however slow its provider: one that ends after twice this is of a clock that went back.
LONGEST_LEASE: Final = 600.0
#: Rows.
FIRST_WINDOW: Final = 100
#: A batch that is due in so many seconds is worth waiting for: sweeps come by as seldom, and what an account could let
#: through until the next one is lost to it.
SOON: Final = 5.0
#: Scopes of buckets that are no domain: everything of the account, and what its ramp lets through today.
ACCOUNT, DAY = "", "day"
#: The rate of every domain that has none of its own.
OTHERS: Final = "*"
#: A window of this part of what a bucket holds is worth its commit: who waits for more comes back to a bucket that was
#: full for a while, and what it did not take meanwhile is lost to the rate.
FULL_ENOUGH: Final = 4
#: Share of a rate that is kept free for notices, where the account sent one in the last hour.
KEPT_FOR_NOTICES: Final = 0.1
MINUTE: Final = 60.0
#: What is let through in the same quarter of a second is kept as one grant, at that quarter's end.
MOMENT: Final = 0.25
#: How long after a notice its share of the account's rate is kept free.
NOTICES_ARE_RECENT: Final = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmUp:
    """A ramp: a new sender's mail is trusted only as it grows slowly."""

    starts_on: date
    #: Messages on the first day.
    first_day: int
    #: Each day so many times the day before.
    growth: float = 1.5
    #: How many days it lasts; afterwards there is no limit by the day.
    days: int = 30

    def allows(self, today: date) -> int:
        """Messages of a day; no limit where the ramp is over or has not begun."""
        day = (today - self.starts_on).days
        return math.floor(self.first_day * self.growth**day) if 0 <= day < self.days else sys.maxsize


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an account lets through."""

    #: Messages a minute; 0 for no limit.
    per_minute: int = 0
    #: Domain -> messages a minute; OTHERS for each domain that is not named.
    per_domain: Mapping[str, int] = field(default_factory=dict)
    warm_up: WarmUp | None = None

    @classmethod
    def of(cls, per_minute: int, per_domain: Mapping[str, int], warm_up: Mapping[str, Any]) -> Self:
        """From the account's columns."""
        ramp = None
        if warm_up:
            ramp = WarmUp(
                starts_on=date.fromisoformat(warm_up["starts_on"]),
                first_day=warm_up["first_day"],
                growth=warm_up["growth"],
                days=warm_up["days"],
            )
        return cls(per_minute=per_minute, per_domain=per_domain, warm_up=ramp)

    @property
    def is_any(self) -> bool:
        return bool(self.per_minute or self.per_domain or self.warm_up)

    def rate(self, scope: str) -> int:
        """Messages a minute of the account or of a domain; 0 for no limit."""
        if scope == ACCOUNT:
            return self.per_minute
        return self.per_domain.get(scope, self.per_domain.get(OTHERS, 0))

    def scopes(self, domains: Sequence[str]) -> list[str]:
        """The buckets that messages to these domains are taken from, in the order in which they are locked."""
        named = {domain for domain in domains if domain and self.rate(domain)}
        own = {scope for scope, counts in ((ACCOUNT, self.per_minute), (DAY, self.warm_up)) if counts}
        return sorted(own | named)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A bucket as it was read, of one scope and of one lane."""

    #: Messages that may leave at once; of DAY, how many left today.
    tokens: float
    #: The database's time, in seconds of the epoch.
    now: float
    #: When it was written last.
    written_at: float
    #: (end of a MOMENT, how many) of what was let through lately.
    grants: Sequence[tuple[float, int]] = ()

    def recent(self) -> list[tuple[float, int]]:
        """What was let through in the last minute; what a clock that went back wrote is of no minute."""
        return [(at, count) for at, count in self.grants if self.now - MINUTE < at <= self.now + 2 * MOMENT]

    def in_last_minute(self) -> int:
        return sum(count for _, count in self.recent())


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What a scope lets through now."""

    count: int
    #: Seconds until it lets through a window that is worth its commit.
    wait: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What of a window may leave."""

    #: Positions of the messages that may.
    positions: list[int]
    #: Scope -> how many were taken from it.
    spent: Mapping[str, int] = field(default_factory=dict)
    #: Seconds until a window worth its commit can be had; 0 where this one is.
    wait: float = 0.0
    #: Domains without room, where the account itself has some: others may go before them.
    blocked: list[str] = field(default_factory=list)


def lease_seconds(call_timeout: float) -> float:
    """The lease of an adapter whose one call may last `call_timeout`: that must stay under a quarter of it."""
    return TESTED_LEASE or max(LEASE, min(4 * call_timeout + 1, LONGEST_LEASE))


def jumped_lease() -> float:
    """Seconds ahead at which no lease can end that this clock gave out."""
    return 2 * max(LEASE, LONGEST_LEASE)


def capacity(rate_per_minute: int) -> float:
    """Most tokens a bucket holds: what a quarter of a lease sends, and at least one."""
    return max(1.0, rate_per_minute / MINUTE * LEASE / 4)


def worth_waiting_for(rate_per_minute: int, *, least: int) -> int:
    """Messages for which a window of this rate is worth its commit, where `least` are in any case."""
    return min(least, max(1, int(capacity(rate_per_minute) / FULL_ENOUGH)))


def window_size(most: int, *, rate_per_minute: int, seen_per_second: float, lease: float = LEASE) -> int:
    """Rows of the next window: the adapter's most, what pacing lets through, and what a quarter of a lease can send.

    Of a provider whose speed is not known yet, FIRST_WINDOW: so a run's first messages are out and settled at once.
    """
    size = float(most)
    if rate_per_minute:
        size = min(size, capacity(rate_per_minute))
    size = min(size, seen_per_second * lease / 4 if seen_per_second else FIRST_WINDOW)
    return max(1, int(size))


def refilled(bucket: Bucket, *, rate: int) -> float:
    """Tokens by now; a clock that went back adds none."""
    idle = max(0.0, bucket.now - bucket.written_at)
    return min(capacity(rate), bucket.tokens + rate / MINUTE * idle)


def minute_room(own: Bucket, other: Bucket | None, *, rate: int, is_notice: bool, least: int) -> Room:
    """What a rate a minute lets through now; `other` is the other lane's bucket.

    Notices take at once what the minute has left. Campaigns come evenly, and leave notices their share where the
    account sent one lately.
    """
    least = min(least, max(1, int(capacity(rate))))
    grants = [*own.recent(), *(other.recent() if other else ())]
    left = rate - sum(count for _, count in grants)
    if not is_notice and other is not None and own.now - other.written_at < NOTICES_ARE_RECENT:
        kept = min(math.ceil(rate * KEPT_FOR_NOTICES), rate - 1)
        left -= max(0, kept - other.in_last_minute())
    tokens = float(rate) if is_notice else refilled(own, rate=rate)
    wait = max(_until_aged(grants, least - left, now=own.now), (least - tokens) * MINUTE / rate, 0.0)
    return Room(count=max(0, min(left, int(tokens))), wait=wait)


def _until_aged(grants: Sequence[tuple[float, int]], wanted: int, *, now: float) -> float:
    """Seconds until `wanted` of the grants are older than a minute."""
    for at, count in sorted(grants):
        if wanted <= 0:
            return 0.0
        wanted -= count
        if wanted <= 0:
            return at + MINUTE - now
    return MINUTE if wanted > 0 else 0.0


def day_room(own: Bucket, other: Bucket | None, *, allowed: int, is_notice: bool) -> Room:
    """What the ramp lets through on this day (UTC). It counts notices, but never stops one."""
    if is_notice:
        return Room(count=sys.maxsize)
    return Room(count=max(0, allowed - used_today(own) - (used_today(other) if other else 0)), wait=_to_midnight(own))


def used_today(bucket: Bucket) -> int:
    """How many of a DAY bucket's messages left today."""
    return int(bucket.tokens) if bucket.written_at // 86_400 == bucket.now // 86_400 else 0


def _to_midnight(bucket: Bucket) -> float:
    return 86_400.0 - bucket.now % 86_400


def share_out(domains: Sequence[str], rooms: Mapping[str, Room], *, least: int) -> Share:
    """Give a window's messages their places, in order, while the account and the message's domain have room.

    None at all where fewer than `least` could leave: a lease never waits for pacing, the batch is given back.
    """
    left = {scope: room.count for scope, room in rooms.items()}
    spent: Tally[str] = Tally()
    positions = []
    for position, domain in enumerate(domains):
        scopes = {ACCOUNT, DAY, domain} & left.keys()
        if all(left[scope] > 0 for scope in scopes):
            positions.append(position)
            spent.update(scopes)
            for scope in scopes:
                left[scope] -= 1
    if len(positions) >= min(least, len(domains)):
        return Share(positions=positions, spent=spent)
    own = [rooms[scope].wait for scope in (ACCOUNT, DAY) if scope in rooms and rooms[scope].count < least]
    blocked = [] if own else sorted({domain for domain in domains if left.get(domain) == 0})
    wait = max(own) if own else min(rooms[domain].wait for domain in blocked)
    if positions and not wait:  # the buckets are as full as they can be
        return Share(positions=positions, spent=spent)
    return Share(positions=[], wait=max(wait, MOMENT), blocked=blocked)


def paid(bucket: Bucket, scope: str, count: int, *, rate: int) -> Bucket:
    """The bucket after `count` messages more were let through."""
    if scope == DAY:
        return replace(bucket, tokens=used_today(bucket) + count, written_at=bucket.now)
    moment = math.ceil(bucket.now / MOMENT) * MOMENT
    grants = dict(bucket.recent())
    grants[moment] = grants.get(moment, 0) + count
    tokens = max(0.0, refilled(bucket, rate=rate) - count)
    return replace(bucket, tokens=tokens, written_at=bucket.now, grants=sorted(grants.items()))
