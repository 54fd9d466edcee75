"""Taking an import back: what it would do, the question, and how far it is."""

from __future__ import annotations

from django.http import HttpResponse

from outreach.audience.import_trace import ImportUndo
from outreach.audience.import_undo import look_ahead, undo_import
from outreach.audience.models import Import
from outreach.core.vocabulary import JobState, Permission
from outreach.web.console.visit import Visit, filling, visiting


@filling(needs=Permission.EDIT_AUDIENCE)
def ask(visit: Visit, key: int) -> HttpResponse:
    job = visit.find(Import.objects.select_related("topic", "organisation"), key)
    if visit.is_post:
        undo_import(visit.actor, job)
        return visit.go("import", key=key)
    return visit.show("people/import_undo.html", job=job, prospect=look_ahead(job))


@visiting()
def progress(visit: Visit, key: int) -> HttpResponse:
    """The part that moves, for htmx; tells htmx to load the whole page when it is done."""
    job = visit.find(Import.objects.all(), key)
    undo = ImportUndo.objects.filter(job=job).first()
    answer = visit.show("people/import_undo_progress.html", job=job, undo=undo)
    if undo is None or undo.state == JobState.DONE:
        answer["HX-Refresh"] = "true"
    return answer
