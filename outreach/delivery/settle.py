"""The settle: one transaction that writes a window's outcomes, takes the next window in hand, and counts both.

Guarded by the fence alone: a lease that ran out but was not taken is still ours. Doing it twice changes nothing.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from channels.base import Outcome, OutcomeKind
from outreach.core import failpoints
from outreach.core.vocabulary import BatchState, DeliveryState
from outreach.delivery import counters, queries, retry
from outreach.delivery.connection import Link, change, fetch, fetch_one, transaction
from outreach.delivery.hand import Lease, Row
from outreach.delivery.verdicts import Verdict
from outreach.delivery.window import Scope, Window, choose_window


class FenceLost(Exception):
    """Another worker took the batch over: what is known now is evidence, no longer an outcome."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One row's fate."""

    row: Row
    verdict: Verdict
    #: Kind of the Attempt that is kept as evidence; '' for a plain first acceptance.
    evidence: str = ""
    detail: str = ""
    provider_id: str = ""


@dataclass
class Settlement:
    """What became of a window."""

    lines: list[Line] = field(default_factory=list)

    def add(self, row: Row, verdict: Verdict, *, evidence: str = "", detail: str = "", provider_id: str = "") -> None:
        self.lines.append(Line(row=row, verdict=verdict, evidence=evidence, detail=detail, provider_id=provider_id))

    def add_outcome(self, row: Row, verdict: Verdict, outcome: Outcome) -> None:
        """Add what an adapter said; a plain first acceptance leaves no Attempt."""
        is_plain = outcome.kind is OutcomeKind.ACCEPTED and not row.attempts and not row.uncertain
        self.add(
            row,
            verdict,
            evidence="" if is_plain else outcome.kind.value,
            detail=outcome.detail[:500],
            provider_id=outcome.provider_id,
        )

    def retry_minutes(self) -> list[datetime]:
        """The minutes in which rows of this window are tried again."""
        due = {retry.due_minute(line.verdict.retry_at) for line in self.lines if line.verdict.retry_at}
        return sorted(due)


@dataclass(frozen=True, kw_only=True)
class Want:
    """What is to follow a settle: the next window of at most `limit` rows, or giving the batch back."""

    #: 0 for no further window.
    limit: int
    #: Seconds after which the batch is due again, where it is given back.
    wait: float = 0.0


def settle(link: Link, lease: Lease, scope: Scope, *, done: Settlement, want: Want) -> Window:
    """Commit `done` and take the next window in hand; a window without rows means that the batch was given back.

    Raises:
        FenceLost: nothing was written.
    """
    deltas: counters.Deltas = Tally()
    failpoints.hit("settle.before", drop=link.close)
    with transaction(link):
        write_settlement(link, lease, done, deltas=deltas, retries=retry_batches(link, lease, done))
        failpoints.hit("settle.written", drop=link.close)
        window = _next_window(link, lease, scope, want=want, deltas=deltas)
        failpoints.hit("window.chosen", drop=link.close)
        _take_in_hand(link, lease, window, wait=window.wait or want.wait)
        counters.write(link, lease.run, deltas)
        failpoints.hit("settle.before_commit", drop=link.close)
    failpoints.hit("settle.after_commit", drop=link.close)
    return window


def _next_window(link: Link, lease: Lease, scope: Scope, *, want: Want, deltas: counters.Deltas) -> Window:
    """The next rows that may leave. Rows that may not are closed on the way, so this ends."""
    if not want.limit:
        return Window()
    while True:
        window = choose_window(link, lease, scope, limit=want.limit, deltas=deltas)
        if window.rows or window.wait or not window.has_open:
            return window


def _take_in_hand(link: Link, lease: Lease, window: Window, *, wait: float) -> None:
    if window.rows:
        change(
            link,
            queries.HOLD,
            batch=lease.batch,
            fence=lease.fence,
            ids=window.ids,
            lease=lease.seconds,
            worker=worker(),
        )
        return
    state = BatchState.DONE if window.is_done else BatchState.READY
    change(link, queries.RELEASE, batch=lease.batch, fence=lease.fence, state=state.value, wait=wait)


def worker() -> str:
    """This process as receipts name it: `host:pid`."""
    return f"{os.uname().nodename}:{os.getpid()}"


def retry_batches(link: Link, lease: Lease, done: Settlement) -> dict[datetime, int]:
    """Due minute -> the retry batch of this run and account, made and locked where rows are to move there."""
    minutes = done.retry_minutes()
    if not minutes:
        return {}
    found = fetch(link, queries.RETRY_BATCHES, run=lease.run, account=lease.account, lane=lease.lane, minutes=minutes)
    return dict(found)


def write_settlement(
    link: Link, lease: Lease, done: Settlement, *, deltas: counters.Deltas, retries: Mapping[datetime, int]
) -> None:
    """Write the outcomes under the fence and count those that were written.

    Locks the batch's row, also with nothing to write: what is looked at afterwards is what movers into this batch left.

    Raises:
        FenceLost: nothing was written.
    """
    lines, evidence = done.lines, [line for line in done.lines if line.evidence]
    row = fetch_one(
        link,
        queries.SETTLE,
        run=lease.run,
        batch=lease.batch,
        fence=lease.fence,
        ids=[line.row.id for line in lines],
        old_states=[line.row.state for line in lines],
        old_reasons=[line.row.reason for line in lines],
        states=[str(line.verdict.state) for line in lines],
        reasons=[str(line.verdict.reason) for line in lines],
        uncertain=[line.verdict.uncertain for line in lines],
        tries=[int(line.verdict.tried) for line in lines],
        provider_ids=[line.provider_id for line in lines],
        batches=[_retry_batch(line, retries) for line in lines],
        e_ids=[line.row.id for line in evidence],
        e_kinds=[line.evidence for line in evidence],
        e_reasons=[str(line.verdict.reason)[:20] for line in evidence],
        e_details=[line.detail for line in evidence],
        e_provider_ids=[line.provider_id for line in evidence],
    )
    if row is None or row[0] is None:
        raise FenceLost
    _count(lines, written=set(row[1]), at=row[0], deltas=deltas)


def _retry_batch(line: Line, retries: Mapping[datetime, int]) -> int | None:
    return retries[retry.due_minute(line.verdict.retry_at)] if line.verdict.retry_at else None


def _count(lines: list[Line], *, written: set[int], at: datetime, deltas: counters.Deltas) -> None:
    for line in lines:
        row, verdict = line.row, line.verdict
        if row.id not in written:
            continue
        new = (str(verdict.state), str(verdict.reason))
        counters.moved(deltas, channel=row.channel, language=row.language, old=(row.state, row.reason), new=new)
        if verdict.state == DeliveryState.ACCEPTED:
            counters.accepted(deltas, channel=row.channel, language=row.language, at=at)


def is_settled(link: Link, lease: Lease, *, in_hand_before: list[int]) -> bool:
    """After a connection broke in a settle: whether it was committed all the same.

    Raises:
        FenceLost: somebody else has the batch by now.
    """
    row = fetch_one(link, queries.READ_HAND, batch=lease.batch)
    if row is None or row[0] != lease.fence:
        raise FenceLost
    return list(row[1]) != in_hand_before
