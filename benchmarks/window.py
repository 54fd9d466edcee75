"""The ledger's own price of a message in windows of two sizes, beside its limits.

On a database of its own, durable as in production. Hand-over is a double that accepts at once, so that what remains is
the ledger's own price. Limits: docs/explanation/ledger.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from tests.delivery.world import World

MOST_WAL: Final = 450.0
LEAST_HOT: Final = 0.8

PEOPLE = """
INSERT INTO outreach_subscriber (organisation_id, kind, name, sort_key, language, timezone, attributes, is_measured,
    created_at, updated_at)
SELECT %(organisation)s, 'citizen', 'Person ' || n, 'person', CASE WHEN n %% 10 = 0 THEN 'en' ELSE 'bg' END, '', '{}',
    false, now(), now()
FROM generate_series(1, %(count)s) AS n;
"""
ADDRESSES = """
INSERT INTO outreach_address (organisation_id, subscriber_id, channel, value, normalised, digest, state, created_at)
SELECT organisation_id, id, 'email', 'p' || id || '@example.org', 'p' || id || '@example.org',
    sha256(int8send(id)), 'active', now() FROM outreach_subscriber
"""
SUBSCRIPTIONS = """
INSERT INTO outreach_subscription (subscriber_id, topic_id, channel, state, changed_at)
SELECT id, %(topic)s, 'email', 'subscribed', now() FROM outreach_subscriber
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=200_000)
    parser.add_argument("--sent", type=int, default=30_000, help="how many of them are sent to, in each window size")
    args = parser.parse_args()
    with own_installation() as url:
        figures = measure(url, subscribers=args.subscribers, sent=args.sent)
    print(json.dumps(figures, indent=1))
    return 0 if figures["holds"] else 1


@contextmanager
def own_installation() -> Iterator[str]:
    """A durable embedded database with the schema, in a folder of its own; yields its address."""
    data = Path(tempfile.mkdtemp(prefix="outreach-bench-"))
    os.environ.update(DJANGO_SETTINGS_MODULE="outreach.settings", OUTREACH_DATA=str(data), DATABASE_URL="")
    import django  # noqa: PLC0415 -- reads the environment set here

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 -- reads the environment set here
    from django.db import connections  # noqa: PLC0415 -- as above

    from outreach.core.database import EmbeddedDatabase  # noqa: PLC0415 -- as above

    try:
        with EmbeddedDatabase(data) as embedded:
            call_command("migrate", verbosity=0)
            yield embedded.url
            connections.close_all()
    finally:
        shutil.rmtree(data, ignore_errors=True)


def measure(url: str, *, subscribers: int, sent: int) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as link:
        world = make_run(link, subscribers)
        windows = [window_cost(link, world, size=size, rows=sent) for size in (100, 500)]
    holds = all(cost["wal_bytes_a_row"] <= MOST_WAL and cost["hot_share"] >= LEAST_HOT for cost in windows)
    return {"windows": windows, "holds": holds}


def make_run(link: psycopg.Connection[Any], subscribers: int) -> World:
    from outreach.delivery.fanout import fan_out  # noqa: PLC0415 -- needs Django set up
    from tests.delivery.world import World as Made  # noqa: PLC0415 -- as above

    world = Made()
    link.execute(PEOPLE, {"organisation": world.organisation.pk, "count": subscribers})
    link.execute(ADDRESSES)
    link.execute(SUBSCRIPTIONS, {"topic": world.topic.pk})
    link.execute("VACUUM ANALYZE")
    link.execute("CHECKPOINT")
    fan_out(world.run().pk)
    return world


def window_cost(link: psycopg.Connection[Any], world: World, *, size: int, rows: int) -> dict[str, Any]:
    """Serve batches in windows of `size` and measure what the database and we paid for a row."""
    world.window = size
    wal, hot = _wal(link), _updates(link)
    before, cpu, done = time.monotonic(), own_cpu(), 0
    with world.engine() as engine:
        already = len(world.box().messages)
        while done < rows and engine.serve_next("campaigns"):
            done = len(world.box().messages) - already
    seconds = time.monotonic() - before
    link.execute("SELECT pg_stat_clear_snapshot()")
    updates = [after - then for after, then in zip(_updates(link), hot, strict=True)]
    return {
        "what": f"windows of {size}",
        "items": done,
        "rate": round(done / seconds),
        "microseconds_a_row": round(seconds / done * 1e6, 1),
        "own_cpu_us": round((own_cpu() - cpu) / done * 1e6, 1),
        "wal_bytes_a_row": round((_wal(link) - wal) / done),
        "wal_limit": MOST_WAL,
        "hot_share": round(updates[1] / max(updates[0], 1), 3),
        "hot_limit": LEAST_HOT,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _wal(link: psycopg.Connection[Any]) -> int:
    row = link.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()
    return int(row[0]) if row else 0


def _updates(link: psycopg.Connection[Any]) -> tuple[int, int]:
    row = link.execute(
        "SELECT sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint FROM pg_stat_user_tables"
        " WHERE relname LIKE 'outreach_delivery%%'"
    ).fetchone()
    return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)


if __name__ == "__main__":
    sys.exit(main())
