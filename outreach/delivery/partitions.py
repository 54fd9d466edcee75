"""Partitions: a new range of the ledger when the last one is large or old, and months of events before they come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg
from psycopg import sql

from outreach.delivery import queries
from outreach.delivery.connection import Link, connect, fetch, fetch_one, transaction

#: A partition that holds so many rows, or is so old, takes no new run.
MOST_ROWS: Final = 20_000_000
OLDEST: Final = timedelta(days=31)
#: Rows below which fan-out does not wait for PostgreSQL's own ANALYZE: it costs some ten milliseconds then.
YOUNG: Final = 20_000
#: Months of events that exist before they begin.
MONTHS_AHEAD: Final = 2
LEDGER: Final = sql.Identifier("outreach_delivery")


@dataclass(frozen=True, kw_only=True)
class Partition:
    """The ledger's last partition, which takes every new run."""

    name: str
    #: Where its range begins; None for the first.
    lower: int | None
    rows: int
    created_at: datetime


def is_full(partition: Partition, *, now: datetime) -> bool:
    """Whether new runs should go to a new partition; an empty one never is. Pure."""
    return partition.rows >= MOST_ROWS or (partition.rows > 0 and now - partition.created_at >= OLDEST)


def keep_partitions() -> list[str]:
    """Make the partitions that are needed soon; the names of those made. Gives way to whoever uses the tables now."""
    with connect() as link:
        made = make_event_months(link)
        last = last_partition(link)
        if last is not None and is_full(last, now=fetch(link, queries.NOW)[0][0]):
            made.append(begin_partition(link, last))
        return made


def analyze_young(link: Link) -> None:
    """Let the planner see the first rows of a partition that it takes for empty.

    Until then the constraint on (run, target, channel) seems to find a delivery as cheaply as its key does, and the
    whole run is read for each. Gives way to whoever analyses it already.
    """
    last = last_partition(link)
    if last is not None and last.rows < YOUNG:
        link.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.Identifier(last.name)))


def last_partition(link: Link) -> Partition | None:
    """The partition without an upper end."""
    row = fetch_one(link, queries.LAST_PARTITION)
    if row is None:
        return None
    return Partition(name=row[0], lower=row[1], rows=row[2], created_at=row[3])


def begin_partition(link: Link, last: Partition) -> str:
    """Close the last range below a run id that nobody has yet, and open the next.

    The rows are checked against the new bound before the short exclusive lock, so that attaching scans nothing.
    """
    boundary: int = fetch(link, queries.NEXT_RUN)[0][0]
    old, name = sql.Identifier(last.name), f"outreach_delivery_r{boundary}"
    lower = sql.SQL("MINVALUE") if last.lower is None else sql.Literal(last.lower)
    floor = sql.SQL("true") if last.lower is None else sql.SQL("run_id >= {}").format(sql.Literal(last.lower))
    bound = sql.SQL("({} AND run_id < {})").format(floor, sql.Literal(boundary))
    link.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS run_range").format(old))
    link.execute(sql.SQL("ALTER TABLE {} ADD CONSTRAINT run_range CHECK {} NOT VALID").format(old, bound))
    link.execute(sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT run_range").format(old))
    with transaction(link):
        link.execute("SET LOCAL lock_timeout = '2s'")
        link.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(LEDGER, old))
        link.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                LEDGER, old, lower, sql.Literal(boundary)
            )
        )
        link.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT run_range").format(old))
        link.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO (MAXVALUE) WITH (fillfactor = 50)").format(
                sql.Identifier(name), LEDGER, sql.Literal(boundary)
            )
        )
        link.execute(
            sql.SQL("COMMENT ON TABLE {} IS {}").format(
                sql.Identifier(name), sql.Literal(fetch(link, queries.NOW)[0][0].isoformat())
            )
        )
    return name


def make_event_months(link: Link) -> list[str]:
    """Make the coming months' partitions of events that are not there yet."""
    made = []
    for name, start, end in fetch(link, queries.MISSING_MONTHS, ahead=MONTHS_AHEAD):
        try:
            link.execute(
                sql.SQL("CREATE TABLE {} PARTITION OF outreach_event FOR VALUES FROM ({}) TO ({})").format(
                    sql.Identifier(name), sql.Literal(start), sql.Literal(end)
                )
            )
        except psycopg.errors.CheckViolation:
            continue  # events of that month came before their partition and lie in the default one: they stay there
        made.append(name)
    return made
