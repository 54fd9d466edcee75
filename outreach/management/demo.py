"""`outreach demo`: an empty installation, real processes, one campaign over real sockets, and proof that it adds up.

This file keeps the database and the processes; the place is `demo_place`, what happens in it `demo_road`.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final, TextIO

from django.conf import settings

from outreach.core.errors import Invalid
from outreach.core.supervise import Supervisor
from outreach.management.demo_road import Road, in_words
from outreach.management.own_database import own_database
from outreach.management.run import programs

LEAST, MOST = 12, 200_000
#: Seconds between asking a process to stop and stopping it.
GRACE: Final = 6.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subscribers", type=int, default=2000, metavar="N", help="how many people, 2000 by default")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def handle(args: argparse.Namespace) -> int:
    """Play in this process's own place (see `demo_place`); 0 only if everything adds up."""
    if not LEAST <= args.subscribers <= MOST:
        raise Invalid({"subscribers": [f"Choose {LEAST} to {MOST:,}."]})
    with ExitStack() as stack:
        out = stack.enter_context(_output_of_ours())
        # It is deleted at the end, so nothing has to outlive a power cut.
        stack.enter_context(own_database(durable=False))
        stack.enter_context(_processes())
        road = Road(say=_no_words if args.json else partial(_say, out))
        result = road.travel(subscribers=args.subscribers)
        print(json.dumps(result, ensure_ascii=False) if args.json else in_words(result), file=out, flush=True)
    return 0 if result["counters_equal"] and not result["problems"] and not result["in_hand"] else 1


@contextmanager
def _processes() -> Iterator[None]:
    """Web, worker, beat and sandbox, as `outreach run` starts them."""
    environment = {**os.environ, "OUTREACH_DATA": str(settings.DATA)}
    # One worker does it all here, and nothing is left to lose when the others are stopped.
    needed = [program for program in programs(has_sandbox=True) if "(" not in program.name]
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
