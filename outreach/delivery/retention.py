"""Retention: whole partitions of the ledger and of events go when all in them is older than the installation keeps.

Sums stay, since reports and funnels show them for years; the rows behind them, which are personal, do not. Dropping a
partition costs nothing, however many rows it holds.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from psycopg import sql

from outreach.delivery import queries
from outreach.delivery.connection import Link, change, connect, fetch, transaction

#: Closed partitions of the ledger, each with the runs of its range, of which every one ended before the horizon.
OLD_RANGES: Final = """
WITH part AS (
    SELECT c.relname, (bound.b)[1]::bigint AS lower, (bound.b)[2]::bigint AS upper
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
        LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''?(\\d+|MINVALUE)''?\\) TO \\(''(\\d+)''\\)')
            AS found (f), LATERAL (SELECT ARRAY[nullif(found.f[1], 'MINVALUE'), found.f[2]]) AS bound (b)
    WHERE i.inhparent = 'outreach_delivery'::regclass AND found.f IS NOT NULL
)
SELECT part.relname, array_agg(r.id ORDER BY r.id)
FROM part JOIN outreach_run r ON r.id >= coalesce(part.lower, 0) AND r.id < part.upper
GROUP BY part.relname
HAVING bool_and(coalesce(r.finished_at < clock_timestamp() - make_interval(months => %(months)s), false))
ORDER BY min(r.id)
"""

#: Months of events that ended before the horizon.
OLD_MONTHS: Final = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'outreach_event'::regclass AND c.relname ~ '^outreach_event_\\d{6}$'
  AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month'
      <= clock_timestamp() - make_interval(months => %(months)s)
ORDER BY 1
"""

#: What the ledger keeps of a run beside its rows and counters.
FORGET: Final = (
    "DELETE FROM outreach_notice WHERE run_id = ANY (%(runs)s)",
    "DELETE FROM outreach_digestitem i USING outreach_digest g WHERE g.run_id = ANY (%(runs)s) AND i.digest_id = g.id",
    "DELETE FROM outreach_digestitem WHERE run_id = ANY (%(runs)s)",
    "DELETE FROM outreach_digest WHERE run_id = ANY (%(runs)s)",
    "DELETE FROM outreach_hand h USING outreach_batch b WHERE b.run_id = ANY (%(runs)s) AND h.batch_id = b.id",
    "DELETE FROM outreach_attempt WHERE run_id = ANY (%(runs)s)",
    "DELETE FROM outreach_batch WHERE run_id = ANY (%(runs)s)",
    "UPDATE outreach_run SET retired_at = clock_timestamp() WHERE id = ANY (%(runs)s)",
)


#: Days for which a notice's `data` is kept at least: longer than anything is tried again.
NOTICE_DAYS: Final = 7


def retire() -> list[str]:
    """Drop what is older than OUTREACH_KEEP_MONTHS; the names of the partitions dropped. 0 months keep everything."""
    if not settings.KEEP_MONTHS:
        return []
    with connect() as link:
        ranges = fetch(link, OLD_RANGES, months=settings.KEEP_MONTHS)
        for name, runs in ranges:
            _drop(link, "outreach_delivery", name, runs)
        months = [name for (name,) in fetch(link, OLD_MONTHS, months=settings.KEEP_MONTHS)]
        for name in months:
            _drop(link, "outreach_event", name, [])
        return [*(name for name, _ in ranges), *months]


def forget_notice_data() -> int:
    """Empty what notices told where they cannot leave any more; of how many. It may hold what only the person knows."""
    with connect() as link:
        return change(link, queries.FORGET_NOTICE_DATA, days=NOTICE_DAYS)


def _drop(link: Link, parent: str, name: str, runs: list[int]) -> None:
    with transaction(link):
        link.execute("SET LOCAL lock_timeout = '2s'")
        link.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(sql.Identifier(parent), sql.Identifier(name)))
        link.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
        for statement in FORGET if runs else ():
            change(link, statement, runs=runs)
