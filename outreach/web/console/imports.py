"""Import: a file of people on its way in, and the rows that were not taken, in the file's own rows and columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.http import Http404, HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.csv_reader import WORKBOOK
from outreach.audience.import_columns import WORDS, check_mapping, taken_for
from outreach.audience.import_intake import (
    Preview,
    SeenRow,
    column_of,
    confirm_import,
    discard_import,
    preview_job,
    receive_import,
)
from outreach.audience.import_mending import forms_of, rows_to_mend
from outreach.audience.import_terms import EVIDENCE, Terms
from outreach.audience.import_trace import ImportUndo
from outreach.audience.import_undo import why_not
from outreach.audience.imports import reason_text
from outreach.audience.models import Import, ImportRejection
from outreach.audience.topics import topics_open_to
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import JobState, KnownPeople, Permission
from outreach.web.api.paging import write_cursor
from outreach.web.console.forms import ConsoleForm, one_of
from outreach.web.console.visit import Visit, filling, posting, visiting
from outreach.web.downloads import download

PAGE: Final = 50
#: More columns than this make a page of cells unreadable; the CSV has them all.
MOST_COLUMNS: Final = 12
#: Values of a column that stand beside what it is taken for.
EXAMPLES: Final = 3
SEPARATORS: Final = {
    ";": _("columns parted by semicolons"),
    ",": _("columns parted by commas"),
    "\t": _("columns parted by tabs"),
    "": _("an object a line (NDJSON)"),
}


class ImportForm(ConsoleForm):
    file = forms.FileField(
        label=_("File"),
        help_text=_("Excel (.xlsx, its first sheet), CSV or NDJSON. Any usual encoding and separator will do."),
    )
    topic = forms.ChoiceField(label=_("They agreed to hear of"))

    def __init__(self, organisation: Organisation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topics = {str(topic.pk): topic for topic in topics_open_to(organisation)}
        choices = [(key, str(topic)) for key, topic in self.topics.items()]
        self.fields["topic"].choices = choices  # type: ignore[attr-defined]


class TermsForm(ConsoleForm):
    """What each column is taken for, what they consented to, and what becomes of people known already.

    The fields of columns are numbered, since a column's name is the sender's.
    """

    consent_source = forms.CharField(
        label=_("Where did they consent?"),
        required=False,
        help_text=_("For example: paper form at the town hall. Leave empty where a column says it of each."),
    )
    consent_at = forms.CharField(
        label=_("When did they consent?"), required=False, help_text=_("Such as 01.05.2026 or 2026-05-01 14:30.")
    )
    consent_text_version = forms.CharField(
        label=_("Which text were they shown?"),
        required=False,
        help_text=_("Its name or version, by which you find it."),
    )
    known = one_of(_("People who are known already"), KnownPeople.choices)

    def __init__(self, mapping: Mapping[str, str], *args: Any, **kwargs: Any) -> None:
        self.columns = list(mapping)
        fields = {
            f"column_{place}": forms.ChoiceField(label=column, choices=list(WORDS.items()), initial=word)
            for place, (column, word) in enumerate(mapping.items())
        }
        super().__init__(*args, extra_fields=fields, initial={"known": KnownPeople.OVERWRITE}, **kwargs)
        self.paths = {f"columns/{column}": f"column_{place}" for place, column in enumerate(self.columns)}

    @property
    def terms(self) -> Terms:
        said = {name: self.cleaned_data[name] for name in (*EVIDENCE, "known")}
        mapping = {column: self.cleaned_data[f"column_{place}"] for place, column in enumerate(self.columns)}
        return Terms(mapping=mapping, is_opt_in=True, **said)

    def beside(self, rows: Sequence[SeenRow]) -> Iterator[tuple[Any, str]]:
        """Each field with what its column holds in the first rows."""
        for place in range(len(self.columns)):
            found = [row.cells[place] for row in rows if len(row.cells) == len(self.columns) and row.cells[place]]
            yield self[f"column_{place}"], " · ".join(found[:EXAMPLES])


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
            topic = form.topics[form.cleaned_data["topic"]]
            job = receive_import(visit.actor, topic, file, file.name or "", is_confirmed=False)
            return visit.go("import_columns", key=job.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("people/import.html", form=form)


@filling(needs=Permission.EDIT_AUDIENCE)
def import_columns(visit: Visit, key: int) -> HttpResponse:
    """What the file's columns are taken for; to be looked at again, or confirmed."""
    job = visit.find(Import.objects.select_related("topic", "organisation"), key)
    if job.state != JobState.RECEIVED:
        return visit.go("import", key=key)
    try:
        seen = preview_job(job)
    except Invalid as invalid:  # somebody confirmed it just now, or the file is lost
        visit.complain(invalid)
        return visit.go("new_import")
    form = TermsForm(seen.columns, visit.request.POST or None)
    if visit.is_post and form.is_valid():
        try:
            if "look" not in visit.request.POST:
                confirm_import(visit.actor, job, form.terms)
                return visit.go("import", key=key)
            mapping = dict(form.terms.mapping or {})
            check_mapping(seen.form, mapping)
            seen = preview_job(job, mapping)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show(
        "people/import_columns.html",
        job=job,
        form=form,
        seen=seen,
        shown=_shown(seen),
        separator="" if seen.form.encoding == WORKBOOK.encoding else SEPARATORS[seen.form.delimiter],
    )


