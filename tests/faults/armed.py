"""Worker processes with a failpoint armed, forked from one that has loaded the product already: 30 ms each, not 2 s.

`python -m tests.faults.armed DATABASE` reads commands from its standard input, a line of JSON each, and answers each
with one: `{"verb": ..., "run": ..., "failpoint": ...}` forks a process and says its id; `{"poll": PID}` says what
became of it: null while it runs, else "stopped", "killed", or its exit code.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from outreach.delivery.engine import Door

ROOT: Final = Path(__file__).resolve().parents[2]
WINDOW: Final = 50
#: Exit codes.
DONE, NOT_REACHED, BROKE = 0, 3, 4


# --- the tests' side ---


class Workers:
    """Forks worker processes on the tests' database; a context manager."""

    def __init__(self, database: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.armed", database],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # its standard input ends, and so does it

    def start(self, verb: str, run: int, failpoint: str = "") -> int:
        """Fork a process that does one verb of VERBS; its id."""
        return int(self._ask(verb=verb, run=run, failpoint=failpoint))

    def poll(self, pid: int) -> str | int | None:
        """What became of it: None while it runs, "stopped", "killed", or its exit code."""
        answer: str | int | None = self._ask(poll=pid)
        return answer

    def _ask(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


# --- the processes' side ---


def work(_: int) -> None:
    from outreach.delivery import engine

    engine.work("campaigns", door=door())


def door() -> Door:
    """The real one, with small windows."""
    from dataclasses import replace

    from outreach.delivery.adapters import capabilities
    from outreach.delivery.door import real_door

    return replace(real_door(), capabilities=lambda adapter: replace(capabilities(adapter), window=WINDOW))


def work_shut_out(_: int) -> None:
    """As where an adapter cannot even begin: its session does not open."""
    from dataclasses import replace

    from channels.base import Session, TemporaryFailure
    from outreach.delivery import engine

    def refuse(_: int) -> Session:
        raise TemporaryFailure("Nobody answers.")

    engine.work("campaigns", door=replace(door(), open_session=refuse))


def fan_out(run: int) -> None:
    from outreach.delivery import fanout

    fanout.fan_out(run, size=fanout.Size(chunk=100, batch=100))


def sweep(_: int) -> None:
    from outreach.delivery.sweep import sweep

    sweep()


def pause(run: int) -> None:
    from outreach.delivery.runs import pause_run

    pause_run(run)


def learn(run: int) -> None:
    """Evidence of the provider for everything that nobody knows about."""
    from outreach.delivery.evidence import append_evidence
    from outreach.delivery.models import Delivery

    for id_ in Delivery.objects.filter(run=run, state="unknown").values_list("id", flat=True).order_by("id"):
        append_evidence(run, id_, kind="accepted")


def tell(_: int) -> None:
    """The minute's look for digests, which takes three turns for the stage's people."""
    from outreach.delivery import digests

    setattr(digests, "MOST", 100)  # noqa: B010 -- a constant, but for this test
    digests.send_digests()


def carry_on(run: int) -> None:
    """What beat and the workers do again and again."""
    fan_out(run)
    sweep(run)
    work(run)


VERBS: Final[dict[str, Callable[[int], None]]] = {
    verb.__name__: verb for verb in (work, work_shut_out, fan_out, sweep, pause, learn, tell, carry_on)
}


def do(verb: str, run: int, failpoint: str) -> int:
    """One verb in this very process; the exit code."""
    import psycopg
    from django.db import OperationalError

    from outreach.core import failpoints

    random.seed()
    failpoints.arm(failpoint)
    try:
        VERBS[verb](run)
    except (psycopg.OperationalError, OperationalError):
        if not failpoints.has_acted():
            traceback.print_exc()
            return BROKE
    except Exception:
        traceback.print_exc()
        return BROKE
    return DONE if not failpoint or failpoints.has_acted() else NOT_REACHED


def fork(verb: str, run: int, failpoint: str) -> int:
    pid = os.fork()
    if pid == 0:
        code = BROKE
        try:
            os.dup2(2, 1)
            code = do(verb, run, failpoint)
        finally:
            os._exit(code)
    return pid


def poll(pid: int) -> str | int | None:
    found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
    if found == 0:
        return None
    if os.WIFSTOPPED(status):
        return "stopped"
    return "killed" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL else os.WEXITSTATUS(status)


def serve() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        answer = poll(command["poll"]) if "poll" in command else fork(**command)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def prepare(database: str) -> None:
    """Load everything that a worker uses, and open no connection."""
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from outreach import tasks  # noqa: F401 -- loads the whole product
    from outreach.core import queue
    from tests.faults import sockets

    sockets.install()
    setattr(queue, "_publish", lambda *_: None)  # noqa: B010 -- no broker: the harness carries on itself


if __name__ == "__main__":
    prepare(sys.argv[1])
    serve()
