"""`outreach worker`: a Celery worker over prefork processes."""

from __future__ import annotations

import argparse
import importlib
import os
import warnings

from celery.exceptions import SecurityWarning
from django.conf import settings
from django.db import connections

from outreach.core.queue import LANES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queues", default=",".join(LANES), help="comma-separated, the most urgent first")
    parser.add_argument("--concurrency", type=int, default=settings.WORKERS, help="processes that work at once")


def handle(args: argparse.Namespace) -> int:
    connections.close_all()  # a connection must not be shared with the processes to be forked
    # It warns of root for the sake of pickle, which we do not accept.
    warnings.simplefilter("ignore", SecurityWarning)
    # By name: nothing may import the entry point, which loads every task.
    app = importlib.import_module("worker").app
    app.worker_main(
        [
            "--quiet",
            "worker",
            f"--queues={args.queues}",
            f"--concurrency={args.concurrency}",
            f"--hostname=outreach-{os.getpid()}@%h",
            "--pool=prefork",
            "--loglevel=WARNING",
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )
    return 0
