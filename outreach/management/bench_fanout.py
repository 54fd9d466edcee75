"""How fast an audience becomes rows: consent, addresses and suppression looked up, on one connection."""

from __future__ import annotations

import argparse
import time
from typing import Any

import psycopg

from outreach.delivery.fanout import fan_out
from outreach.delivery.launch import start
from outreach.management.bench_cost import database_cpu_seconds, our_cpu_seconds
from outreach.management.bench_world import make_campaign, make_people


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subscribers", type=int, default=200_000, metavar="N")


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as link:
        actor, topic = make_people(link, args.subscribers)
    run = start(actor, make_campaign(actor, topic, smtp=("127.0.0.1", 9)))
    before, begun = (our_cpu_seconds(), database_cpu_seconds()), time.monotonic()
    fan_out(run.pk)
    seconds = time.monotonic() - begun
    run.refresh_from_db()
    rows = run.audience_count
    return {
        "what": "fanout",
        "items": rows,
        "seconds": round(seconds, 3),
        "rate": round(rows / seconds),
        "own_cpu_us": round((our_cpu_seconds() - before[0]) / rows * 1e6, 2),
        "database_cpu_us": round((database_cpu_seconds() - before[1]) / rows * 1e6, 2),
        "ratio": None,
        "settings": {"connections": 1, "audience": "one topic, one address in 200 suppressed"},
    }
