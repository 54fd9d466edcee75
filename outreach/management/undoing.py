"""`outreach undo-import`: what taking an import back would do, and with `--yes` doing it, in this process."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from django.utils.translation import gettext as _

from outreach.audience.import_trace import ImportUndo
from outreach.audience.import_undo import Prospect, look_ahead, run_undo, undo_import, undo_json
from outreach.audience.models import Import
from outreach.core.access import product_itself
from outreach.core.errors import NotFound
from outreach.core.models import Organisation
from outreach.core.vocabulary import JobState
from outreach.management.token import find_organisation
from schedules.zones import local_time

#: Imports that are listed, the newest first.
LISTED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="of the import; where it is not given, the last ones are listed")
    parser.add_argument("--organisation", required=True, metavar="SLUG", help="whose imports, and of those below it")
    parser.add_argument("--yes", action="store_true", help="take it back; without it nothing is changed")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def handle(args: argparse.Namespace) -> int:
    owner = find_organisation(args.organisation)
    if args.id is None:
        print("\n".join(_listed(owner)) or _("There are no imports."))
        return 0
    job = _find(owner, args.id)
    found = _take_back(job) if args.yes else ImportUndo.objects.filter(job=job).first() or look_ahead(job)
    print(json.dumps(undo_json(job, found)) if args.json else "\n".join(_in_words(job, found)))
    return 1 if isinstance(found, Prospect) and found.why_not else 0


def _find(owner: Organisation, key: str) -> Import:
    known = Import.objects.for_organisation(owner).select_related("organisation", "topic")
    job = known.filter(pk=key).first() if key.isascii() and key.isdecimal() and len(key) < 19 else None
    if job is None:
        raise NotFound(_("There is no import “%(id)s”.") % {"id": key})
    return job


def _take_back(job: Import) -> ImportUndo:
    """Take it back here and now; go on with one whose worker died. Where a worker is at it, that is left alone.

    Raises:
        StateConflict: it cannot be taken back, and why.
    """
    if not ImportUndo.objects.filter(job=job).exclude(state=JobState.DONE).exists():
        undo_import(product_itself(job.organisation), job)
    run_undo(job.pk)
    return ImportUndo.objects.get(job=job)


def _listed(owner: Organisation) -> Iterator[str]:
    jobs = Import.objects.for_organisation(owner).select_related("topic").order_by("-pk")
    for job in jobs[:LISTED]:
        yield _("%(id)s  %(at)s  %(file)s, into “%(topic)s”: %(created)s created, %(updated)s updated.") % {
            "id": job.pk,
            "at": local_time(job.created_at, owner.timezone).strftime("%Y-%m-%d %H:%M"),
            "file": job.file_name,
            "topic": job.topic,
            "created": f"{job.created:,}",
            "updated": f"{job.updated:,}",
        }


def _in_words(job: Import, found: ImportUndo | Prospect) -> Iterator[str]:
    if isinstance(found, Prospect) and found.why_not:
        yield found.why_not
        return
    yield _said(job, found)
    for words, count in found.in_words:
        yield f"  {words}: {count:,}"
    if isinstance(found, Prospect):
        if not found.is_exact:
            yield _("Reckoned from a sample: the import is large.")
        said = _("Nothing is changed yet. Messages that were sent stay sent. Go on with %(option)s.")
        yield said % {"option": "--yes"}


def _said(job: Import, found: ImportUndo | Prospect) -> str:
    facts = {"file": job.file_name}
    if isinstance(found, Prospect):
        return _("Taking “%(file)s” back would do this:") % facts
    if found.state == JobState.DONE:
        return _("“%(file)s” is taken back:") % facts
    return _("“%(file)s” is being taken back by a worker; so far:") % facts
