"""Import: a file of people on its way in, and the rows that were not taken, in the file's own rows and columns."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.imports import reason_text, rejections_csv, start_import
from outreach.audience.models import Import, ImportRejection
from outreach.audience.topics import topics_open_to
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import JobState, Permission
from outreach.web.api.paging import read_cursor, write_cursor
from outreach.web.console.forms import ConsoleForm
from outreach.web.console.visit import Visit, filling, visiting

PAGE: Final = 50
#: More columns than this make a page of cells unreadable; the CSV has them all.
MOST_COLUMNS: Final = 12


class ImportForm(ConsoleForm):
    file = forms.FileField(
        label=_("File"),
        help_text=_("CSV or NDJSON. Excel writes one by “Save as, CSV”. Any usual encoding and separator will do."),
    )
    topic = forms.ChoiceField(label=_("They agreed to hear of"))

    def __init__(self, organisation: Organisation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topics = {str(topic.pk): topic for topic in topics_open_to(organisation)}
        choices = [(key, str(topic)) for key, topic in self.topics.items()]
        self.fields["topic"].choices = choices  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A row of the file as it stands there, with the cell that is wrong."""

    line: int
    #: (text, whether this is the wrong one)
    cells: list[tuple[str, bool]]
    column: str
    sentence: str


@filling(needs=Permission.EDIT_AUDIENCE)
def new_import(visit: Visit) -> HttpResponse:
    form = ImportForm(visit.organisation, visit.request.POST or None, visit.request.FILES or None)
    if visit.is_post and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            job = start_import(visit.actor, form.topics[form.cleaned_data["topic"]], file, file.name or "")
            return visit.go("import", key=job.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("people/import.html", form=form)


@visiting()
def import_page(visit: Visit, key: int) -> HttpResponse:
    job = visit.find(Import.objects.select_related("topic", "organisation", "created_by"), key)
    rows = ImportRejection.objects.filter(job=job).order_by("line")
    if cursor := visit.request.GET.get("cursor"):
        rows = rows.filter(line__gt=read_cursor(cursor))
    found = list(rows[: PAGE + 1])
    return visit.show(
        "people/import_job.html",
        job=job,
        columns=job.columns[:MOST_COLUMNS],
        rejected=[_in_cells(job, row) for row in found[:PAGE]],
        next_cursor=write_cursor(found[PAGE - 1].line) if len(found) > PAGE else None,
        is_moving=job.state in (JobState.QUEUED, JobState.RUNNING),
        share=job.bytes_read / job.file_size if job.file_size else 0.0,
    )


@visiting()
def import_progress(visit: Visit, key: int) -> HttpResponse:
    """The part that moves, for htmx; tells htmx to load the whole page when the job has ended."""
    job = visit.find(Import.objects.select_related("topic"), key)
    is_moving = job.state in (JobState.QUEUED, JobState.RUNNING)
    share = job.bytes_read / job.file_size if job.file_size else 0.0
    answer = visit.show("people/import_progress.html", job=job, is_moving=is_moving, share=share)
    if not is_moving:
        answer["HX-Refresh"] = "true"
    return answer


@visiting(needs=Permission.EDIT_AUDIENCE)
def rejections(visit: Visit, key: int) -> HttpResponse:
    """The rows that were not taken as CSV, to be mended and imported again."""
    job = visit.find(Import.objects.all(), key)
    answer = StreamingHttpResponse(rejections_csv(job), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="import-{job.pk}-rejected.csv"'
    return answer  # type: ignore[return-value]


def _in_cells(job: Import, row: ImportRejection) -> RejectedRow:
    return RejectedRow(
        line=row.line,
        cells=[(text, job.columns[place] == row.column) for place, text in enumerate(_cells(job, row.raw))],
        column=row.column,
        sentence=reason_text(row.reason),
    )


def _cells(job: Import, raw: str) -> list[str]:
    """The row's cells under the file's columns; one that is broken as a whole stays in its first cell."""
    width = len(job.columns)
    try:
        cells = next(csv.reader([raw.rstrip("\r\n")], delimiter=job.delimiter or ","), [])
    except csv.Error:
        cells = [raw]
    if not job.delimiter:  # NDJSON has no columns of its own
        cells = [raw]
    return [*cells, *([""] * width)][: min(width, MOST_COLUMNS)]
