"""Counters of the ledger: sums in slots, one a process, written last in the transaction of the rows they count."""

from __future__ import annotations

import functools
import os
import zlib
from collections import Counter as Tally
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, TypeAlias

from django.db.models import Sum

from outreach.core.vocabulary import CounterKind
from outreach.delivery import queries
from outreach.delivery.connection import Link, change
from outreach.delivery.models import Counter

#: (kind, channel, language, name, reason) -> how many more.
Deltas: TypeAlias = "Tally[tuple[str, str, str, str, str]]"

SLOTS: Final = 64


def slot() -> int:
    """This process's slot; two processes in one slot wait for each other but count right."""
    return zlib.crc32(f"{os.uname().nodename}:{os.getpid()}".encode()) % SLOTS


def born(deltas: Deltas, *, channel: str, language: str, state: str, reason: str, count: int) -> None:
    """Count new rows."""
    deltas[CounterKind.STATE, channel, language, state, reason] += count


def moved(
    deltas: Deltas, *, channel: str, language: str, old: tuple[str, str], new: tuple[str, str], count: int = 1
) -> None:
    """Count rows that went from one (state, reason) to another."""
    deltas[CounterKind.STATE, channel, language, *old] -= count
    deltas[CounterKind.STATE, channel, language, *new] += count


def accepted(deltas: Deltas, *, channel: str, language: str, at: datetime, count: int = 1) -> None:
    """Count messages accepted in this minute; `at` is what the rows' `settled_at` says."""
    deltas[CounterKind.MINUTE, channel, language, minute(at), ""] += count


@functools.lru_cache(maxsize=64)
def minute(at: datetime) -> str:
    """The name of a minute in the counters."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def write(link: Link, run: int, deltas: Deltas) -> None:
    """Add to the run's counters: the last statement of a transaction, since all its workers meet here."""
    rows = [(key, count) for key, count in sorted(deltas.items()) if count]
    if not rows:
        return
    columns: Iterable[tuple[str, ...]] = zip(*(key for key, _ in rows), strict=True)
    names = ("kinds", "channels", "languages", "names", "reasons")
    arrays = {name: list(column) for name, column in zip(names, columns, strict=True)}
    change(link, queries.COUNT, run=run, slot=slot(), counts=[count for _, count in rows], **arrays)


def counts(run_id: int) -> dict[tuple[str, str, str], int]:
    """(channel, state, reason) -> rows, as the counters say; what pages show."""
    rows = (
        Counter.objects.filter(run=run_id, kind=CounterKind.STATE)
        .values_list("channel", "name", "reason")
        .annotate(rows=Sum("count"))
    )
    return {(channel, state, reason): number for channel, state, reason, number in rows if number}


def accepted_by_minute(run_id: int) -> dict[str, int]:
    """Minute (UTC) -> messages accepted in it: the live rate."""
    rows = (
        Counter.objects.filter(run=run_id, kind=CounterKind.MINUTE)
        .values_list("name")
        .annotate(rows=Sum("count"))
        .order_by("name")
    )
    return {name: number for name, number in rows if number}


def recount(link: Link, run: int) -> dict[tuple[str, str, str, str, str], int]:
    """Count the rows themselves."""
    return {tuple(row[:5]): row[5] for row in link.execute(queries.RECOUNT, {"run": run})}


def kept(link: Link, run: int) -> dict[tuple[str, str, str, str, str], int]:
    """What the counters say, in the shape of `recount`."""
    return {tuple(row[:5]): row[5] for row in link.execute(queries.READ_COUNTERS, {"run": run})}
