"""The settle: one transaction that writes a window's outcomes, takes the next window in hand, and counts both.

Guarded by the fence alone: a lease that ran out but was not taken is still ours. Doing it twice changes nothing.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from channels.base import Outcome
from outreach.core import failpoints
from outreach.core.vocabulary import BatchState, DeliveryState
from outreach.delivery import counters, queries
from outreach.delivery.connection import Link, bigints, change, fetch, fetch_one, transaction
from outreach.delivery.hand import Lease, Row
from outreach.delivery.verdicts import Verdict
from outreach.delivery.window import Scope, Window, choose_window

#: Kind of the Attempt of a row that waits for the end of its person's quiet hours.
PUT_OFF: Final = "put_off"


class FenceLost(Exception):
    """Another worker took the batch over: what is known now is evidence, no longer an outcome."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One row's fate."""

    row: Row
    verdict: Verdict
    #: Kind of the Attempt that is kept as evidence.
    evidence: str
    detail: str = ""
    provider_id: str = ""


@dataclass
class Settlement:
    """What became of a window: plain first acceptances by id alone, since nearly all are, and a line for any other."""

    accepted: list[int] = field(default_factory=list)
    #: Beside `accepted`.
    provider_ids: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def accept(self, row: Row, outcome: Outcome) -> None:
        """Add a plain first acceptance (`verdicts.is_plain`): it leaves no Attempt."""
        self.accepted.append(row.id)
        self.provider_ids.append(outcome.provider_id)

    def add(self, row: Row, verdict: Verdict, *, evidence: str, detail: str = "", provider_id: str = "") -> None:
        """Add any other fate; `evidence` is the kind of the Attempt that it leaves."""
        line = Line(row=row, verdict=verdict, evidence=evidence, detail=_clean(detail), provider_id=_clean(provider_id))
        self.lines.append(line)

    def add_outcome(self, row: Row, verdict: Verdict, outcome: Outcome) -> None:
        """Add what an adapter said."""
        self.add(row, verdict, evidence=outcome.kind.value, detail=outcome.detail, provider_id=outcome.provider_id)

    def joined_provider_ids(self) -> str:
        """The provider's ids of `accepted`, one a line; '' where it gave none."""
        joined = "\n".join(self.provider_ids)
        if joined.isascii() and joined.count("\n") == len(self.provider_ids) - 1 and "\0" not in joined:
            return joined if joined.strip("\n") else ""
        return "\n".join(_clean(provider_id).replace("\n", " ") for provider_id in self.provider_ids)

    def retry_times(self) -> list[datetime]:
        """When rows of this window are tried again."""
        return sorted({due for line in self.lines if (due := line.verdict.due_at)})


@dataclass(frozen=True, kw_only=True)
class Want:
    """What is to follow a settle: the next window of at most `limit` rows, or giving the batch back."""

    #: 0 for no further window.
    limit: int
    #: Seconds after which the batch is due again, where it is given back.
    wait: float = 0.0
    #: Seconds for which the whole account rests; 0 where it need not.
    rest: float = 0.0


def settle(link: Link, lease: Lease, scope: Scope, *, done: Settlement, want: Want) -> Window:
    """Commit `done` and take the next window in hand; a window without ids means that the batch was given back.

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
        if want.rest:
            change(link, queries.REST, account=lease.account, rest=want.rest)
        elif lease.rests and done.accepted:
            change(link, queries.END_RESTS, account=lease.account)
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
        if window.ids or window.wait or not window.has_open:
            return window


def _take_in_hand(link: Link, lease: Lease, window: Window, *, wait: float) -> None:
    if window.ids:
        change(
            link,
            queries.HOLD,
            batch=lease.batch,
            fence=lease.fence,
            ids=bigints(window.ids),
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
    """Due time -> the retry batch of this run and account, made and locked where rows are to move there."""
    times = done.retry_times()
    if not times:
        return {}
    found = fetch(link, queries.RETRY_BATCHES, run=lease.run, account=lease.account, lane=lease.lane, times=times)
    return dict(found)


def write_settlement(
    link: Link, lease: Lease, done: Settlement, *, deltas: counters.Deltas, retries: Mapping[datetime, int]
) -> None:
    """Write the outcomes under the fence and count those that were written.

    Locks the batch's row, also with nothing to write: what is looked at afterwards is what movers into this batch left.

    Raises:
        FenceLost: nothing was written.
    """
    lines = done.lines
    written = fetch(
        link,
        queries.SETTLE,
        run=lease.run,
        batch=lease.batch,
        fence=lease.fence,
        accepted=bigints(done.accepted),
        provider_ids=done.joined_provider_ids(),
        ids=bigints(line.row.id for line in lines),
        old_states=[line.row.state for line in lines],
        old_reasons=[line.row.reason for line in lines],
        states=[str(line.verdict.state) for line in lines],
        reasons=[str(line.verdict.reason) for line in lines],
        uncertain=[line.verdict.uncertain for line in lines],
        tries=[int(line.verdict.tried) for line in lines],
        line_provider_ids=[line.provider_id for line in lines],
        batches=[_retry_batch(line, retries) for line in lines],
        kinds=[line.evidence for line in lines],
        details=[line.detail for line in lines],
    )
    if not written:
        raise FenceLost
    for at, channel, language, old_state, old_reason, state, reason, count in written:
        if channel is not None:
            old, new = (old_state, old_reason), (state, reason)
            counters.moved(deltas, channel=channel, language=language, old=old, new=new, count=count)
            if state == DeliveryState.ACCEPTED:
                counters.accepted(deltas, channel=channel, language=language, at=at, count=count)


def _retry_batch(line: Line, retries: Mapping[datetime, int]) -> int | None:
    due = line.verdict.due_at
    return retries[due] if due else None


def _clean(words: str) -> str:
    """A provider's words as PostgreSQL can keep them: no NUL, no half characters, at most 500 letters."""
    return words.replace("\0", " ").encode("utf-8", "replace").decode()[:500]


def is_settled(link: Link, lease: Lease, *, in_hand_before: list[int]) -> bool:
    """After a connection broke in a settle: whether it was committed all the same.

    Raises:
        FenceLost: somebody else has the batch by now.
    """
    row = fetch_one(link, queries.READ_HAND, batch=lease.batch)
    if row is None or row[0] != lease.fence:
        raise FenceLost
    return list(row[1]) != in_hand_before
