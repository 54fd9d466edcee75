"""How long a campaign's report takes over a run of real size and what came back of it, and whether a recount agrees."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

import psycopg
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outreach.core.vocabulary import EventKind
from outreach.delivery.check import check_ledger
from outreach.delivery.fanout import fan_out
from outreach.delivery.launch import start
from outreach.effectiveness.recount import check_what_came_back
from outreach.effectiveness.report import report
from outreach.events.sums import ADD_SUMS, ALL_SUMS, CAME, KEEP_FIRST, NAMED, SUMS
from outreach.management.bench_cost import database_cpu_seconds, our_cpu_seconds
from outreach.management.bench_world import make_campaign, make_people

CALLS: Final = 20
#: What sending and a week of readers leave: accepted rows, two openings of each and a click for every fourth opening, a
#: tenth of them a machine's; and their sums, as the ledger and `events.record` keep them.
AFTERWARDS: Final = (
    """
    UPDATE outreach_delivery SET state = 'accepted', attempts = 1, settled_at = clock_timestamp()
    WHERE run_id = %(run)s AND state = 'planned'
    """,
    "UPDATE outreach_counter SET name = 'accepted' WHERE run_id = %(run)s AND kind = 'state' AND name = 'planned'",
    """
    INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
    SELECT run_id, 0, 'minute', channel, language, to_char(settled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), '',
        count(*)
    FROM outreach_delivery WHERE run_id = %(run)s AND state = 'accepted' GROUP BY 1, 4, 5, 6
    """,
    """
    INSERT INTO outreach_event (at, run_id, delivery, link, kind, channel, language, verdict)
    SELECT clock_timestamp() + random() * interval '7 days', d.run_id, d.id, CASE WHEN n %% 4 = 0 THEN d.id %% 2 END,
        CASE WHEN n %% 4 = 0 THEN 'clicked' ELSE 'opened' END, d.channel, d.language,
        CASE WHEN n %% 10 = 0 THEN 'machine' ELSE 'human' END
    FROM (SELECT d.*, d.id * 2 + each AS n FROM outreach_delivery d, generate_series(0, 1) AS each) d
    WHERE run_id = %(run)s AND state = 'accepted'
    """,
    f"""
    WITH theirs AS (SELECT * FROM outreach_event WHERE run_id = %(run)s AND verdict = 'human'), first AS ({KEEP_FIRST}),
    counted AS (
        SELECT run_id, delivery, at, channel, language, kind, verdict, link, 1 AS more FROM outreach_event
        WHERE run_id = %(run)s
    ), {SUMS}, {NAMED}, {CAME} {ADD_SUMS.format(slot=0, sums=ALL_SUMS, where="")}
    """,  # noqa: S608 -- put together from constants
    "VACUUM ANALYZE",
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
    begun = time.monotonic()
    check = check_what_came_back(check_ledger(campaign), campaign)
    recounted = time.monotonic() - begun
    found = report(campaign)
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
            "opened": found.tallies.events(EventKind.OPENED).as_json(),
            "clicked": found.tallies.events(EventKind.CLICKED).as_json(),
            "recount_s": round(recounted, 1),
            "equals_recount": check.counters_equal,
        },
    }
