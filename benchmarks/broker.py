"""The embedded broker beside its limits: how soon an idle worker starts, how many tasks a second, what SIGKILL costs.

The limits are those of docs/adr/0002-embedded-broker.md. Everything runs on a database of its own, durable as in
production, with one real worker of two prefork processes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg

ROOT = Path(__file__).resolve().parent.parent
MOST_IDLE_MS: Final = 50.0
LEAST_RATE: Final = 200.0
KILLS: Final = 5

WORKER = """
import django, psycopg, time
django.setup()
from outreach.core import broker
broker.LEASE_SECONDS = 3.0
from outreach.core.queue import app, database_conninfo
links = {}

def link():
    import os
    if os.getpid() not in links:
        links[os.getpid()] = psycopg.connect(**database_conninfo(), autocommit=True)
        links[os.getpid()].execute("SET synchronous_commit = off")
    return links[os.getpid()]

@app.task(name="bench.note")
def note(number):
    link().execute("INSERT INTO bench_noted VALUES (%s, clock_timestamp())", [number])

app.worker_main(["--quiet", "worker", "-Q", "notices,campaigns,upkeep", "-c", "2", "-P", "prefork", "-l", "CRITICAL",
                 "--without-gossip", "--without-mingle", "--without-heartbeat"])
"""


class Bench:
    """A worker over the broker, and what it noted."""

    def __init__(self, url: str) -> None:
        from outreach.core.queue import app  # noqa: PLC0415 -- reads the environment set in main

        self.app = app
        self.link = psycopg.connect(url, autocommit=True)
        self.link.execute("CREATE TABLE bench_noted (number integer, at timestamptz)")
        self.worker = self._start()

    def send(self, number: int) -> None:
        self.app.send_task("bench.note", args=[number], queue="campaigns")

    def noted(self) -> int:
        return self._ask("SELECT count(DISTINCT number) FROM bench_noted")

    def waiting(self) -> int:
        return self._ask("SELECT count(*) FROM broker.message")

    def kill_and_start_again(self) -> None:
        self.stop()
        self.worker = self._start()

    def stop(self) -> None:
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()

    def clear(self) -> None:
        self.link.execute("TRUNCATE bench_noted")

    def _ask(self, question: str) -> int:
        row = self.link.execute(question.encode()).fetchone()
        return int(row[0]) if row else 0

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-W", "ignore", "-c", WORKER], start_new_session=True)


def main() -> int:
    data = Path(tempfile.mkdtemp(prefix="outreach-bench-"))
    os.environ.update(
        DJANGO_SETTINGS_MODULE="outreach.settings",
        OUTREACH_DATA=str(data),
        DATABASE_URL="",
        BROKER_URL="",
        PYTHONPATH=str(ROOT),
        CELERY_SKIP_CHECKS="1",
    )
    import django  # noqa: PLC0415 -- reads the environment set in main

    django.setup()
    from outreach.core.database import EmbeddedDatabase  # noqa: PLC0415 -- reads the environment set in main

    try:
        with EmbeddedDatabase(data) as embedded:
            figures = measure(embedded.url)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    print(json.dumps(figures, indent=1))
    holds = figures["idle_p50_ms"] <= MOST_IDLE_MS and figures["tasks_per_second"] >= LEAST_RATE and not figures["lost"]
    return 0 if holds else 1


def measure(url: str) -> dict[str, float]:
    bench = Bench(url)
    try:
        bench.send(0)
        _wait(lambda: bench.noted() == 1)
        return {**idle_latency(bench), **throughput(bench), **killed(bench)}
    finally:
        bench.stop()
        bench.link.close()


def idle_latency(bench: Bench, *, count: int = 60) -> dict[str, float]:
    """From before the publication to the task's own note, on a worker that has nothing else to do."""
    latencies = []
    for number in range(1, count + 1):
        sent_at = time.time()
        bench.send(number)
        _wait(lambda number=number: bench.noted() == number + 1)  # type: ignore[misc]
        row = bench.link.execute(
            "SELECT extract(epoch FROM at) FROM bench_noted WHERE number = %s", [number]
        ).fetchone()
        latencies.append((float(row[0]) - sent_at) * 1000 if row else 0.0)
    ordered = sorted(latencies)
    return {
        "idle_p50_ms": round(statistics.median(ordered), 1),
        "idle_p95_ms": round(ordered[int(count * 0.95)], 1),
        "idle_limit_ms": MOST_IDLE_MS,
    }


def throughput(bench: Bench, *, count: int = 2000) -> dict[str, float]:
    """Tasks published one by one, durably, while the worker takes them."""
    bench.clear()
    begin = time.monotonic()
    for number in range(count):
        bench.send(number)
    published = time.monotonic() - begin
    _wait(lambda: bench.noted() == count)
    return {
        "published_per_second": round(count / published),
        "tasks_per_second": round(count / (time.monotonic() - begin)),
        "rate_limit": LEAST_RATE,
    }


def killed(bench: Bench, *, count: int = 2000) -> dict[str, float]:
    """The worker and its processes are killed again and again under load; every task has to be noted in the end."""
    bench.clear()
    for number in range(count):
        bench.send(number)
    for kill in range(1, KILLS + 1):
        _wait(lambda kill=kill: bench.noted() >= count * kill // (KILLS + 2))  # type: ignore[misc]
        bench.kill_and_start_again()
    _wait(lambda: bench.waiting() == 0)
    row = bench.link.execute("SELECT count(*) FROM bench_noted").fetchone()
    noted = bench.noted()
    return {"kills": KILLS, "sent": count, "lost": count - noted, "doubled": (row[0] if row else 0) - noted}


def _wait(claim: Callable[[], bool], *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            raise TimeoutError("the worker did not get there")
        time.sleep(0.001)


if __name__ == "__main__":
    sys.exit(main())