@posting(needs=Permission.EDIT_AUDIENCE)
def discard(visit: Visit, key: int) -> HttpResponse:
    discard_import(visit.actor, visit.find(Import.objects.all(), key))
    visit.tell(_("The file is deleted; nobody of it was taken in."))
    return visit.go("new_import")


@visiting()
def import_page(visit: Visit, key: int) -> HttpResponse:
    job = visit.find(Import.objects.select_related("topic", "organisation", "created_by"), key)
    if job.state == JobState.RECEIVED:
        return visit.go("import_columns", key=key)
    rows = ImportRejection.objects.filter(job=job).order_by("line")
    found = list(rows.filter(line__gt=visit.cursor or 0)[: PAGE + 1])
    return visit.show(
        "people/import_job.html",
        job=job,
        columns=job.columns[:MOST_COLUMNS],
        rejected=[_in_cells(job, row) for row in found[:PAGE]],
        next_cursor=write_cursor(found[PAGE - 1].line) if len(found) > PAGE else None,
        forms=forms_of(job),
        undo=ImportUndo.objects.filter(job=job).select_related("created_by").first(),
        may_undo=visit.may(Permission.EDIT_AUDIENCE) and not why_not(job),
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
def rejections(visit: Visit, key: int, form: str) -> HttpResponse:
    """The rows that were not taken, in the file's columns and with reasons, to be mended and imported again."""
    job = visit.find(Import.objects.all(), key)
    try:
        return download(rows_to_mend(visit.actor, job, form=form))
    except Invalid as invalid:
        raise Http404 from invalid


def _shown(seen: Preview) -> list[RejectedRow]:
    """The first rows and the first bad ones, each once, in the file's order."""
    rows = {row.line: row for row in [*seen.first, *seen.bad]}
    names = list(seen.columns)  # none where no line is an object
    return [
        RejectedRow(
            line=row.line,
            cells=[
                (text, bool(row.reason) and [row.column] == names[place : place + 1])
                for place, text in enumerate(row.cells)
            ],
            column=row.column,
            sentence=reason_text(row.reason),
        )
        for _line, row in sorted(rows.items())
    ]


def _in_cells(job: Import, row: ImportRejection) -> RejectedRow:
    words = {column: taken_for(column, job.mapping) for column in job.columns}
    wrong = column_of(row.column, words)
    return RejectedRow(
        line=row.line,
        cells=[(text, job.columns[place] == wrong) for place, text in enumerate(_cells(job, row.raw))],
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
