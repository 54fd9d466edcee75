"""`outreach bench`: one figure of speed, measured on a database of its own with real parts, as one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import resource
from contextlib import nullcontext, redirect_stdout
from types import ModuleType
from typing import Final

from outreach.management import (
    bench_classify,
    bench_fanout,
    bench_import,
    bench_notices,
    bench_people,
    bench_report,
    bench_segments,
    bench_send,
    bench_track,
)
from outreach.management.own_database import own_database

WHAT: Final[dict[str, ModuleType]] = {
    "send": bench_send,
    "notices": bench_notices,
    "fanout": bench_fanout,
    "import": bench_import,
    "report": bench_report,
    "people": bench_people,
    "track": bench_track,
    "segments": bench_segments,
    "classify": bench_classify,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, module in WHAT.items():
        summary = module.__doc__.strip() if module.__doc__ else ""
        kind = kinds.add_parser(name, help=summary, description=summary)
        module.add_arguments(kind)
        kind.add_argument("--json", action="store_true", help="one line instead of an indented object")


def handle(args: argparse.Namespace) -> int:
    """Measure in this process's own place (see `demo_place`)."""
    module = WHAT[args.what]
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        own_database(durable=True) if not getattr(module, "IS_PURE", False) else nullcontext("") as url,
    ):
        figures = module.measure(args, url)
    figures.setdefault("peak_rss_mb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    print(json.dumps(figures, ensure_ascii=False, indent=None if args.json else 1), flush=True)
    return 0 if figures.get("holds", True) else 1
