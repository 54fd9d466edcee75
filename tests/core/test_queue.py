from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import transaction

from outreach.core import broker, queue
from outreach.core.vocabulary import Lane
from schedules.beat import BEAT
from tests.brokers import BROKERS, why_absent

ROOT = Path(__file__).resolve().parents[2]

#: A worker of the real app with two tasks: one leaves its mark, one dies once in the middle.
WORKER = """
import os, signal, sys, time
import django
django.setup()
from outreach.core.queue import app, is_stopping
folder = sys.argv[1]

@app.task(name="test.mark")
def mark(name):
    open(os.path.join(folder, name), "a").write("x")

@app.task(name="test.die_once")
def die_once(name):
    mark(name)
    if os.path.getsize(os.path.join(folder, name)) == 1:
        os.kill(os.getpid(), signal.SIGKILL)

@app.task(name="test.until_told_to_stop")
def until_told_to_stop(name):
    mark(name)
    while not is_stopping():
        time.sleep(0.02)
    mark(name)

app.worker_main(["--quiet", "worker", "-Q", "notices,campaigns,upkeep", "-c", "2", "-P", "prefork", "-l", "ERROR",
                 "--without-gossip", "--without-mingle", "--without-heartbeat"])
"""


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def seen(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def wait_for(claim: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@contextmanager
def running_worker(marks: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(marks)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CELERY_SKIP_CHECKS": "1", **environment},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_listening(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def sending_to(url: str) -> Iterator[None]:
    before, queue.app = queue.app, queue.make_app(url)
    try:
        yield
    finally:
        queue.app.close()
        queue.app = before
        before.set_current()


@pytest.fixture
def own_database(data_folder: Path) -> Iterator[dict[str, str]]:
    """An installation's environment with a database of its own, which survives the tests' one."""
    from outreach.core.database import EmbeddedDatabase

    with EmbeddedDatabase(data_folder, durable=False) as embedded:
        yield {"OUTREACH_DATA": str(data_folder), "DATABASE_URL": embedded.url}


@pytest.fixture
def embedded(own_database: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    conninfo = psycopg.conninfo.conninfo_to_dict(own_database["DATABASE_URL"])
    monkeypatch.setitem(queue.TRANSPORT_OPTIONS, "outreach", {"conninfo": conninfo})
    return own_database


def test_tasks_run_once_and_a_killed_process_loses_none(marks: Path, embedded: dict[str, str]) -> None:
    with sending_to(broker.URL), running_worker(marks, **embedded):
        for number in range(20):
            queue._publish("test.mark", (f"n{number:02}",), Lane.CAMPAIGNS)
        queue._publish("test.die_once", ("victim",), Lane.NOTICES)
        wait_for(lambda: seen(marks).get("victim") == 2 and len(seen(marks)) == 21)

    assert seen(marks) == {**{f"n{number:02}": 1 for number in range(20)}, "victim": 2}


def test_told_to_stop_long_tasks_end_and_the_worker_with_them(marks: Path, embedded: dict[str, str]) -> None:
    with sending_to(broker.URL), running_worker(marks, **embedded) as worker:
        queue._publish("test.until_told_to_stop", ("long",), Lane.CAMPAIGNS)
        wait_for(lambda: seen(marks) == {"long": 1})
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(30)

    assert (code, seen(marks)) == (0, {"long": 2})


def test_publishing_outlives_a_restart_of_the_database(embedded: dict[str, str]) -> None:
    """By a producer that is kept, as beat keeps one, and by the pool, as the web process does."""
    with (
        sending_to(broker.URL),
        queue.app.connection_for_write() as kept,
        psycopg.connect(embedded["DATABASE_URL"], autocommit=True) as link,
    ):
        producer = queue.app.amqp.Producer(kept, auto_declare=False)
        for _ in range(2):
            queue._publish("test.mark", ("pool",), Lane.NOTICES)
            queue.app.send_task("test.mark", args=("kept",), producer=producer, queue="upkeep")
            link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        sent = link.execute("SELECT queue, count(*) FROM broker.message GROUP BY queue ORDER BY queue").fetchall()

    assert sent == [("notices", 2), ("upkeep", 2)]


@pytest.mark.parametrize("name", BROKERS)
def test_another_broker_loses_no_task_of_a_killed_process_either(
    name: str, marks: Path, own_database: dict[str, str], tmp_path: Path
) -> None:
    if reason := why_absent(name):
        pytest.skip(reason)
    with (
        BROKERS[name](tmp_path) as url,
        sending_to(url),
        running_worker(marks, **own_database, BROKER_URL=url),
    ):
        for number in range(5):
            queue._publish("test.mark", (f"n{number}",), Lane.CAMPAIGNS)
        queue._publish("test.die_once", ("victim",), Lane.NOTICES)
        wait_for(lambda: seen(marks).get("victim") == 2 and len(seen(marks)) == 6)

    assert seen(marks) == {**{f"n{number}": 1 for number in range(5)}, "victim": 2}


@pytest.mark.django_db(transaction=True)
def test_enqueue_waits_for_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(queue, "_publish", lambda *message: sent.append(message))

    with transaction.atomic():
        queue.enqueue("outreach.sweep", 7, lane=Lane.NOTICES)
        before = list(sent)

    assert (before, sent) == ([], [("outreach.sweep", (7,), "notices")])


def test_broker_that_is_away_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture, free_port: int) -> None:
    with sending_to(f"redis://127.0.0.1:{free_port}/0"):
        queue._publish("outreach.sweep", (), Lane.NOTICES)

    assert [record.action for record in caplog.records if record.name == queue.__name__] == ["enqueue"]  # type: ignore[attr-defined]


def test_beat_table_is_the_schedule() -> None:
    schedule = queue.app.conf.beat_schedule

    assert {name: entry["schedule"] for name, entry in schedule.items()} == {
        entry.task: entry.seconds for entry in BEAT
    }
    assert {entry["options"]["queue"] for entry in schedule.values()} <= set(queue.LANES)
    assert settings.BROKER_URL == ""
