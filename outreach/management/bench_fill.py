"""Rows by the ten million, made in SQL: several tables at once, their indexes afterwards, told on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Final, LiteralString, TypeAlias

import psycopg

#: People of one statement; from so many on indexes are made after the rows, by sorting, and not row by row.
STEP: Final = 1_000_000
#: Statements at once: cores that a small machine has.
HANDS: Final = 2
#: Of whoever fills, and of nobody who is measured.
SETTINGS: Final = ("SET synchronous_commit = off", "SET maintenance_work_mem = '512MB'")
#: Of some tables: each index that is no primary key, how it is made, and the constraint that it serves. One in which
#: nulls are alike cannot become a constraint's again.
INDEXES: Final = """
SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), c.conname
FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype = 'u'
WHERE i.indrelid = ANY (%s::text[]::regclass[]) AND NOT i.indisprimary AND NOT i.indnullsnotdistinct
"""

Link: TypeAlias = psycopg.Connection[Any]
Job: TypeAlias = Callable[[Link], None]


def fill(link: Link, tables: Mapping[str, LiteralString], given: Mapping[str, Any], *, count: int) -> None:
    """Make rows of `count` people: a table's statement makes those of the people `first` to `last`, by `given`.

    Where they are many the largest table is best named first. Afterwards the planner knows them all.
    """
    with _indexes_afterwards(link, list(tables)) if count >= STEP else nullcontext():
        _at_once(link, [partial(_make, table, made, given, count) for table, made in tables.items()])
    _at_once(link, [partial(_run, f"VACUUM ANALYZE {table}") for table in tables])
    link.execute("VACUUM ANALYZE")
    link.execute("CHECKPOINT")


def tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _make(table: str, statement: LiteralString, given: Mapping[str, Any], count: int, link: Link) -> None:
    begun = time.monotonic()
    for first in range(1, count + 1, STEP):
        last = min(first + STEP - 1, count)
        link.execute(statement, {**given, "first": first, "last": last})
        tell(f"{table}: those of {last:,} people of {count:,}, {time.monotonic() - begun:.0f} s")


@contextmanager
def _indexes_afterwards(link: Link, tables: Sequence[str]) -> Iterator[None]:
    found = link.execute(INDEXES, [list(tables)]).fetchall()
    for table, index, _made, constraint in found:
        drop = f"ALTER TABLE {table} DROP CONSTRAINT {constraint}" if constraint else f"DROP INDEX {index}"
        link.execute(drop.encode())
    yield
    _at_once(link, [partial(_run, made) for _table, _index, made, _constraint in found])
    for table, index, _made, constraint in found:
        if constraint:
            link.execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE USING INDEX {index}".encode())


def _run(statement: str, link: Link) -> None:
    begun = time.monotonic()
    link.execute(statement.encode())
    tell(f"{statement}: {time.monotonic() - begun:.0f} s")


def _at_once(link: Link, jobs: Sequence[Job]) -> None:
    """Do them in their order, each in a connection of its own, as many at once as there are hands."""
    with ThreadPoolExecutor(HANDS) as hands:
        for done in [hands.submit(_alone, link, job) for job in jobs]:
            done.result()


def _alone(link: Link, job: Job) -> None:
    with psycopg.connect(link.info.dsn, password=link.info.password or None, autocommit=True) as own:
        for setting in SETTINGS:
            own.execute(setting)
        job(own)
