"""Lists of whom not to write to, as files: handing one in, how far it is, and its lines that were not taken."""

from __future__ import annotations

from typing import Final

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.imports import reason_text
from outreach.audience.suppression_import import SuppressionImport, SuppressionRejection, start_suppression_import
from outreach.core.errors import Invalid
from outreach.core.vocabulary import JobState, Permission
from outreach.web.api.paging import write_cursor
from outreach.web.console.forms import ConsoleForm
from outreach.web.console.suppressions import CHANNELS
from outreach.web.console.visit import Visit, filling, visiting

PAGE: Final = 100


class ListForm(ConsoleForm):
    file = forms.FileField(
        label=_("File"),
        help_text=_("CSV, NDJSON or plain text: an address, number or hash a line, or columns email, phone or hash."),
    )
    note = forms.CharField(label=_("Why"), max_length=200, help_text=_("For those who ask later."))
    channel = forms.ChoiceField(
        label=_("Channel of hashes"), choices=CHANNELS, help_text=_("Where the file has no column channel.")
    )


@filling(needs=Permission.EDIT_AUDIENCE)
def new_list(visit: Visit) -> HttpResponse:
    form = ListForm(visit.request.POST or None, visit.request.FILES or None)
    if visit.is_post and form.is_valid():
        file, given = form.cleaned_data["file"], form.cleaned_data
        try:
            job = start_suppression_import(
                visit.actor, file, file.name or "", channel=given["channel"], note=given["note"]
            )
            return visit.go("suppression_import", key=job.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("suppressions/import.html", form=form)


@visiting()
def list_page(visit: Visit, key: int) -> HttpResponse:
    job = visit.find(SuppressionImport.objects.select_related("organisation", "created_by"), key)
    rows = SuppressionRejection.objects.filter(job=job).order_by("line")
    found = list(rows.filter(line__gt=visit.cursor or 0)[: PAGE + 1])
    return visit.show(
        "suppressions/import_job.html",
        job=job,
        is_moving=_is_moving(job),
        rejected=[(row.line, reason_text(row.reason)) for row in found[:PAGE]],
        next_cursor=write_cursor(found[PAGE - 1].line) if len(found) > PAGE else None,
    )


@visiting()
def list_progress(visit: Visit, key: int) -> HttpResponse:
    """The part that moves, for htmx; tells htmx to load the whole page when the job has ended."""
    job = visit.find(SuppressionImport.objects.all(), key)
    answer = visit.show("suppressions/import_progress.html", job=job, is_moving=_is_moving(job))
    if not _is_moving(job):
        answer["HX-Refresh"] = "true"
    return answer


def _is_moving(job: SuppressionImport) -> bool:
    return job.state in (JobState.QUEUED, JobState.RUNNING)
