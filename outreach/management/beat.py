"""`outreach beat`: Celery's beat over the table of `schedules.beat`; running two does no harm."""

from __future__ import annotations

import argparse
import os

from django.db import connections

from outreach.core.queue import app
from outreach.delivery.alive import alive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none: the table is `schedules.beat`."""


def handle(args: argparse.Namespace) -> int:
    alive()  # before anything is due: workers lease nothing until we said that we are here
    connections.close_all()
    # Django's checks load every URL and view, which beat has no use for; `outreach migrate` runs them.
    os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
    # No pid file: two of them do no harm, and a stale file would keep one from starting.
    app.start(["--quiet", "beat", "--loglevel=WARNING", "--pidfile="])
    return 0
