"""Caps: a window takes no message that would be too many for its person. Exact, whoever else sends at this moment.

A count is a row by scope and address, locked while a window is chosen; it keeps a mark of each message that was taken
in hand lately, so that a second try of the same one counts no second time. Whose the others are, no mark tells.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from outreach.core.vocabulary import DeliveryState, Reason
from outreach.delivery import counters, queries
from outreach.delivery.connection import Link, bigints, change, fetch
from outreach.delivery.hand import Row

#: Seconds for which a worker believes what it read of a run's caps.
BELIEVED: Final = 15.0
DAY: Final = 86_400

#: (mark, seconds since 1970) of messages taken in hand.
Taken = list[tuple[int, float]]


@dataclass(frozen=True, kw_only=True)
class Cap:
    """At most so many messages to one person in so many days, counted under a scope."""

    #: `t:<topic>` or `b:<budget>`.
    scope: str
    messages: int
    days: int


class KnownCaps:
    """The caps of one run as this worker knows them; they may change while it is under way."""

    def __init__(self) -> None:
        self._caps: dict[str, Cap] = {}
        self._read_at: float | None = None

    def read(self, link: Link, *, topics: Sequence[int], organisation: int) -> Mapping[str, Cap]:
        """Scope -> cap; nearly always none."""
        if self._read_at is None or time.monotonic() - self._read_at > BELIEVED:
            found = fetch(link, queries.READ_CAPS, topics=list(topics), organisation=organisation)
            self._caps = {scope: Cap(scope=scope, messages=most, days=days) for scope, most, days in found}
            self._read_at = time.monotonic()
        return self._caps


@dataclass(frozen=True, kw_only=True)
class Count:
    """How much one person got lately under one cap; its row is locked."""

    id: int
    cap: Cap
    taken: Taken


@dataclass
class Room:
    """What a window may take under the caps. Pure: decides from the counts, and says what they become."""

    now: float
    #: Delivery id -> its mark.
    marks: Mapping[int, int]
    #: Delivery id -> the counts that it falls under.
    counts: Mapping[int, Sequence[Count]]
    _so_far: dict[int, Taken] = field(default_factory=dict)

    def take(self, delivery: int) -> bool:
        """Take the message where there is room under each of its caps; a message taken before has its place."""
        mark, counts = self.marks[delivery], self.counts.get(delivery, ())
        found = [(count, self._recent(count)) for count in counts]
        if not all(has_room(taken, mark, most=count.cap.messages) for count, taken in found):
            return False
        for count, taken in found:
            if mark not in (known for known, _at in taken):
                taken = [*taken, (mark, self.now)]
            self._so_far[count.id] = taken
        return True

    def _recent(self, count: Count) -> Taken:
        since = self.now - count.cap.days * DAY
        return [(mark, at) for mark, at in self._so_far.get(count.id, count.taken) if at > since]

    def after(self, taken: Iterable[int]) -> dict[int, Taken]:
        """Count id -> what it holds when only these were taken, in order."""
        fresh = Room(now=self.now, marks=self.marks, counts=self.counts)
        for delivery in taken:
            fresh.take(delivery)
        return fresh._so_far


def has_room(taken: Taken, mark: int, *, most: int) -> bool:
    """Whether one more fits, or this one is counted already."""
    return len(taken) < most or any(known == mark for known, _at in taken)


def mark_of(run: int, delivery: int) -> int:
    """A number for a message that tells nobody which it is."""
    digest = blake2b(f"{run}-{delivery}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def look_for_room(link: Link, run: int, rows: Sequence[Row], caps: Mapping[str, Cap], *, now: datetime) -> Room:
    """Lock the counts of these rows' people, each in its order, until the window's commit."""
    found = fetch(link, queries.LOCK_COUNTS, run=run, ids=bigints(row.id for row in rows), scopes=sorted(caps))
    counts: dict[int, list[Count]] = {}
    for delivery, count, scope, taken in found:
        known = [(int(mark), float(at)) for mark, at in taken]
        counts.setdefault(delivery, []).append(Count(id=count, cap=caps[scope], taken=known))
    marks = {row.id: mark_of(run, row.id) for row in rows}
    return Room(now=now.timestamp(), marks=marks, counts=counts)


def close_capped(link: Link, run: int, rows: Sequence[Row], deltas: counters.Deltas) -> None:
    """Close what would be too many: `skipped`, and no word of what else the person got."""
    change(link, queries.CLOSE_CAPPED, run=run, ids=bigints(row.id for row in rows))
    new = (DeliveryState.SKIPPED.value, Reason.CAPPED.value)
    for row in rows:
        old = (row.state, row.reason)
        counters.moved(deltas, channel=row.channel, language=row.language, old=old, new=new, count=1)


def keep_counts(link: Link, room: Room, rows: Sequence[Row]) -> None:
    """Count what the window takes in hand."""
    after = room.after(row.id for row in rows)
    if after:
        change(link, queries.KEEP_COUNTS, counts=json.dumps([_line(count, taken) for count, taken in after.items()]))


def _line(count: int, taken: Taken) -> dict[str, Any]:
    return {"id": count, "taken": taken}
