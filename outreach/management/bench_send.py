"""How fast a whole blast leaves: planned, fanned out and sent by real workers over a real SMTP connection."""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final

import psycopg
from django.conf import settings

from outreach.campaigns.models import Run
from outreach.core.errors import OutreachError
from outreach.core.supervise import Supervisor
from outreach.core.vocabulary import CampaignState
from outreach.delivery.launch import start
from outreach.management.bench_cost import database_cpu_seconds, our_cpu_seconds, peak_rss_mb
from outreach.management.bench_peer import best_source_rate, parse_peer, sink
from outreach.management.bench_world import fresh_dkim_settings, make_campaign, make_people
from outreach.management.run import programs

#: Seconds between two looks at the run.
LOOK: Final = 0.25
#: Seconds without any progress after which something is wrong.
PATIENCE: Final = 60.0
#: Payload of the messages that the mark is set with.
OCTETS: Final = 4096
TIMES: Final = """
SELECT count(*) FILTER (WHERE state = 'accepted'), count(*) FILTER (WHERE uncertain),
    extract(epoch FROM min(settled_at) FILTER (WHERE state = 'accepted'))::float8,
    extract(epoch FROM max(settled_at) FILTER (WHERE state = 'accepted'))::float8
FROM outreach_delivery WHERE run_id = %s
"""
#: What the ledger's rows and their indexes take on the disk.
SIZE: Final = """
SELECT sum(pg_total_relation_size(inhrelid))::float8 FROM pg_inherits WHERE inhparent = 'outreach_delivery'::regclass
"""


class BenchStuck(OutreachError):
    """Nothing moved for a long time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deliveries", type=int, default=100_000, metavar="N")
    parser.add_argument("--smtp", default="", metavar="HOST:PORT", help="a peer on loopback; ours when left out")
    parser.add_argument("--workers", type=int, default=2, metavar="K", help="worker children")
    parser.add_argument("--hosts", type=int, default=1, help="worker parents, as stand-ins for hosts")
    parser.add_argument("--dkim", action="store_true", help="sign with fresh RSA-2048 and Ed25519 keys")


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    with ExitStack() as stack:
        peer = parse_peer(args.smtp) if args.smtp else stack.enter_context(sink())
        mark, marks = best_source_rate(peer, octets=OCTETS, count=min(20_000, max(2_000, args.deliveries)))
        link = stack.enter_context(psycopg.connect(url, autocommit=True))
        actor, topic = make_people(link, args.deliveries)
        campaign = make_campaign(actor, topic, smtp=peer, dkim=fresh_dkim_settings() if args.dkim else None)
        stack.enter_context(workers(children=args.workers, parents=args.hosts))
        wait_for_workers()
        before = our_cpu_seconds(), database_cpu_seconds()
        begun = float(link.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()[0])  # type: ignore[index]
        run = start(actor, campaign)
        _finish(link, run)
        spent = our_cpu_seconds() - before[0], database_cpu_seconds() - before[1]
        row = link.execute(TIMES, [run.pk]).fetchone()
        assert row is not None  # noqa: S101 -- an aggregate
        accepted, uncertain, first, last = row
        octets = float(link.execute(SIZE).fetchone()[0])  # type: ignore[index]  # an aggregate
        run.refresh_from_db()
        memory = peak_rss_mb("outreach-worker")
        rate = accepted / max(last - first, 0.001)
        return {
            "what": "send",
            "items": accepted,
            "seconds": round(last - first, 3),
            "rate": round(rate),
            "own_cpu_us": round(spent[0] / accepted * 1e6, 1),
            "database_cpu_us": round(spent[1] / accepted * 1e6, 1),
            "peak_rss_mb": max(memory.values(), default=0.0),
            "ratio": round(rate / mark, 3) if mark else None,
            "settings": {
                "workers": args.workers,
                "hosts": args.hosts,
                "dkim": args.dkim,
                "audience": run.audience_count,
                "uncertain": uncertain,
                "from_start_to_first_s": round(first - begun, 3),
                "from_start_to_last_s": round(last - begun, 3),
                "smtp_source_rate": mark if mark else "smtp-source is not installed (Debian: postfix)",
                "smtp_source_by_sessions": marks,
                "rss_mb": sorted(memory.values()),
                "octets_a_delivery_on_disk": round(octets / run.audience_count),
                "synchronous_commit": "on",
            },
        }


@contextmanager
def workers(*, children: int, parents: int = 1, also: Sequence[str] = ()) -> Iterator[None]:
    """Worker parents, the workers of notices and upkeep, and beat, as `outreach run` starts them."""
    found = {program.name: program for program in programs(has_sandbox=False)}
    kept = [option for option in found["worker"].command if not option.startswith("--concurrency")]
    each = max(1, children // parents)
    hosts = [
        replace(found["worker"], name=f"worker {number}", command=[*kept, f"--concurrency={each}"], grace=6.0)
        for number in range(parents)
    ]
    others = [replace(found[name], grace=6.0) for name in ("worker (notices)", "worker (upkeep)", "beat", *also)]
    environment = {**os.environ, "OUTREACH_DATA": str(settings.DATA), "OUTREACH_WORKERS": str(children)}
    supervisor = Supervisor([*hosts, *others], environment=environment)
    keeper = threading.Thread(target=supervisor.run, name="supervisor")
    keeper.start()
    try:
        yield
    finally:
        supervisor.stop()
        keeper.join()


def wait_for_workers() -> None:
    """Wait until the processes that were started are at rest: what they do to start is not what is measured."""
    deadline, last = time.monotonic() + 60, -1.0
    while time.monotonic() < deadline:
        spent = our_cpu_seconds()
        if last >= 0 and spent - last < 0.05:
            return
        last = spent
        time.sleep(1.0)


def _finish(link: psycopg.Connection[Any], run: Run) -> None:
    """Wait for the run's end.

    Raises:
        BenchStuck: nothing moved for long.
    """
    moved_at, count = time.monotonic(), -1
    while True:
        row = link.execute(
            "SELECT state, (SELECT count(*) FROM outreach_batch b WHERE b.run_id = r.id AND b.state = 'done')"
            " FROM outreach_run r WHERE id = %s",
            [run.pk],
        ).fetchone()
        assert row is not None  # noqa: S101 -- the run is there
        if row[0] == CampaignState.FINISHED:
            return
        if row[1] != count:
            moved_at, count = time.monotonic(), row[1]
        elif time.monotonic() - moved_at > PATIENCE:
            raise BenchStuck(f"the run is {row[0]}, and nothing moved for {PATIENCE:.0f} seconds")
        time.sleep(LOOK)
