"""`outreach run`: everything on one machine, in the foreground: database, web, workers, beat, and the sandbox."""

from __future__ import annotations

import argparse
import importlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django.utils.translation import gettext as _

import outreach
from outreach.core.bytecode import keep_bytecode
from outreach.core.database import EmbeddedDatabase
from outreach.core.errors import StateConflict
from outreach.core.models import Account, Installation
from outreach.core.supervise import Program, Supervisor
from outreach.core.vocabulary import AccountState, Channel, Lane
from outreach.delivery.mail_fields import mailboxes_in
from outreach.management.migrate import migrate
from schedules.beat import UPKEEP

#: The sandbox stops after those who send to it.
LAST_STAGE = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--demonstration", action="store_true", help="load the demonstration on the first start")
    parser.add_argument("--subscribers", type=int, default=2000, help="of the demonstration")


def handle(args: argparse.Namespace) -> int:
    check_port(settings.HOST, settings.PORT)
    with _database() as tick:
        migrate()
        log_in = _load_demonstration(args.subscribers) if args.demonstration else ""
        has_sandbox = settings.SANDBOX or Installation.objects.filter(demonstration_at__isnull=False).exists()
        # The sandbox's own mailbox tells of nothing by itself.
        needed = programs(has_sandbox=has_sandbox, has_mailboxes=not has_sandbox and _has_mailboxes())
        connections.close_all()
        supervisor = Supervisor(needed, environment=_environment(has_sandbox), tick=_announcing(tick, log_in))
        supervisor.stop_on_signals()
        supervisor.run()
    return 0


def check_port(host: str, port: int) -> None:
    """Refuse to start where another program listens: a child that fails again and again says less.

    Raises:
        StateConflict: the port is taken.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        message = _("Cannot listen on port %(port)s of %(host)s: %(reason)s. Set OUTREACH_PORT.")
        raise StateConflict(message % {"port": port, "host": host, "reason": reason}) from error


def programs(*, has_sandbox: bool, has_mailboxes: bool = False) -> list[Program]:
    """What runs: notices have a worker of their own, so that none waits for a campaign, a fan-out or an import.

    With `has_mailboxes` those of accounts are watched, unless the settings say otherwise.
    """
    commands: dict[str, list[str]] = {
        "web": [],
        "worker": [f"--queues={Lane.CAMPAIGNS},{UPKEEP}", f"--concurrency={settings.WORKERS}"],
        "worker (notices)": [f"--queues={Lane.NOTICES}", "--concurrency=1"],
        "worker (upkeep)": [f"--queues={UPKEEP}", "--concurrency=1"],
        "beat": [],
    }
    is_watching = has_mailboxes if settings.MAIL_WATCH is None else settings.MAIL_WATCH
    if settings.MAIL_LISTEN or is_watching:
        commands["mail"] = []
    sandbox = [_program("sandbox", [], stage=LAST_STAGE, grace=3.0)] if has_sandbox else []
    return [*sandbox, *(_program(name, options) for name, options in commands.items())]


def _has_mailboxes() -> bool:
    accounts = Account.objects.filter(state=AccountState.ACTIVE, channel=Channel.EMAIL)
    return any(mailboxes_in(settings) for settings in accounts.values_list("settings", flat=True))


def _program(name: str, options: list[str], *, stage: int = 0, grace: float = 15.0) -> Program:
    process = f"outreach-{name.partition(' ')[0]}"
    command = [sys.executable, "-P", "-m", "outreach.cli", process, *options]
    return Program(name=name, command=command, stage=stage, grace=grace)


def _environment(has_sandbox: bool) -> dict[str, str]:  # noqa: FBT001 -- private, one caller
    root = str(Path(outreach.__file__).resolve().parent.parent)
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    ours = {"OUTREACH_DATA": str(settings.DATA), "OUTREACH_SANDBOX": str(has_sandbox), "PYTHONPATH": path}
    return {**os.environ, **ours, **keep_bytecode(settings.DATA / "bytecode")}


@contextmanager
def _database() -> Iterator[Callable[[], None]]:
    """Hold the database; yields what brings the embedded one back when it died."""
    if settings.DATABASE_URL:
        yield lambda: None
        return
    with EmbeddedDatabase(settings.DATA, with_parent=True) as embedded:
        yield embedded.ensure


def _load_demonstration(subscribers: int) -> str:
    # By name: loading it takes the whole product, which `outreach run` alone does not need.
    demonstration: Any = importlib.import_module("outreach.management.demonstration")
    demonstration.load(subscribers=subscribers)
    return str(getattr(demonstration, "LOG_IN", ""))


def _announcing(tick: Callable[[], None], log_in: str) -> Callable[[], None]:
    """`tick`, which also says once where to go, as soon as somebody listens there: people go there at once."""
    told: list[str] = []

    def look() -> None:
        tick()
        if not told and _is_listening():
            told.append(log_in)
            _announce(log_in)

    return look


def _is_listening() -> bool:
    try:
        socket.create_connection((settings.HOST, settings.PORT), timeout=1).close()
    except OSError:
        return False
    return True


def _announce(log_in: str) -> None:
    print(_("Outreach runs at %(url)s (Ctrl-C stops it)") % {"url": settings.BASE_URL}, flush=True)
    if log_in:
        print(log_in, flush=True)
