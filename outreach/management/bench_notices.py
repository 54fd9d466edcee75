"""How soon a notice reaches its mail server while a blast is under way: from before the POST to the server's reply."""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings

from outreach.campaigns.models import Run
from outreach.core.access import Actor
from outreach.core.errors import OutreachError
from outreach.core.vocabulary import CampaignState, Role
from outreach.delivery.accounts import create_account
from outreach.delivery.launch import start
from outreach.delivery.notice_templates import create_template
from outreach.management.bench_cost import database_cpu_seconds, our_cpu_seconds, peak_rss_mb
from outreach.management.bench_peer import free_port, sink, wait_for
from outreach.management.bench_send import wait_for_workers, workers
from outreach.management.bench_world import make_campaign, make_people
from outreach.management.token import make_token

#: Seconds that the last notice may take.
PATIENCE: Final = 60.0
#: Callers at once: enough that the rate does not wait for an answer.
CALLERS: Final = 4
BODY: Final = """# Здравейте!

Разрешение **{{ data.number }}** е готово. Вземете го до {{ data.until }} от гише 4.
"""


class BlastEnded(OutreachError):
    """The blast ended before the notices: name more deliveries."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deliveries", type=int, default=200_000, metavar="N", help="of the blast; 0 for none")
    parser.add_argument("--notices", type=int, default=200, metavar="M")
    parser.add_argument("--rate", type=float, default=8.0, help="notices a second")
    parser.add_argument("--workers", type=int, default=2, metavar="K", help="worker children of the blast")


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    with ExitStack() as stack:
        link = stack.enter_context(psycopg.connect(url, autocommit=True))
        actor, topic = make_people(link, args.deliveries)
        campaign = make_campaign(actor, topic, smtp=stack.enter_context(sink()))
        arrivals = stack.enter_context(_recorder(actor))
        token = make_token(actor.organisation, role=Role.PUBLISHER)
        stack.enter_context(workers(children=args.workers, also=("web",)))
        wait_for(settings.PORT)
        wait_for_workers()
        post(token, 0)  # what starts with the first call is not what is measured
        _wait(arrivals, 1)
        run = start(actor, campaign) if args.deliveries else None
        if run is not None:
            _wait_until_under_way(link, run)
        before, sent = (our_cpu_seconds(), database_cpu_seconds()), _accepted(link)
        begun = time.monotonic()
        asked = _post_all(token, count=args.notices, rate=args.rate)
        seconds = time.monotonic() - begun
        spent = our_cpu_seconds() - before[0], database_cpu_seconds() - before[1]
        sent = _accepted(link) - sent
        if run is not None and not _is_running(link, run):
            raise BlastEnded
        took = _wait(arrivals, args.notices + 1)
        memory = peak_rss_mb("outreach-worker")
    times = sorted(took[number] - asked[number] for number in asked)
    return {
        "what": "notices",
        "items": args.notices,
        "seconds": round(seconds, 3),
        "rate": round(args.notices / seconds, 1),
        "own_cpu_us": round(spent[0] / max(sent, 1) * 1e6, 1),
        "database_cpu_us": round(spent[1] / max(sent, 1) * 1e6, 1),
        "peak_rss_mb": max(memory.values(), default=0.0),
        "ratio": None,
        "settings": {
            "p50_ms": _percentile(times, 0.50),
            "p99_ms": _percentile(times, 0.99),
            "longest_ms": _percentile(times, 1.0),
            "blast": args.deliveries,
            "blast_rate": round(sent / seconds),
            "workers": args.workers,
            "cpu_is_of": "each message that left meanwhile, those of the blast too",
            "synchronous_commit": "on",
        },
    }


def post(token: str, number: int) -> float:
    """Send one notice over HTTP; the monotonic time just before the call."""
    body = {
        "to": {"channel": "email", "value": f"n{number}@example.org"},
        "template": "permit-ready",
        "data": {"number": f"№ {number}", "until": "30 юни"},
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    asked = time.monotonic()
    link = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=30)
    try:
        link.request("POST", "/api/v1/notices", json.dumps(body).encode(), headers)
        answer = link.getresponse()
        if answer.status != 202:
            raise OutreachError(f"a notice was answered with {answer.status}: {answer.read()[:300]!r}")
    finally:
        link.close()
    return asked


def _post_all(token: str, *, count: int, rate: float) -> dict[int, float]:
    """Post evenly, whatever an answer takes; number -> when it was asked for."""
    begun = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as callers:
        calls = {}
        for number in range(1, count + 1):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            calls[number] = callers.submit(post, token, number)
        return {number: call.result() for number, call in calls.items()}


@contextmanager
def _recorder(actor: Actor) -> Iterator[Path]:
    """The mail server of the notices, and a template that is sent through it; where it notes what it takes."""
    port = free_port()
    account = create_account(
        actor,
        adapter="smtp",
        name="Notices",
        settings={"host": "127.0.0.1", "port": str(port), "security": "none", "sender": "Услуги <notices@example.org>"},
        is_sandbox=True,
    )
    text = {"channel": "email", "language": "bg", "subject": "Разрешение {{ data.number }}", "body": BODY}
    basis = {"name": "Permit is ready", "lawful_basis": "public_task"}
    create_template(actor, {"slug": "permit-ready", **basis, "contents": [{**text, "account": str(account.pk)}]})
    with tempfile.NamedTemporaryFile("w", suffix=".arrivals") as file:
        command = [sys.executable, "-P", "-m", "outreach.management.bench_recorder", str(port)]
        process = subprocess.Popen(command, stdout=file)
        try:
            wait_for(port)
            yield Path(file.name)
        finally:
            process.kill()
            process.wait()


def _wait(arrivals: Path, count: int) -> dict[int, float]:
    """Number of a notice -> when it was taken, once `count` were."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while True:
        lines = [line.split() for line in arrivals.read_text().splitlines()]
        if len(lines) >= count:
            return {int(address.partition("@")[0][1:]): float(at) for address, at in lines}
        if time.monotonic() > deadline:
            raise OutreachError(f"{len(lines)} of {count} notices were taken within {PATIENCE:.0f} seconds")
        pause.wait(0.05)


def _wait_until_under_way(link: psycopg.Connection[Any], run: Run) -> None:
    deadline = time.monotonic() + PATIENCE
    while _accepted(link) < 2 and time.monotonic() < deadline and _is_running(link, run):
        time.sleep(0.1)


def _accepted(link: psycopg.Connection[Any]) -> int:
    row = link.execute("SELECT coalesce(sum(count), 0)::bigint FROM outreach_counter WHERE kind = 'minute'").fetchone()
    assert row is not None  # noqa: S101 -- an aggregate
    return int(row[0])


def _is_running(link: psycopg.Connection[Any], run: Run) -> bool:
    row = link.execute("SELECT state FROM outreach_run WHERE id = %s", [run.pk]).fetchone()
    return row is not None and row[0] == CampaignState.RUNNING


def _percentile(times: list[float], share: float) -> float:
    """In milliseconds; of the nearest rank."""
    return round(times[min(len(times) - 1, int(len(times) * share))] * 1e3, 1) if times else 0.0
