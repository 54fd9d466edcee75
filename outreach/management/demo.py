"""`outreach demo`: an empty installation, real processes, one campaign over real sockets, and proof that it adds up.

This file makes the place and keeps the processes; what happens in it is `demo_road`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

import psycopg
from django.conf import settings
from django.db import connections

import outreach
from outreach.core.database import EmbeddedDatabase
from outreach.core.errors import Invalid, StateConflict
from outreach.core.supervise import Supervisor, die_with_parent

#: Set in the process that plays: its data folder, database and ports are its own.
PLACE: Final = "OUTREACH_DEMO_PLACE"
LEAST, MOST = 12, 200_000
LOOPBACK: Final = "127.0.0.1"
PORTS: Final = 8
#: Below the range from which systems choose ports for outgoing connections.
PORT_RANGE: Final = (15_000, 31_000)
STOP_SECONDS: Final = 25.0
GRACE: Final = 6.0
COUNT_TABLES: Final = (
    "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> ''"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subscribers", type=int, default=2000, metavar="N", help="how many people, 2000 by default")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def handle(args: argparse.Namespace) -> int:
    if not LEAST <= args.subscribers <= MOST:
        raise Invalid({"subscribers": [f"Choose {LEAST} to {MOST:,}."]})
    if os.environ.get(PLACE):
        return play(subscribers=args.subscribers, is_json=args.json)
    with _own_place() as environment:
        command = [sys.executable, "-P", "-m", "outreach.cli", "demo", "--subscribers", str(args.subscribers)]
        # Its output is ours; when we are killed, so is it, and with it everything that it started.
        player = subprocess.Popen(
            [*command, *(["--json"] if args.json else [])], env=environment, preexec_fn=die_with_parent(_TERMINATE)
        )
        return _wait(player)


def play(*, subscribers: int, is_json: bool) -> int:
    """Play the demonstration in this process's own place; 0 only if everything adds up."""
    from outreach.management.demo_road import Road, in_words  # noqa: PLC0415 -- slow import, not for who only waits
    from outreach.management.migrate import migrate  # noqa: PLC0415 -- slow import

    with ExitStack() as stack:
        out = stack.enter_context(_output_of_ours())
        if settings.DATABASE_URL:
            _refuse_tables(settings.DATABASE_URL)
            stack.callback(_drop_tables, settings.DATABASE_URL)
        else:
            # It is deleted at the end, so nothing has to outlive a power cut.
            stack.enter_context(EmbeddedDatabase(settings.DATA, durable=False))
        stack.callback(connections.close_all)
        migrate()
        stack.enter_context(_processes())
        road = Road(say=_no_words if is_json else partial(_say, out))
        result = road.travel(subscribers=subscribers)
        print(json.dumps(result, ensure_ascii=False) if is_json else in_words(result), file=out, flush=True)
    return 0 if result["counters_equal"] and not result["problems"] and not result["in_hand"] else 1


_TERMINATE: Final = signal.SIGTERM


def _wait(player: subprocess.Popen[bytes]) -> int:
    try:
        return player.wait()
    except BaseException:
        # Ctrl-C reached it as well: it stops its processes in order.
        player.terminate()
        with suppress(subprocess.TimeoutExpired):
            player.wait(STOP_SECONDS)
        player.kill()
        player.wait()
        raise


@contextmanager
def _own_place() -> Iterator[dict[str, str]]:
    """The environment of an installation that is nobody's: an empty folder, free ports, no broker but its own."""
    folder = Path(tempfile.mkdtemp(prefix="outreach-demo-"))
    port = free_ports()
    root = str(Path(outreach.__file__).resolve().parent.parent)
    ours = {
        PLACE: str(folder),
        "OUTREACH_DATA": str(folder),
        "OUTREACH_PORT": str(port),
        "OUTREACH_BASE_URL": f"http://{LOOPBACK}:{port}",
        "OUTREACH_SANDBOX": "true",
        "OUTREACH_SANDBOX_PORT": str(port + 1),
        "OUTREACH_SECRET_KEY": "",
        "BROKER_URL": "",
        "PYTHONPATH": os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OUTREACH_SECRET_KEY")}
    try:
        yield {**kept, **ours}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int = PORTS) -> int:
    """The first of `count` ports of loopback in a row that nobody uses now."""
    for _try in range(200):
        first = random.randrange(*PORT_RANGE)  # noqa: S311 -- no secret
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise StateConflict("There are no free ports on this machine.")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


@contextmanager
def _processes() -> Iterator[None]:
    """Web, worker, beat and sandbox, as `outreach run` starts them."""
    from outreach.management.run import programs  # noqa: PLC0415 -- slow import

    environment = {**os.environ, "OUTREACH_DATA": str(settings.DATA)}
    # Nobody sends notices here, and nothing is left to lose when the others are stopped.
    needed = [program for program in programs(has_sandbox=True) if "notices" not in program.name]
    hurried = [replace(program, grace=GRACE) for program in needed]
    supervisor = Supervisor(hurried, environment=environment)
    # The children die with the thread that started them, so it lives until they are stopped.
    keeper = threading.Thread(target=supervisor.run, name="supervisor")
    keeper.start()
    try:
        yield
    finally:
        supervisor.stop()
        keeper.join()


def _refuse_tables(url: str) -> None:
    with psycopg.connect(url) as link:
        row = link.execute(COUNT_TABLES).fetchone()
    if row is not None and row[0]:
        raise StateConflict("The database of DATABASE_URL holds tables already; the demonstration needs an empty one.")


def _drop_tables(url: str) -> None:
    """Leave the database as empty as it was."""
    connections.close_all()
    with psycopg.connect(url) as link:
        link.execute("DROP SCHEMA public CASCADE")
        link.execute("CREATE SCHEMA public")


@contextmanager
def _output_of_ours() -> Iterator[TextIO]:
    """Standard output for the result alone: what the processes say goes to standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        yield out


def _say(out: TextIO, text: str, facts: Mapping[str, Any] | None = None) -> None:
    told = [f"{key}={value}" for key, value in (facts or {}).items()]
    print(f"{time.strftime('%H:%M:%S')}  {text}", *told, file=out, flush=True)


def _no_words(_text: str, _facts: Mapping[str, Any] | None = None) -> None:
    return
