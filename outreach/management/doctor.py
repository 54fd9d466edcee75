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
from django.db.models import Count, Min
from django.db.utils import DatabaseError
from django.utils.translation import gettext as _

from outreach.core import broker, clock
from outreach.core.database import running_database
from outreach.core.errors import OutreachError
from outreach.core.models import Installation
from outreach.core.queue import app
from outreach.events.calls import failed_calls

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
        print("\n".join(_in_words(finding) for finding in findings) or _("Nothing is wrong."))
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
                what=_("The database does not answer: %(error)s") % {"error": str(error).strip()},
                why=_("Everything is kept there."),
                remedy=_("Check DATABASE_URL, or postgres.log in the data folder."),
            )
        )
    return findings


def _secret_key() -> Iterator[Finding]:
    path = settings.DATA / "secret_key"
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding(
            check="secret_key",
            what=_("Others on this machine may read %(path)s.") % {"path": path},
            why=_("It signs log-ins and links and encrypts the credentials of accounts."),
            remedy=f"chmod 600 {path}",
        )


def _base_url() -> Iterator[Finding]:
    url = urlsplit(settings.BASE_URL)
    if url.scheme not in {"http", "https"} or not url.hostname:
        yield Finding(
            check="base_url",
            what=_("OUTREACH_BASE_URL is no address: %(url)s") % {"url": settings.BASE_URL},
            why=_("Every link in a message starts with it."),
            remedy=_("Set OUTREACH_BASE_URL to https:// and your host name."),
        )
    elif url.scheme == "http" and url.hostname not in {"127.0.0.1", "localhost", "::1"}:
        yield Finding(
            check="base_url",
            what=_("OUTREACH_BASE_URL is not encrypted: %(url)s") % {"url": settings.BASE_URL},
            why=_("Log-ins and personal links would cross the network in the clear."),
            remedy=_("Put a TLS proxy in front and set OUTREACH_BASE_URL to https://."),
        )


def _disk_space() -> Iterator[Finding]:
    free = shutil.disk_usage(settings.DATA if settings.DATA.exists() else settings.DATA.parent).free
    if free < LEAST_DISK:
        yield Finding(
            check="disk",
            what=_("Only %(free)s MB are free below %(path)s.") % {"free": free // 1_000_000, "path": settings.DATA},
            why=_("A database that cannot write stops."),
            remedy=_("Free some space, or move OUTREACH_DATA to a larger disk."),
        )


def _version() -> Iterator[Finding]:
    connection.ensure_connection()
    version = connection.cursor().connection.info.server_version
    if version < LEAST_VERSION:
        yield Finding(
            check="database_version",
            what=_("PostgreSQL is of version %(version)s.") % {"version": version // 10000},
            why=_("Version 15 is the oldest we are tested with."),
            remedy=_("Upgrade the server, or unset DATABASE_URL for the embedded one."),
        )


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield Finding(
            check="migrations",
            what=_("Changes of the schema are missing: %(count)s.") % {"count": len(missing)},
            why=_("This version of the program does not fit the database."),
            remedy="outreach migrate",
        )


def _clock() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        skew = abs(cursor.fetchone()[0] - clock.now())
    if skew > MOST_SKEW:
        yield Finding(
            check="clock",
            what=_("This machine's clock and the database's differ by %(seconds)s s.")
            % {"seconds": round(skew.total_seconds())},
            why=_("Schedules go by this machine's clock, the ledger by the database's."),
            remedy=_("Switch on time synchronisation (NTP) on both."),
        )


def _broker() -> Iterator[Finding]:
    try:
        with app.connection_for_write() as link:
            link.ensure_connection(max_retries=1, interval_start=0.1, timeout=5)
    except (kombu.exceptions.OperationalError, OSError, *broker.Transport.connection_errors) as error:
        yield Finding(
            check="broker",
            what=_("The broker does not answer: %(error)s") % {"error": error},
            why=_("Workers learn from it at once that there is work; without it nothing moves."),
            remedy=_("Check BROKER_URL, or unset it for the embedded broker."),
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
            what=_("Pieces of work that were started %(times)s times and never ended: %(count)s.")
            % {"times": broker.MOST_DELIVERIES, "count": number},
            why=_("Something in them stops the worker."),
            remedy=_("Look for the reason in the worker's log; DELETE FROM broker.message removes them."),
        )


def _beat() -> Iterator[Finding]:
    if "outreach_installation" not in connection.introspection.table_names():
        return
    alive_at = Installation.objects.values_list("alive_at", flat=True).first()
    if alive_at is None or clock.now() - alive_at > SILENCE:
        yield Finding(
            check="beat",
            what=_("Beat or the worker is not running: last seen at %(at)s UTC.") % {"at": f"{alive_at:%F %T}"}
            if alive_at
            else _("Beat or the worker is not running: never seen."),
            why=_("Nothing that is due starts by itself."),
            remedy=_("Start `outreach run`, or `outreach beat` and `outreach worker`."),
        )


def _not_taken_in() -> Iterator[Finding]:
    """One finding an account: what providers told of it, and letters to it, that cannot be applied."""
    if not _has_column("outreach_hookcall", "failures"):
        return
    accounts = failed_calls().order_by("account").values_list("account", "account__name")
    for key, name, count, oldest in accounts.annotate(count=Count("pk"), oldest=Min("received_at")):
        newest = failed_calls().filter(account=key).last()
        facts = {"name": name, "count": count, "trouble": newest.trouble if newest else ""}
        yield Finding(
            check="calls",
            what=_("What came back to “%(name)s” cannot be taken in: %(count)s. The last one: %(trouble)s") % facts,
            why=_("What a provider told of a message, or what somebody wrote, is kept and has no effect."),
            remedy=f"outreach replay --account {key} --since {oldest:%Y-%m-%d}",
        )


def _has_column(table: str, name: str) -> bool:
    """Not so where the schema is older than the program, which is a finding of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_name = %s AND column_name = %s)",
            [table, name],
        )
        return bool(cursor.fetchone()[0])


Check = Callable[[], Iterator[Finding]]
ON_THIS_MACHINE: Final[tuple[Check, ...]] = (_secret_key, _base_url, _disk_space)
IN_THE_DATABASE: Final[tuple[Check, ...]] = (_version, _migrations, _clock, _broker, _given_up, _beat, _not_taken_in)


def _in_words(finding: Finding) -> str:
    remedy = _("Remedy: %(remedy)s") % {"remedy": finding.remedy}
    return f"{finding.what}\n  {finding.why}\n  {remedy}"
