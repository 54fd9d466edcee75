"""The rows that an import refused, as a file to be mended and handed in again: the file's own columns, and why.

What we write beside them an import leaves out. Handed in as it is, such a file takes nobody in: what was wrong in a
row still is, and of a row that falls into no cells there are none.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from outreach.audience.csv_reader import MENDING
from outreach.audience.exports import CONTENT_TYPES, Export, csv_pieces
from outreach.audience.import_chunk import LONGEST_RAW
from outreach.audience.import_columns import taken_for
from outreach.audience.import_intake import column_of
from outreach.audience.import_reasons import ROW_REASONS
from outreach.audience.import_rows import CONTROL
from outreach.audience.models import Import, ImportRejection
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.spreadsheet_book import book_of
from outreach.core.vocabulary import ExportForm, Permission

LINE, REASON, ROW = MENDING
#: Faults that leave nobody knowing which cell is which.
UNPARTED: Final = frozenset(
    {"line_too_long", "unclosed_quote", "bad_quotes", "too_few_cells", "too_many_cells", "bad_json"}
)


def forms_of(job: Import) -> tuple[ExportForm, ...]:
    """What its rows can be written as: objects have no columns, and stay objects."""
    return (ExportForm.CSV, ExportForm.XLSX) if job.delimiter else (ExportForm.NDJSON,)


def rows_to_mend(actor: Actor, job: Import, *, form: str = "") -> Export:
    """Begin a file of an import's refused rows, with reasons in the language of whoever asks; that is audited.

    Rows that an erasure emptied are not in it. Nothing is read before the first piece is asked for.

    Raises:
        Invalid: the import's rows cannot be written as this.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    chosen = form or forms_of(job)[0]
    if chosen not in forms_of(job):
        raise Invalid(
            {"format": [_("Rows of this file can be had as: %(forms)s.") % {"forms": ", ".join(forms_of(job))}]}
        )
    audit.record(actor, "import.rejected_exported", job, form=str(chosen))
    # Now, since who reads the file may do so when the language of the question is forgotten.
    words = {reason: str(sentence) for reason, sentence in ROW_REASONS.items()}
    write = {ExportForm.CSV: _csv, ExportForm.XLSX: _xlsx, ExportForm.NDJSON: _ndjson}[ExportForm(chosen)]
    return Export(
        file_name=f"import-{job.pk}-to-mend.{chosen}",
        content_type=CONTENT_TYPES[ExportForm(chosen)],
        pieces=write(job, words),
    )


def _rejections(job: Import) -> Iterator[ImportRejection]:
    rows = ImportRejection.objects.filter(job=job).exclude(raw="").order_by("line")
    return rows.iterator(chunk_size=2_000)


def _csv(job: Import, words: dict[str, str]) -> Iterator[bytes]:
    return csv_pieces(*_table(job, words))


def _xlsx(job: Import, words: dict[str, str]) -> Iterator[bytes]:
    return book_of(*_table(job, words))


def _table(job: Import, words: dict[str, str]) -> tuple[list[str], Iterator[list[Any]]]:
    taken = {column: taken_for(column, job.mapping) for column in job.columns}
    # The file may have been one of ours already.
    places = [place for place, column in enumerate(job.columns) if column not in MENDING]

    def rows() -> Iterator[list[Any]]:
        for row in _rejections(job):
            cells = _cells(row, job)
            own = [cells[place] for place in places] if cells else [""] * len(places)
            why = words.get(row.reason, row.reason)
            column = column_of(row.column, taken)
            yield [row.line, f"{column}: {why}" if column else why, *own, "" if cells else _shown(row.raw)]

    return [LINE, REASON, *(job.columns[place] for place in places), ROW], rows()


def _cells(row: ImportRejection, job: Import) -> list[str]:
    """The row's cells under the file's columns; none where nobody can tell, or where not all of it was kept."""
    if row.reason in UNPARTED or len(row.raw) >= LONGEST_RAW:
        return []
    try:
        (cells,) = csv.reader([row.raw], delimiter=job.delimiter, strict=True)
    except (csv.Error, ValueError):
        return []
    width = len(job.columns)
    return [_shown(cell) for cell in cells[:width]] if len(cells) >= width else []


def _shown(text: str) -> str:
    """The text without what no file may hold; the mark that stands for it is refused as what it was."""
    return CONTROL.sub("\ufffd", text.rstrip("\r\n"))


def _ndjson(job: Import, words: dict[str, str]) -> Iterator[bytes]:
    for row in _rejections(job):
        said = {LINE: row.line, REASON: words.get(row.reason, row.reason)}
        known = _object(row)
        written = said | ({ROW: _shown(row.raw)} if known is None else known)
        yield (json.dumps(written, ensure_ascii=True) + "\n").encode()


def _object(row: ImportRejection) -> dict[str, Any] | None:
    try:
        found = json.loads(row.raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
