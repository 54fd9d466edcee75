"""Places in an account's limits for a window's messages: buckets are rows, locked together and paid at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from outreach.core.vocabulary import Lane
from outreach.delivery import pacing, queries
from outreach.delivery.connection import Link, change, fetch
from outreach.delivery.hand import Lease
from outreach.delivery.pacing import DAY, Bucket, Limits, Room, Share

#: (account, scope, lane) of the buckets that this process knows to be there.
_made: set[tuple[int, str, str]] = set()


def reserve(link: Link, lease: Lease, addresses: Sequence[str], *, least: int) -> Share:
    """Take places for messages to these addresses, in the caller's transaction; none where `least` cannot leave."""
    limits = lease.limits
    if not limits.is_any or not addresses:
        return Share(positions=list(range(len(addresses))))
    domains = [address.rpartition("@")[2].lower() if "@" in address else "" for address in addresses]
    scopes = limits.scopes(domains)
    buckets = _lock(link, lease, scopes)
    rooms = {scope: _room(scope, buckets, lease, least=least) for scope in scopes if (scope, lease.lane) in buckets}
    share = pacing.share_out(domains, rooms, least=least)
    _pay(link, lease, buckets, share.spent)
    return share


def _lock(link: Link, lease: Lease, scopes: Sequence[str]) -> dict[tuple[str, str], Bucket]:
    """(scope, lane) -> bucket."""
    missing = [scope for scope in scopes if (lease.account, scope, lease.lane) not in _made]
    if missing:
        tokens = [0.0 if scope == DAY else pacing.capacity(lease.limits.rate(scope)) for scope in missing]
        change(link, queries.MAKE_PACE, account=lease.account, lane=lease.lane, scopes=missing, tokens=tokens)
    found = fetch(link, queries.LOCK_PACE, account=lease.account, scopes=scopes)
    buckets = {
        (scope, lane): Bucket(tokens=tokens, now=now, written_at=at, grants=[(when, count) for when, count in grants])
        for scope, lane, tokens, now, at, grants in found
    }
    _made.update((lease.account, scope, lane) for scope, lane in buckets)
    return buckets


def _room(scope: str, buckets: Mapping[tuple[str, str], Bucket], lease: Lease, *, least: int) -> Room:
    own = buckets[scope, lease.lane]
    is_notice = lease.lane == Lane.NOTICES
    other = buckets.get((scope, Lane.CAMPAIGNS.value if is_notice else Lane.NOTICES.value))
    if scope != DAY:
        rate = lease.limits.rate(scope)
        least = pacing.worth_waiting_for(rate, least=least)
        return pacing.minute_room(own, other, rate=rate, is_notice=is_notice, least=least)
    allowed = _allowed_today(lease.limits, now=own.now)
    return pacing.day_room(own, other, allowed=allowed, is_notice=is_notice)


def _allowed_today(limits: Limits, *, now: float) -> int:
    today = datetime.fromtimestamp(now, tz=UTC).date()
    return limits.warm_up.allows(today) if limits.warm_up else 0


def _pay(link: Link, lease: Lease, buckets: Mapping[tuple[str, str], Bucket], spent: Mapping[str, int]) -> None:
    if not spent:
        return
    paid = {
        scope: pacing.paid(buckets[scope, lease.lane], scope, count, rate=lease.limits.rate(scope))
        for scope, count in sorted(spent.items())
    }
    change(
        link,
        queries.PAY,
        account=lease.account,
        lane=lease.lane,
        scopes=list(paid),
        tokens=[bucket.tokens for bucket in paid.values()],
        at=[bucket.written_at for bucket in paid.values()],
        grants=[json.dumps(list(bucket.grants)) for bucket in paid.values()],
    )
