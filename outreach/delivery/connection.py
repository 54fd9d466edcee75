"""The ledger's own connection to PostgreSQL: raw psycopg, no ORM, so that a window costs four statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import psycopg
from django.db import connection
from psycopg.rows import TupleRow

from outreach.core import failpoints
from outreach.core.queue import database_conninfo
from outreach.delivery import queries

Link: TypeAlias = psycopg.Connection[TupleRow]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which PostgreSQL answers: a restored or promoted one has another."""

    system: str
    timeline: int


def connect() -> Link:
    """Open a connection of the ledger; every statement outside a `transaction()` commits by itself."""
    return psycopg.connect(**database_conninfo(), autocommit=True, application_name="outreach-ledger")


def callers_link() -> Link:
    """The connection that Django uses in this thread: what is done on it is part of the caller's transaction."""
    connection.ensure_connection()
    return cast(Link, connection.connection)


@contextmanager
def transaction(link: Link) -> Iterator[psycopg.Transaction]:
    """One transaction, or a savepoint within the caller's; leaving it without an error means that it is committed.

    psycopg's own leaves silently where the connection was lost before the COMMIT could be sent.

    Raises:
        psycopg.OperationalError: the connection was lost; nothing, or at COMMIT possibly everything, was written.
    """
    with link.transaction() as begun:
        yield begun
        if failpoints.is_commit_unheard():
            _commit_unheard(link)
    if link.closed:
        raise psycopg.OperationalError("the connection was lost before the commit")


def _commit_unheard(link: Link) -> None:
    """For tests: send the COMMIT and hang up before its answer, as a network does that breaks just then."""
    link.pgconn.send_query(b"COMMIT")
    link.pgconn.flush()
    link.close()


def fetch(link: Link, query: str, **params: Any) -> list[TupleRow]:
    """Run one named statement and return its rows."""
    return link.execute(query, params).fetchall()


def fetch_many(link: Link, query: str, **params: Any) -> list[TupleRow]:
    """Like `fetch`, for statements that return hundreds of rows: in binary form, which is cheaper to read."""
    return link.execute(query, params, binary=True).fetchall()


def fetch_one(link: Link, query: str, **params: Any) -> TupleRow | None:
    """Run one named statement and return its first row."""
    return link.execute(query, params).fetchone()


def change(link: Link, query: str, **params: Any) -> int:
    """Run one named statement and return how many rows it wrote."""
    return link.execute(query, params).rowcount


def bigints(ids: Iterable[int]) -> str:
    """An array parameter as PostgreSQL writes it: a tenth of the price of psycopg's own dumping, and of one type."""
    return f"{{{','.join(map(str, ids))}}}"


def identity(link: Link) -> Identity:
    """Ask which PostgreSQL this connection leads to; it cannot change while the connection lasts."""
    row = link.execute(queries.IDENTITY).fetchone()
    assert row is not None  # noqa: S101 -- a SELECT over one-row functions
    return Identity(system=row[0], timeline=row[1])
