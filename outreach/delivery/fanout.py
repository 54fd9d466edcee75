"""Fan-out: a run's audience becomes rows, chunk by chunk, each chunk one transaction and one set-based INSERT.

The audience *is* the set of rows written: who is not sent to gets a row too, with the reason. Killed anywhere, or
started twice at once, it goes on where it was.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from outreach.audience.selection import compile_selection
from outreach.core import failpoints
from outreach.core.database import COMMIT_LATER
from outreach.core.queue import enqueue, is_stopping
from outreach.core.vocabulary import CampaignState, CounterKind, Lane, RunKind
from outreach.delivery import counters, queries
from outreach.delivery.balance import split
from outreach.delivery.connection import Identity, Link, change, connect, fetch, fetch_one, identity, transaction
from outreach.delivery.partitions import analyze_young
from outreach.delivery.recipients import named_rows, public_rows
from outreach.delivery.runs import advance_run

#: People a transaction: 20,000 are about 0.3 s.
CHUNK: Final = 20_000
#: People of the first one: the first message leaves as soon as it is committed.
FIRST_CHUNK: Final = 2_000
#: Rows a batch.
BATCH: Final = 1_000
#: Keys a person of the audience up to which reading the whole range is cheaper than looking each of them up.
MOST_BESIDE: Final = 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run as fan-out reads it."""

    id: int
    state: str
    kind: str
    frozen: Mapping[str, Any]
    salt: bytes
    #: The last subscriber done.
    position: int
    is_done: bool
    #: Ids of the organisation and of those above it.
    ancestors: list[int]
    #: The database on which the run was made; '' where nobody noted it.
    system: str
    #: Whether any reader of its topics chose a digest.
    has_digest_readers: bool

    @property
    def lane(self) -> str:
        return Lane.NOTICES.value if self.kind == RunKind.TEST else Lane.CAMPAIGNS.value


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much a transaction and a batch hold."""

    chunk: int = CHUNK
    batch: int = BATCH


def fan_out(run_id: int, *, size: Size | None = None) -> bool:
    """Write the rows of a run, from where it stands to the end; True when all are written.

    False where the run does not run, another process is at it, or this worker has to stop: the sweep comes back to it.
    """
    with connect() as link:
        link.prepare_threshold = None  # a chunk's plan depends on how much of each table lies in its range
        here = identity(link)
        plan = _read(link, run_id)
        lane = plan.lane if plan else Lane.CAMPAIGNS.value
        while not is_stopping():
            is_last = write_chunk(link, run_id, here=here, size=size or Size())
            if is_last is None:
                break
            enqueue("outreach.work", lane, lane=Lane(lane))
            if is_last:
                advance_run(link, run_id)
                return True
        plan = _read(link, run_id)
        return plan is not None and plan.is_done


def write_chunk(link: Link, run_id: int, *, here: Identity, size: Size) -> bool | None:
    """Write one chunk; whether it was the last, or None where nothing was to be done or nothing came of it."""
    is_advanced = False
    with transaction(link) as begun:
        plan = _claim(link, run_id, here)
        if plan is None:
            return None
        deltas: counters.Deltas = Tally()
        if plan.position == 0:
            _write_others(link, plan, deltas)  # posts may be read in a feed at once
        else:
            # No message leaves before its chunk is safe: the commit that takes it in hand waits for the log before.
            change(link, COMMIT_LATER)
        chunk = size.chunk if plan.position else min(size.chunk, FIRST_CHUNK)
        last, people = _write_people(link, plan, deltas, chunk=chunk, batch=size.batch)
        failpoints.hit("fanout.before_commit", drop=link.close)
        is_last = people < chunk
        is_advanced = _advance(link, plan, deltas, here=here, last=last, is_last=is_last)
        if not is_advanced:  # it was paused or cancelled while the chunk was written: the chunk never was
            raise psycopg.Rollback(begun)
        counters.write(link, run_id, deltas)
    if is_advanced:
        failpoints.hit("fanout.after_commit")
        if plan.position == 0:
            analyze_young(link)
    return is_last if is_advanced else None


def _claim(link: Link, run_id: int, here: Identity) -> Plan | None:
    """The run, if it is to be fanned out, by us, on this database. Another's lock means that it is being done."""
    locked = fetch_one(link, queries.LOCK_FANOUT, run=run_id)
    plan = _read(link, run_id)
    if locked is None or not locked[0] or plan is None:
        return None
    is_written_elsewhere = plan.kind in {RunKind.NOTICE, RunKind.DIGEST}
    is_ours = plan.system in {"", here.system} and not is_written_elsewhere
    return plan if is_ours and plan.state == CampaignState.RUNNING and not plan.is_done else None


