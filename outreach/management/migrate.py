"""`outreach migrate`: the schema, brought up by one process at a time."""

from __future__ import annotations

import argparse

import psycopg
from django.core.management import call_command

from outreach.core import broker
from outreach.core.queue import database_conninfo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="say nothing when all is well")


def handle(args: argparse.Namespace) -> int:
    migrate(verbosity=0 if args.quiet else 1)
    return 0


def migrate(*, verbosity: int = 0) -> None:
    """Bring the database to this version's schema; whoever comes second waits, then finds nothing to do."""
    # The lock's own connection: migrations open transactions of theirs.
    with psycopg.connect(**database_conninfo(), autocommit=True) as link:
        link.execute("SELECT pg_advisory_lock(hashtext('outreach migrate'))")
        call_command("migrate", interactive=False, verbosity=verbosity)
        broker.prepare(link)
