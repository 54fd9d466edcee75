"""`outreach doctor`: what is wrong with this installation, why it matters, and the remedy."""

from __future__ import annotations

import argparse
import json
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import kombu.exceptions
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError

from outreach.core import broker, clock
from outreach.core.database import running_database
from outreach.core.errors import OutreachError
from outreach.core.models import Installation
from outreach.core.queue import app

LEAST_VERSION: Final = 150000
#: Beat says each minute that it is alive.
SILENCE: Final = timedelta(minutes=3)
LEAST_DISK: Final = 1_000_000_000
MOST_SKEW: Final = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    #: `database`, `migrations`, `broker` ...
    check: str
    what: str
    why: str
    remedy: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def handle(args: argparse.Namespace) -> int:
    findings = examine()
    if args.json:
        print(json.dumps({"ok": not findings, "findings": [asdict(finding) for finding in findings]}))
    else:
        print("\n".join(_in_words(finding) for finding in findings) or "Nothing is wrong.")
    return 1 if findings else 0


def examine() -> list[Finding]:
    """Look at everything; what needs the database is only looked at when it answers."""
    findings = [finding for check in ON_THIS_MACHINE for finding in check()]
    try:
        with running_database(settings.DATA, url=settings.DATABASE_URL or None):
            findings += [finding for check in IN_THE_DATABASE for finding in check()]
            connection.close()
    except (OutreachError, DatabaseError) as error:
        findings.append(
            Finding(
                check="database",
                what=f"The database does not answer: {str(error).strip()}",
                why="Everything is kept there.",
                remedy="Check DATABASE_URL, or postgres.log in the data folder.",
            )
        )
    return findings


def _secret_key() -> Iterator[Finding]:
    path = settings.DATA / "secret_key"
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding(
            check="secret_key",
            what=f"Others on this machine may read {path}.",
            why="It signs log-ins and links and encrypts the credentials of accounts.",
            remedy=f"chmod 600 {path}",
        )


def _base_url() -> Iterator[Finding]:
    url = urlsplit(settings.BASE_URL)
    if url.scheme not in {"http", "https"} or not url.hostname:
        yield Finding(
            check="base_url",
            what=f"OUTREACH_BASE_URL is no address: {settings.BASE_URL}",
            why="Every link in a message starts with it.",
            remedy="Set OUTREACH_BASE_URL to https:// and your host name.",
        )
    elif url.scheme == "http" and url.hostname not in {"127.0.0.1", "localhost", "::1"}:
        yield Finding(
            check="base_url",
            what=f"OUTREACH_BASE_URL is not encrypted: {settings.BASE_URL}",
            why="Log-ins and personal links would cross the network in the clear.",
            remedy="Put a TLS proxy in front and set OUTREACH_BASE_URL to https://.",
        )


def _disk_space() -> Iterator[Finding]:
    free = shutil.disk_usage(settings.DATA if settings.DATA.exists() else settings.DATA.parent).free
    if free < LEAST_DISK:
        yield Finding(
            check="disk",
            what=f"Only {free // 1_000_000} MB are free below {settings.DATA}.",
            why="A database that cannot write stops.",
            remedy="Free some space, or move OUTREACH_DATA to a larger disk.",
        )


def _version() -> Iterator[Finding]:
    connection.ensure_connection()
    version = connection.cursor().connection.info.server_version
    if version < LEAST_VERSION:
        yield Finding(
            check="database_version",
            what=f"PostgreSQL is of version {version // 10000}.",
            why="Version 15 is the oldest we are tested with.",
            remedy="Upgrade the server, or unset DATABASE_URL for the embedded one.",
        )


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield Finding(
            check="migrations",
            what=f"{len(missing)} changes of the schema are missing.",
            why="This version of the program does not fit the database.",
            remedy="outreach migrate",
        )


def _clock() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        skew = abs(cursor.fetchone()[0] - clock.now())
    if skew > MOST_SKEW:
        yield Finding(
            check="clock",
            what=f"This machine's clock and the database's differ by {skew.total_seconds():.0f} s.",
            why="Schedules go by this machine's clock, the ledger by the database's.",
            remedy="Switch on time synchronisation (NTP) on both.",
        )


def _broker() -> Iterator[Finding]:
    try:
        with app.connection_for_write() as link:
            link.ensure_connection(max_retries=1, interval_start=0.1, timeout=5)
    except (kombu.exceptions.OperationalError, OSError, *broker.Transport.connection_errors) as error:
        yield Finding(
            check="broker",
            what=f"The broker does not answer: {error}",
            why="Workers learn from it at once that there is work; without it nothing moves.",
            remedy="Check BROKER_URL, or unset it for the embedded broker.",
        )


def _given_up() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('broker.message') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return
        cursor.execute("SELECT count(*) FROM broker.message WHERE deliveries >= %s", [broker.MOST_DELIVERIES])
        number = cursor.fetchone()[0]
    if number:
        yield Finding(
            check="given_up",
            what=f"{number} pieces of work were started {broker.MOST_DELIVERIES} times and never ended.",
            why="Something in them stops the worker.",
            remedy="Look for the reason in the worker's log; DELETE FROM broker.message removes them.",
        )


def _beat() -> Iterator[Finding]:
    if "outreach_installation" not in connection.introspection.table_names():
        return
    alive_at = Installation.objects.values_list("alive_at", flat=True).first()
    if alive_at is None or clock.now() - alive_at > SILENCE:
        yield Finding(
            check="beat",
            what="Beat or the worker is not running: "
            + (f"last seen at {alive_at:%F %T} UTC." if alive_at else "never seen."),
            why="Nothing that is due starts by itself.",
            remedy="Start `outreach run`, or `outreach beat` and `outreach worker`.",
        )


Check = Callable[[], Iterator[Finding]]
ON_THIS_MACHINE: Final[tuple[Check, ...]] = (_secret_key, _base_url, _disk_space)
IN_THE_DATABASE: Final[tuple[Check, ...]] = (_version, _migrations, _clock, _broker, _given_up, _beat)


def _in_words(finding: Finding) -> str:
    return f"{finding.what}\n  {finding.why}\n  Remedy: {finding.remedy}"
