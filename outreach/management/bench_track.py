"""How many pictures and clicks a second are answered, each durable before its answer, beside who asks for them."""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any, Final

import psutil
import psycopg
from django.conf import settings

from outreach.campaigns.models import Run
from outreach.core.database import EmbeddedDatabase
from outreach.core.errors import StateConflict
from outreach.core.vocabulary import Language
from outreach.delivery import tokens
from outreach.delivery.fanout import fan_out
from outreach.delivery.launch import start
from outreach.delivery.links import links_of
from outreach.delivery.tokens import Token, TokenKind
from outreach.management.bench_cost import cpu_seconds, database_cpu_seconds, peak_rss_mb
from outreach.management.bench_peer import free_port, served
from outreach.management.bench_readers import Answers, Load, answer_at_once
from outreach.management.bench_world import make_campaign, make_people

#: Asked for: the least rate, and the longest median of an answer.
LEAST_RATE: Final = 6_000
LONGEST_MEDIAN_MS: Final = 10.0
#: Seconds in which caches fill, and in which the players are measured alone.
WARM_UP: Final = 2.0
#: Seconds within which the journal has to come back.
PATIENCE: Final = 60.0
PEOPLE: Final = 2_000
#: Of a picture.
OCTETS: Final = 42
#: Pictures asked for, for each click.
OPENS_FOR_A_CLICK: Final = 3
#: What browsers send; nobody's request for a picture is shorter.
HEADERS: Final = (
    "host: 127.0.0.1",
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "accept-language: bg,en-US;q=0.7,en;q=0.3",
    "accept-encoding: gzip, deflate, br",
    "sec-fetch-site: cross-site",
)
#: Events, distinct events of the journal's kind, and the sum of the counters.
ROWS: Final = """
SELECT (SELECT count(*) FROM outreach_event WHERE run_id = %(run)s),
    (SELECT coalesce(sum(count), 0)::bigint FROM outreach_counter WHERE run_id = %(run)s AND kind = 'event')
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S")
    parser.add_argument("--connections", type=int, default=50, metavar="N")
    parser.add_argument("--individual", action="store_true", help="tokens that name people who agreed to be measured")
    parser.add_argument("--kill", action="store_true", help="kill PostgreSQL in the middle")


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    with ExitStack() as stack:
        database = stack.enter_context(EmbeddedDatabase(settings.DATA, with_parent=True)) if args.kill else None
        if database and settings.DATABASE_URL:
            raise StateConflict("--kill needs the embedded database: unset DATABASE_URL.")
        run = _sent_run(url, is_individual=args.individual)
        asked = _requests(run, is_individual=args.individual)
        alone = _play_alone(args.connections, asked)
        port = free_port()
        server = stack.enter_context(served("track", port))
        warm = _play(port, asked, seconds=WARM_UP, connections=args.connections)
        before = cpu_seconds(server), database_cpu_seconds()
        with ThreadPoolExecutor(1) as aside:
            playing = aside.submit(_play, port, asked, seconds=args.seconds, connections=args.connections)
            if database:
                # In this thread: a server that is to end with its parent ends with the thread that started it.
                time.sleep(args.seconds / 2)
                _kill(database)
            found = playing.result()
        spent = cpu_seconds(server) - before[0], database_cpu_seconds() - before[1]
        memory = peak_rss_mb("outreach-track")
        rows, counted = _rows(url, run, wanted=warm.answers + found.answers)
    answered = warm.answers + found.answers
    rate = found.answers / max(found.seconds, 0.001)
    is_exact = rows == counted == answered and not warm.lost + found.lost
    return {
        "what": "track",
        "items": found.answers,
        "seconds": found.seconds,
        "rate": round(rate),
        "p50_ms": found.p50_ms,
        "p99_ms": found.p99_ms,
        "own_cpu_us": round(spent[0] / max(1, found.answers) * 1e6, 1),
        "database_cpu_us": None if args.kill else round(spent[1] / max(1, found.answers) * 1e6, 1),
        "peak_rss_mb": max(memory.values(), default=0.0),
        "ratio": None,
        "settings": {
            "connections": args.connections,
            "tracking": "individual" if args.individual else "aggregate",
            "killed": args.kill,
            "answers": answered,
            "rows": rows,
            "counted": counted,
            "lost": warm.lost + found.lost,
            "statuses": found.statuses,
            "longest_ms": found.longest_ms,
            "players_cpu_us": found.cpu_us,
            "players_alone_rate": round(alone.answers / max(alone.seconds, 0.001)),
            "synchronous_commit": "on",
        },
        "holds": is_exact and (args.kill or (rate >= LEAST_RATE and found.p50_ms < LONGEST_MEDIAN_MS)),
    }


def _sent_run(url: str, *, is_individual: bool) -> Run:
    with psycopg.connect(url, autocommit=True) as link:
        actor, topic = make_people(link, PEOPLE)
        if is_individual:
            link.execute("UPDATE outreach_subscriber SET is_measured = true")
        run = start(actor, make_campaign(actor, topic, smtp=("127.0.0.1", 9)))
        fan_out(run.pk)
        link.execute("UPDATE outreach_delivery SET state = 'accepted' WHERE state = 'planned'")
    return run


def _requests(run: Run, *, is_individual: bool) -> list[str]:
    """Pictures and clicks of every message, or, in aggregate, of every content."""
    ids = [0] * 100
    if is_individual:
        with psycopg.connect(settings.DATABASE_URL or EmbeddedDatabase(settings.DATA).url) as link:
            query = "SELECT id FROM outreach_delivery WHERE run_id = %s AND state = 'accepted'"
            ids = [id_ for (id_,) in link.execute(query, [run.pk])]
    positions = sorted({link.position for link in links_of(run)})
    asked = []
    for number, delivery in enumerate(ids):
        common = {"run": run.pk, "delivery": delivery, "language": Language.BULGARIAN.value}
        asked += [f"/o/{tokens.make(Token(kind=TokenKind.OPEN, **common))}"] * OPENS_FOR_A_CLICK  # type: ignore[arg-type]  # plain values
        link_token = Token(kind=TokenKind.CLICK, link=positions[number % len(positions)], **common)  # type: ignore[arg-type]  # plain values
        asked.append(f"/c/{tokens.make(link_token)}")
    return ["\r\n".join([f"GET {path} HTTP/1.1", *HEADERS, "", ""]) for path in asked]


def _play(port: int, asked: Sequence[str], *, seconds: float, connections: int) -> Answers:
    load = Load(port=port, seconds=seconds, connections=connections, requests=list(asked))
    command = [sys.executable, "-P", "-m", "outreach.management.bench_readers"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), stdout=subprocess.PIPE, text=True, check=True)
    return Answers(**json.loads(done.stdout))


def _play_alone(connections: int, asked: Sequence[str]) -> Answers:
    """The players against a server that does nothing: what they could ask for, at most."""
    with socket.create_server(("127.0.0.1", 0), backlog=connections) as door:
        answering = threading.Thread(
            target=lambda: answer_at_once([door.accept()[0] for _ in range(connections)], bytes(OCTETS)), daemon=True
        )
        answering.start()
        found = _play(door.getsockname()[1], asked, seconds=WARM_UP, connections=connections)
        answering.join()
    return found


def _kill(database: EmbeddedDatabase) -> None:
    """All of the server at once, as a power cut leaves it; then start it again."""
    pid = database.cluster.pid()
    if pid is None:
        return
    postmaster = psutil.Process(pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes)  # a zombie of ours would still own the lock file
    time.sleep(1.0)  # events have to wait somewhere meanwhile
    while not database.is_running():
        database.ensure()
        time.sleep(0.1)


def _rows(url: str, run: Run, *, wanted: int) -> tuple[int, int]:
    """Events written and events counted, as soon as there are so many and the journal is empty."""
    until = time.monotonic() + PATIENCE
    while True:
        with psycopg.connect(url) as link:
            row = link.execute(ROWS, {"run": run.pk}).fetchone()
        assert row is not None  # noqa: S101 -- two aggregates
        if row[0] >= wanted or time.monotonic() > until:
            return int(row[0]), int(row[1])
        time.sleep(0.2)
