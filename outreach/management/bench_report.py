"""How long a campaign's report takes over a run of real size."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

import psycopg
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outreach.delivery.fanout import fan_out
from outreach.delivery.launch import start
from outreach.effectiveness.report import report
from outreach.management.bench_cost import database_cpu_seconds, our_cpu_seconds
from outreach.management.bench_world import make_campaign, make_people

CALLS: Final = 20
#: What sending and a day of readers leave: accepted rows, an open of every third, a click of every tenth.
AFTERWARDS: Final = (
    """
    UPDATE outreach_delivery SET state = 'accepted', attempts = 1, settled_at = clock_timestamp()
    WHERE run_id = %(run)s AND state = 'planned'
    """,
    """
    INSERT INTO outreach_event (at, run_id, delivery, link, kind, channel, language)
    SELECT clock_timestamp(), run_id, id, CASE WHEN id %% 10 = 0 THEN 0 END,
        CASE WHEN id %% 10 = 0 THEN 'click' ELSE 'open' END, channel, language
    FROM outreach_delivery WHERE run_id = %(run)s AND (id %% 3 = 0 OR id %% 10 = 0)
    """,
    "ANALYZE",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deliveries", type=int, default=100_000, metavar="N")


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as link:
        actor, topic = make_people(link, args.deliveries)
        campaign = make_campaign(actor, topic, smtp=("127.0.0.1", 9))
        run = start(actor, campaign)
        fan_out(run.pk)
        for statement in AFTERWARDS:
            link.execute(statement, {"run": run.pk})
    campaign.refresh_from_db()
    before, times = (our_cpu_seconds(), database_cpu_seconds()), []
    for _ in range(CALLS):
        begun = time.monotonic()
        report(campaign)
        times.append(time.monotonic() - begun)
    spent = our_cpu_seconds() - before[0], database_cpu_seconds() - before[1]
    with CaptureQueriesContext(connection) as queries:
        report(campaign)
    times.sort()
    return {
        "what": "report",
        "items": CALLS,
        "seconds": round(sum(times), 3),
        "rate": round(CALLS / sum(times), 1),
        "own_cpu_us": round(spent[0] / CALLS * 1e6),
        "database_cpu_us": round(spent[1] / CALLS * 1e6),
        "ratio": None,
        "settings": {
            "deliveries": args.deliveries,
            "p50_ms": round(times[CALLS // 2] * 1e3, 1),
            "longest_ms": round(times[-1] * 1e3, 1),
            "queries": len(queries),
        },
    }
