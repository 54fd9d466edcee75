"""How fast a file of people comes in: person, address, subscription and consent of each row."""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from outreach.audience.import_intake import receive_import
from outreach.audience.imports import run_import
from outreach.audience.models import Topic
from outreach.core.access import Actor
from outreach.core.vocabulary import JobState
from outreach.management.bench_cost import database_cpu_seconds, our_cpu_seconds
from outreach.management.bench_world import make_people


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000, metavar="N")
    parser.add_argument("--into", type=int, default=0, metavar="M", help="people who are there already")


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as link:
        actor, topic = make_people(link, args.into)
    return {
        "what": "import",
        "items": args.rows,
        **import_people(actor, topic, rows=args.rows),
        "ratio": None,
        "settings": {"into": args.into, "columns": "email, name, language, city and a proof of consent"},
    }


def import_people(actor: Actor, topic: Topic, *, rows: int) -> dict[str, Any]:
    """Have a file of so many new people come in; what that took.

    Raises:
        SystemExit: not all of them did.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        _write(path, rows)
        with path.open("rb") as file:
            job = receive_import(actor, topic, file, path.name)
    before, begun = (our_cpu_seconds(), database_cpu_seconds()), time.monotonic()
    run_import(job.pk)
    seconds = time.monotonic() - begun
    job.refresh_from_db()
    if (job.state, job.created) != (JobState.DONE, rows):
        raise SystemExit(f"the import is {job.state}: {job.created} of {rows} rows came in. {job.trouble}")
    return {
        "seconds": round(seconds, 3),
        "rate": round(rows / seconds),
        "own_cpu_us": round((our_cpu_seconds() - before[0]) / rows * 1e6, 1),
        "database_cpu_us": round((database_cpu_seconds() - before[1]) / rows * 1e6, 1),
    }


def _write(path: Path, rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        columns = ["email", "name", "language", "city", "consent_source", "consent_at", "consent_text_version"]
        lines.writerow(columns)
        lines.writerows(
            [f"new{n}@example.net", f"Иван № {n}", "bg", "Пловдив", "form", "2026-01-05T10:00:00+02:00", "v1"]
            for n in range(rows)
        )
