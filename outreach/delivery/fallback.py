"""The next channel: what failed for good on one channel, or stayed without a receipt too long, is tried on another.

Campaigns that reach each person by one channel (`preferred`) may fall back; those that use all of them never do, since
nobody gets the same message twice by two channels unless it was asked for. A fallback is a row of its own, made here
exactly once for each message it stands in for, under the run's lock: after a pause or a cancel none is made.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from outreach.audience.selection import PASSED_OVER, Selection, compile_choices, personal_channels, with_accounts
from outreach.core import failpoints
from outreach.core.queue import enqueue
from outreach.core.vocabulary import CampaignState, ChannelMode, CounterKind, DeliveryState, Lane
from outreach.delivery import counters, queries
from outreach.delivery.adapters import capabilities
from outreach.delivery.balance import split
from outreach.delivery.connection import Link, change, fetch, fetch_one, transaction

#: Failures a transaction.
CHUNK: Final = 1_000
#: Rows a batch, as in fan-out.
BATCH: Final = 1_000
#: Hours from a message's birth after which nothing follows it any more, beside the time its receipt was waited for.
LATEST: Final = 72
#: A run is looked through once in so many seconds at most, and once for so many of its rows.
LEAST_SECONDS: Final = 4.0
ROWS_A_SECOND: Final = 20_000


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a run falls back, as it was frozen."""

    #: The channels that a person may be reached by, in the campaign's order.
    channels: list[str]
    #: Minutes without a receipt that count as a failure; 0 for none.
    after: int
    #: Accounts whose providers report receipts: silence of any other says nothing.
    reporting: list[int]

    @property
    def hours(self) -> int:
        return LATEST + -(-self.after // 60)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a run's ledger says before its rows are looked through."""

    #: Failures that the counters tell of, and how many they told of at the last look.
    failures: int
    seen: int
    #: Accepted messages without a receipt.
    silent: int
    audience: int
    #: Seconds since the last look; None for never.
    since: float | None


def rule_of(frozen: Mapping[str, Any]) -> Rule | None:
    """The rule of a frozen plan; None where nothing is ever followed by another channel."""
    given = frozen.get("fallback")
    channels = personal_channels(frozen)
    if not given or frozen.get("mode") != ChannelMode.PREFERRED or len(channels) < 2:
        return None
    senders = frozen.get("senders", {}).items()
    reporting = [int(account) for account, facts in senders if capabilities(facts["adapter"]).receipts]
    return Rule(channels=channels, after=int(given.get("after") or 0) if reporting else 0, reporting=reporting)


def is_due(rule: Rule, look: Look) -> bool:
    """Whether a look through the run's rows may find something, and is not too soon after the last one. Pure."""
    pause = max(LEAST_SECONDS, look.audience / ROWS_A_SECOND)
    if look.since is not None and 0 <= look.since < pause:  # below zero after the database's clock went back
        return False
    return look.failures != look.seen or (rule.after > 0 and look.silent > 0)


def fall_back_everywhere(link: Link) -> int:
    """Make the fallbacks that are due, of every run; how many rows were written."""
    runs = [run for (run,) in fetch(link, queries.RUNS_THAT_FALL_BACK, hours=LATEST)]
    return sum(fall_back(link, run) for run in runs)


def fall_back(link: Link, run_id: int) -> int:
    """Make the fallbacks of a run that are due, chunk by chunk, each a transaction; how many rows were written."""
    written = 0
    while written or _is_due_now(link, run_id):
        with transaction(link):
            fetch_one(link, queries.LOCK_CAMPAIGN, run=run_id)
            fetch_one(link, queries.LOCK_RUN, run=run_id)
            made = fall_back_locked(link, run_id, is_again=bool(written))
            failpoints.hit("fallback.before_commit", drop=link.close)
        failpoints.hit("fallback.after_commit", drop=link.close)
        written += made.written
        if made.planned:
            enqueue("outreach.work", Lane.CAMPAIGNS.value, lane=Lane.CAMPAIGNS)
        if made.written < CHUNK:
            break
    return written


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one look wrote."""

    written: int = 0
    #: How many of them are to be sent.
    planned: int = 0
    #: Whether the run waits for receipts, or a look for failures is still to be done.
    awaits: bool = False


def fall_back_locked(link: Link, run_id: int, *, is_again: bool = False, is_ending: bool = False) -> Made:
    """Make one chunk of a run's fallbacks, in the transaction of a caller who holds its lock.

    `is_ending`: the run would end now, so nothing is put off, and it is said whether it has to wait.
    """
    ground = _read(link, run_id)
    if ground is None:
        return Made()
    made = Made()
    if is_again or is_due(ground.rule, ground.look) or (is_ending and ground.look.failures != ground.look.seen):
        made = _write(link, run_id, ground)
    if made.planned and ground.state == CampaignState.FINISHED:
        change(link, queries.REOPEN, run=run_id)
    return replace(made, awaits=is_ending and (made.written == CHUNK or _awaits(link, run_id, ground)))


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """A run that falls back, as it stands."""

    state: str
    rule: Rule
    look: Look
    choices: Selection
    frozen: Mapping[str, Any]


def _read(link: Link, run_id: int) -> _Ground | None:
    """None where nothing follows in this run: by its plan, its state, or its end."""
    state, frozen, path, seen, audience, since, is_over = fetch(link, queries.READ_FALLBACKS, run=run_id)[0]
    rule = rule_of(frozen)
    choices = compile_choices(frozen, ancestors=[int(part) for part in path.rstrip("/").split("/")])
    if rule is None or choices is None or is_over or state not in {CampaignState.RUNNING, CampaignState.FINISHED}:
        return None
    failures, silent = fetch(link, queries.COUNT_FAILURES, run=run_id)[0]
    look = Look(failures=failures, seen=seen, silent=silent, audience=audience, since=since)
    return _Ground(state=state, rule=rule, look=look, choices=choices, frozen=frozen)


def _is_due_now(link: Link, run_id: int) -> bool:
    ground = _read(link, run_id)
    return ground is not None and is_due(ground.rule, ground.look)


def _awaits(link: Link, run_id: int, ground: _Ground) -> bool:
    """Whether a receipt may still come in time, so that the run does not end yet."""
    if not ground.rule.after or not ground.look.silent:
        return False
    return bool(fetch(link, queries.AWAITS_RECEIPTS, **_params(run_id, ground.rule))[0][0])


def _write(link: Link, run_id: int, ground: _Ground) -> Made:
    """Write what follows the next failures, and note the look."""
    failed = fetch(link, queries.FIND_FAILED, **_params(run_id, ground.rule), limit=CHUNK)
    deltas: counters.Deltas = Tally()
    planned = 0
    if failed:
        for channel, language, state, reason, count in _insert(link, run_id, ground, failed):
            counters.born(deltas, channel=channel, language=language, state=state, reason=reason, count=count)
            deltas[CounterKind.FALLBACK, channel, language, "", ""] += count
            planned += count if state == DeliveryState.PLANNED else 0
    change(link, queries.NOTE_LOOK, run=run_id, seen=ground.look.failures if len(failed) < CHUNK else -1)
    counters.write(link, run_id, deltas)
    return Made(written=len(failed), planned=planned)


def _insert(link: Link, run_id: int, ground: _Ground, failed: list[Any]) -> list[Any]:
    """One row for each failed message; (channel, language, state, reason, rows)."""
    ids, people, draws, whys = (list(column) for column in zip(*failed, strict=True))
    given = {"run": run_id, "lane": Lane.CAMPAIGNS.value, "size": BATCH}
    columns = {"ids": ids, "people": people, "draws": draws, "whys": whys}
    chosen, params = with_accounts(_CHOOSE_NEXT, ground.choices.params, ground.frozen, split(link, ground.frozen))
    return fetch(link, ground.choices.sql + chosen + queries.INSERT_FALLBACKS, **params, **given, **columns)


def _params(run_id: int, rule: Rule) -> dict[str, Any]:
    return {
        "run": run_id,
        "channels": rule.channels,
        "after": rule.after,
        "reporting": rule.reporting,
        "hours": rule.hours,
    }


_CHOOSE_NEXT: Final = queries.CHOOSE_NEXT.replace("{passed_over}", PASSED_OVER)
