"""Which account of a channel sends how much: weights, shares that follow their troubles, and rows that move to another.

Accounts of one organisation and channel that messages may be split over are a pool, frozen with the run. Fan-out splits
by what each may get at that moment. Of an account that cannot send, rows that nobody ever handed over move to the
others; a row that was tried, or may have left, stays: after an unknown outcome there is never another account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outreach.core import alerts, failpoints
from outreach.core.models import Account
from outreach.core.queue import enqueue
from outreach.core.vocabulary import AccountState, Lane
from outreach.delivery import queries
from outreach.delivery.connection import Link, change, fetch, transaction

#: Rests in a row after which an account counts as one that cannot send: it was away for half a minute at least.
RESTS_IN_TROUBLE: Final = 3
#: What an account keeps of its weight however slow it is, so that one sees when it is well again.
LEAST_SHARE: Final = 0.1
#: By how much a share is lowered and raised in one step.
STEP: Final = 0.1
#: Seconds between two steps down, and between two steps up.
LOWER_EVERY: Final = 60.0
RAISE_EVERY: Final = 600.0
#: A receipt that comes later than this counts as slow, and this part of slow ones as a slow provider. Both are what
#: GOV.UK Notify goes by: https://github.com/alphagov/notifications-api, `switch_current_sms_provider_on_slow_delivery`.
SLOW_SECONDS: Final = 240
SLOW_PART: Final = 0.1
#: Fewer receipts than these of the last minutes say nothing.
LEAST_RECEIPTS: Final = 20
MINUTES_LOOKED_AT: Final = 15
#: Receipts that are looked at, the newest.
MOST_RECEIPTS: Final = 5_000
#: Batches that are moved in one sweep.
MOST_BATCHES: Final = 50


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How an account of a pool stands."""

    id: int
    #: As the run froze it; 0 for one that only stands by.
    weight: int
    share: float = 1.0
    #: Whether it sends at all: neither paused nor resting again and again.
    is_usable: bool = True


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a pool's messages that one account gets: those whose draw is in [lower, upper)."""

    account: int
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What the receipts of the last minutes say of a provider, and when its share changed last."""

    share: float
    receipts: int
    slow: int
    #: Seconds; None for never.
    since_change: float | None


def parts(pool: Sequence[Standing]) -> list[Part]:
    """Split [0, 1) over a pool: by weight and share over those that send, else over those that stand by.

    Where none of them sends, weights alone count: the messages wait for whichever is mended first. Pure.
    """
    usable = [one for one in pool if one.is_usable]
    chosen = [(one.id, one.weight * one.share) for one in usable if one.weight]
    chosen = chosen or [(one.id, one.share) for one in usable]
    chosen = chosen or [(one.id, float(one.weight)) for one in pool if one.weight] or [(one.id, 1.0) for one in pool]
    whole = sum(size for _, size in chosen)
    found, lower = [], 0.0
    for number, (account, size) in enumerate(chosen):
        upper = 1.0 if number == len(chosen) - 1 else lower + size / whole
        found.append(Part(account=account, lower=lower, upper=upper))
        lower = upper
    return found


def next_share(speed: Speed) -> float:
    """Lower the share of a slow provider step by step, and raise it again more slowly. Pure."""
    waited = speed.since_change is None or speed.since_change < 0  # below zero after the database's clock went back
    is_slow = speed.receipts >= LEAST_RECEIPTS and speed.slow >= SLOW_PART * speed.receipts
    if is_slow and (waited or (speed.since_change or 0) >= LOWER_EVERY):
        return max(LEAST_SHARE, round(speed.share - STEP, 2))
    if not is_slow and (waited or (speed.since_change or 0) >= RAISE_EVERY):
        return min(1.0, round(speed.share + STEP, 2))
    return speed.share


def split(link: Link, frozen: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The parts of every pool of a frozen plan as they are now, as the selection's parameters; {} without pools."""
    pools = frozen.get("pools") or {}
    if not pools:
        return {}
    rows = [(channel, part) for channel, pool in pools.items() for part in parts(standings(link, pool))]
    return {
        "pool_channels": [channel for channel, _ in rows],
        "pool_accounts": [part.account for _, part in rows],
        "pool_lowers": [part.lower for _, part in rows],
        "pool_uppers": [part.upper for _, part in rows],
    }


