"""`outreach import`: subscribers from a file, in this process; rejected rows go to a file beside it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from outreach.audience.import_intake import receive_import
from outreach.audience.import_terms import Terms
from outreach.audience.imports import rejections_csv, run_import
from outreach.audience.models import Import, Topic
from outreach.core.access import product_itself
from outreach.core.errors import Invalid, NotFound
from outreach.core.models import Organisation
from outreach.core.vocabulary import JobState, KnownPeople

BAR = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="CSV or NDJSON")
    parser.add_argument("--organisation", required=True, metavar="SLUG", help="whose subscribers they become")
    parser.add_argument("--topic", required=True, metavar="SLUG", help="what they are subscribed to")
    parser.add_argument("--opt-in", action="store_true", help="refuse people without evidence of their consent")
    parser.add_argument("--consent-source", default="", metavar="TEXT", help="where rows that do not say it consented")
    parser.add_argument("--consent-at", default="", metavar="TIME", help="and when, such as 2026-05-01")
    parser.add_argument("--consent-text-version", default="", metavar="TEXT", help="and to which text")
    parser.add_argument(
        "--known", choices=KnownPeople.values, default=KnownPeople.OVERWRITE, help="people known already"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def handle(args: argparse.Namespace) -> int:
    started = time.monotonic()
    job = import_file(
        args.file,
        organisation=args.organisation,
        topic=args.topic,
        terms=Terms(
            is_opt_in=args.opt_in,
            consent_source=args.consent_source,
            consent_at=args.consent_at,
            consent_text_version=args.consent_text_version,
            known=args.known,
        ),
        on_progress=None if args.json else progress_bar(),
    )
    rejected = write_rejections(job, args.file)
    result = {
        "id": str(job.pk),
        "state": job.state,
        "rows": job.rows,
        "created": job.created,
        "updated": job.updated,
        "unchanged": job.unchanged,
        "rejected": job.rejected,
        "rejected_file": str(rejected) if rejected else None,
        "seconds": round(time.monotonic() - started, 3),
    }
    print(json.dumps(result) if args.json else _worded(job, result))
    return 0 if job.state == JobState.DONE else 1


def import_file(
    path: Path,
    *,
    organisation: str,
    topic: str,
    terms: Terms | None = None,
    on_progress: Callable[[Import], None] | None = None,
) -> Import:
    """Take a file's people into the organisation, subscribed to the topic.

    Raises:
        NotFound: there is no such organisation or topic.
        Invalid: the file cannot be read.
    """
    owner = Organisation.objects.filter(slug=organisation).first()
    if owner is None:
        raise NotFound(_("There is no organisation “%(slug)s”.") % {"slug": organisation})
    found = Topic.objects.filter(slug=topic).select_related("organisation").first()
    if found is None:
        raise NotFound(_("There is no topic “%(slug)s”.") % {"slug": topic})
    try:
        with path.open("rb") as file:
            job = receive_import(product_itself(owner), found, file, path.name, terms=terms)
    except OSError as err:
        raise Invalid({"file": [f"{path}: {err.strerror}."]}) from err
    run_import(job.pk, on_progress=on_progress)
    job.refresh_from_db()
    return job


def write_rejections(job: Import, path: Path) -> Path | None:
    """Write the rejected rows beside the file; None where there are none."""
    if not job.rejected:
        return None
    target = path.with_name(f"{path.name}.rejected.csv")
    try:
        with target.open("w", encoding="utf-8", newline="") as file:
            file.writelines(rejections_csv(job))
    except OSError as err:
        raise Invalid({"file": [f"{target}: {err.strerror}."]}) from err
    return target


def progress_bar() -> Callable[[Import], None]:
    """Draw a bar on standard error where that is a terminal; lines that end nowhere help nobody in a log."""

    def draw(job: Import) -> None:
        share = job.bytes_read / job.file_size if job.file_size else 1.0
        full = round(share * BAR)
        print(
            f"\r[{'#' * full}{'.' * (BAR - full)}] {share:4.0%}  {job.rows:,} rows, {job.rejected:,} rejected",
            end="" if job.state == JobState.RUNNING else "\n",
            file=sys.stderr,
            flush=True,
        )

    return draw if sys.stderr.isatty() else lambda job: None


def _worded(job: Import, result: dict[str, Any]) -> str:
    lines = [
        _("%(rows)s rows: %(created)s created, %(updated)s updated, %(unchanged)s unchanged, %(rejected)s rejected.")
        % {name: f"{result[name]:,}" for name in ("rows", "created", "updated", "unchanged", "rejected")}
    ]
    if job.trouble:
        lines.append(_("The import failed: %(trouble)s") % {"trouble": job.trouble})
    if result["rejected_file"]:
        lines.append(
            _("The rejected rows, with line numbers and reasons: %(file)s") % {"file": result["rejected_file"]}
        )
    return "\n".join(lines)