def _read(link: Link, run_id: int) -> Plan | None:
    row = fetch_one(link, queries.READ_RUN, run=run_id)
    if row is None:
        return None
    return Plan(
        id=run_id,
        state=row[0],
        kind=row[1],
        frozen=row[2],
        salt=row[3],
        position=row[4],
        is_done=row[5] is not None,
        ancestors=[int(part) for part in row[6].rstrip("/").split("/")],
        system=row[7],
        has_digest_readers=row[8],
    )


def _write_people(link: Link, plan: Plan, deltas: counters.Deltas, *, chunk: int, batch: int) -> tuple[int, int]:
    """Write the next chunk of the audience; the last key looked at and how many people there were."""
    if plan.kind == RunKind.TEST:
        return 0, 0
    parts = split(link, plan.frozen)
    selection = compile_selection(
        plan.frozen, ancestors=plan.ancestors, salt=plan.salt, split=parts, has_digests=plan.has_digest_readers
    )
    if selection is None:
        return 0, 0
    first, last, people = fetch(link, selection.bound, **selection.behind(plan.position, chunk))[0]
    if not people:
        return plan.position, 0
    params = selection.between(plan.position, last)
    is_dense = bool(selection.dense) and last - first < MOST_BESIDE * people
    if is_dense:
        change(link, queries.MERGE_TABLES)
    sql = selection.dense if is_dense else selection.sql
    insert = queries.INSERT_CHUNK_WITH_DIGESTS if selection.has_digests else queries.INSERT_CHUNK
    rows = fetch(link, sql + insert, **params, run=plan.id, lane=plan.lane, size=batch)
    for channel, language, state, reason, count in rows:
        counters.born(deltas, channel=channel, language=language, state=state, reason=reason, count=count)
    return last, people


def _write_others(link: Link, plan: Plan, deltas: counters.Deltas) -> None:
    others = named_rows(plan.frozen) if plan.kind == RunKind.TEST else public_rows(plan.frozen)
    if not others:
        return
    written = fetch(
        link,
        queries.INSERT_OTHERS,
        run=plan.id,
        lane=plan.lane,
        targets=[other.target for other in others],
        channels=[other.channel for other in others],
        languages=[other.language for other in others],
        accounts=[other.account for other in others],
        subscribers=[other.subscriber for other in others],
        states=[other.state for other in others],
        reasons=[other.reason for other in others],
    )
    for channel, language, state, reason, count, at in written:
        counters.born(deltas, channel=channel, language=language, state=state, reason=reason, count=count)
        if at is not None:
            counters.accepted(deltas, channel=channel, language=language, at=at, count=count)


def _advance(link: Link, plan: Plan, deltas: counters.Deltas, *, here: Identity, last: int, is_last: bool) -> bool:
    """Note in the run how far it got; False where it no longer runs."""
    written = sum(count for key, count in deltas.items() if key[0] == CounterKind.STATE)
    changed = change(
        link,
        queries.ADVANCE_FANOUT,
        run=plan.id,
        last=max(last, plan.position),
        before=plan.position,
        written=written,
        is_done=is_last,
        system=here.system,
        timeline=here.timeline,
    )
    return changed == 1