def for_account(frozen: Mapping[str, Any], account: int) -> Mapping[str, Any]:
    """The plan as this account of a pool sends it: under its own sender, with its own call-backs."""
    pools = frozen.get("pools") or {}
    channel = next((name for name, pool in pools.items() if account in {id_ for id_, _ in pool}), None)
    if channel is None:
        return frozen
    contents = [
        {**content, "account": account} if content.get("pooled") and content["channel"] == channel else content
        for content in frozen["contents"]
    ]
    return {**frozen, "contents": contents}


def balance(link: Link) -> int:
    """Note and tell of troubles, follow them with shares, and move what waits for an account that cannot send.

    Part of the sweep. How many messages were moved.
    """
    _note_troubles(link)
    _follow_speed(link)
    return sum(_move(link, *stranded) for stranded in _stranded(link))


def _note_troubles(link: Link) -> None:
    """Write since when an account is in trouble, or that it is well again; tell people of what rests."""
    for account, state in fetch(link, queries.BEGIN_TROUBLES, rests=RESTS_IN_TROUBLE, least=LEAST_SHARE):
        if state == AccountState.ACTIVE:
            _tell(account, "account_resting")
    for account, is_whole in fetch(link, queries.READ_RECOVERED):
        alerts.resolve_alerts(Account(pk=account), "account_resting", "account_evaded")
        if is_whole and change(link, queries.END_TROUBLE, account=account):
            alerts.resolve_alerts(Account(pk=account), "account_slow")


def _follow_speed(link: Link) -> None:
    looked = fetch(
        link, queries.READ_SPEEDS, minutes=MINUTES_LOOKED_AT, slow=SLOW_SECONDS, every=LOWER_EVERY, most=MOST_RECEIPTS
    )
    for account, share, since, receipts, slow in looked:
        new = next_share(Speed(share=share, receipts=receipts, slow=slow, since_change=since))
        if new != share or since is None:
            change(link, queries.SET_SHARE, account=account, share=new)
        if new < share:
            _tell(account, "account_slow", part=round(100 * slow / receipts), share=round(100 * new))


def _tell(account_id: int, code: str, **facts: Any) -> None:
    account = Account.objects.select_related("organisation").get(pk=account_id)
    alerts.raise_alert(code, account, organisation=account.organisation, name=account.name, **facts)


def _stranded(link: Link) -> list[tuple[int, int, int, Mapping[str, Any]]]:
    """(batch, run, account, the run's pools and contents) of batches that wait for an account which cannot send."""
    rows = fetch(link, queries.FIND_STRANDED, rests=RESTS_IN_TROUBLE, most=MOST_BATCHES)
    return [
        (batch, run, account, {"pools": pools, "contents": contents}) for batch, run, account, pools, contents in rows
    ]


def _move(link: Link, batch: int, run: int, account: int, frozen: Mapping[str, Any]) -> int:
    """Move a batch's untouched rows to the pool's accounts that send; 0 where none of them does."""
    pools = frozen["pools"]
    channel = next((name for name, pool in pools.items() if account in {id_ for id_, _ in pool}), "")
    pool = standings(link, pools.get(channel, ()))
    others = [one for one in pool if one.is_usable and one.id != account]
    languages = sorted({c["language"] for c in frozen["contents"] if c["channel"] == channel and c.get("pooled")})
    if not others or not languages:
        return 0
    new = parts(others)
    with transaction(link):
        params = {"batch": batch, "run": run, "account": account, "channel": channel, "languages": languages}
        moved = fetch(
            link,
            queries.MOVE_ROWS,
            **params,
            accounts=[part.account for part in new],
            lowers=[part.lower for part in new],
            uppers=[part.upper for part in new],
        )[0][0]
        change(link, queries.END_EMPTY_BATCH, run=run, batch=batch)
        failpoints.hit("balance.before_commit", drop=link.close)
    failpoints.hit("balance.after_commit", drop=link.close)
    if moved:
        _tell(account, "account_evaded")
        enqueue("outreach.work", Lane.CAMPAIGNS.value, lane=Lane.CAMPAIGNS)
    return int(moved)


def standings(link: Link, pool: Sequence[Sequence[int]]) -> list[Standing]:
    """How each [account, weight] of a pool stands; accounts that were deleted meanwhile are left out."""
    accounts = [account for account, _ in pool]
    rows = fetch(link, queries.READ_STANDING, accounts=accounts, rests=RESTS_IN_TROUBLE)
    found = {account: (share, is_usable) for account, share, is_usable in rows}
    return [
        Standing(id=account, weight=weight, share=found[account][0], is_usable=found[account][1])
        for account, weight in pool
        if account in found
    ]
