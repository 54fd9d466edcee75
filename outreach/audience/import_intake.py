"""Imports, handed in: a file is looked at, kept as a job, and started at once or when its columns are confirmed.

Nobody's data is stored as a person here: `imports` does that, when a worker runs the job.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from django.conf import settings
from django.db import transaction

from outreach.audience import file_jobs
from outreach.audience.csv_reader import MENDING, MOST_COLUMNS, WORKBOOK, FileFormat, Record, inspect_file, read_records
from outreach.audience.import_chunk import LONGEST_RAW, Rejection
from outreach.audience.import_columns import check_mapping, propose, taken_for
from outreach.audience.import_reasons import BadRow, UnreadableFile
from outreach.audience.import_rows import ImportRow, row_maker
from outreach.audience.import_terms import Terms, check_terms
from outreach.audience.models import Import, Topic
from outreach.audience.profile import LONGEST_ATTRIBUTE_NAME
from outreach.audience.workbook import is_workbook, write_csv
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, NotFound, StateConflict
from outreach.core.queue import enqueue
from outreach.core.vocabulary import JobState, Permission

#: How many rows a preview shows, how many it tries, and how many of the bad ones it names.
SHOWN: Final = 5
TRIED: Final = 1_000
NAMED: Final = 20
#: Characters of a cell that a preview shows.
LONGEST_SHOWN: Final = 200
#: How long a file waits to be confirmed: people's data does not lie about.
PATIENCE: Final = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class SeenRow:
    """A row as it stands in the file; `column` and `reason` say what is wrong with it, in the file's own words."""

    line: int
    cells: list[str]
    column: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a file would be taken for, before anybody is taken in."""

    form: FileFormat
    #: Column -> what it is taken for: a word of `import_columns.WORDS`. Of NDJSON, the keys of its first objects.
    columns: dict[str, str]
    #: The first rows as they stand there.
    first: list[SeenRow]
    #: What the first good ones become.
    rows: list[ImportRow]
    #: The first bad ones, as an import would reject them, and as they stand there.
    problems: list[Rejection]
    bad: list[SeenRow]
    #: How many rows were tried.
    tried: int
    #: How many of them are bad.
    faults: int


def preview(file: IO[bytes], *, zone: str = "Europe/Sofia", mapping: Mapping[str, str] | None = None) -> Preview:
    """Say how the file is read and what its first rows become; stores nothing.

    Raises:
        Invalid: the file cannot be read at all, or the mapping makes no sense for it.
    """
    with _as_text(file) as (text, form):
        chosen = _chosen(text, form, mapping)
        return look(text, form, zone=zone, mapping=chosen)


def preview_job(job: Import, mapping: Mapping[str, str] | None = None) -> Preview:
    """`preview` of a file that waits to be confirmed.

    Raises:
        Invalid: the file is not there any more.
    """
    try:
        with stored_file(job).open("rb") as file:
            return look(file, format_of(job), zone=job.organisation.timezone, mapping=mapping or job.mapping)
    except FileNotFoundError as err:
        raise _invalid(UnreadableFile("missing")) from err


def look(file: IO[bytes], form: FileFormat, *, zone: str, mapping: Mapping[str, str]) -> Preview:
    """Try the first rows of a file whose mapping makes sense."""
    make = row_maker(form, zone=zone, now=clock.now(), mapping=mapping)
    keys: dict[str, None] = dict.fromkeys(filter(None, form.columns))
    first: list[Record] = []
    rows: list[ImportRow] = []
    bad: list[tuple[Record, BadRow]] = []
    tried = faults = 0
    for record in islice(read_records(file, form), TRIED):
        tried += 1
        keys |= dict.fromkeys(_new_keys(record, keys))
        if len(first) < SHOWN:
            first.append(record)
        try:
            row = make(record)
        except BadRow as err:
            faults += 1
            if len(bad) < NAMED:
                bad.append((record, err))
        else:
            if len(rows) < SHOWN:
                rows.append(row)
    columns = {column: taken_for(column, mapping) for column in keys}
    return Preview(
        form=form,
        columns=columns,
        first=[_seen(record, form, columns) for record in first],
        rows=rows,
        problems=[rejection(record, err) for record, err in bad],
        bad=[_seen(record, form, columns, err) for record, err in bad],
        tried=tried,
        faults=faults,
    )


def receive_import(
    actor: Actor,
    topic: Topic,
    file: IO[bytes],
    file_name: str,
    *,
    terms: Terms | None = None,
    is_confirmed: bool = True,
) -> Import:
    """Check and keep a file as a job of the actor's organisation; nothing runs yet.

    A file that is not confirmed waits for `confirm_import`, which says the terms; what its columns hold is proposed.

    Raises:
        Invalid: the file cannot be read, is too large, or has no column with addresses.
        NotFound: the topic is of an organisation beside this one.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    if not (actor.organisation.contains(topic.organisation) or topic.organisation.contains(actor.organisation)):
        raise NotFound
    if file.seek(0, io.SEEK_END) > settings.IMPORT_MAX_BYTES:
        raise _invalid(UnreadableFile("too_large"))
    with _as_text(file) as (text, form), transaction.atomic():
        said = (terms or Terms()).mapping or {} if is_confirmed else _said_before(actor, form)
        job = Import.objects.create(
            organisation=actor.organisation,
            topic=topic,
            created_by=actor.user,
            file_name=file_jobs.shown_name(file_name, default="import"),
            file_size=text.seek(0, io.SEEK_END),
            encoding=form.encoding,
            delimiter=form.delimiter,
            columns=list(form.columns),
            mapping=_chosen(text, form, said),
            **_as_columns(actor, form, terms),
            state=JobState.QUEUED if is_confirmed else JobState.RECEIVED,
        )
        audit.record(actor, "import.received", job, topic=topic.slug, bytes=job.file_size)
        file_jobs.keep(text, stored_file(job))
    return job


def start_import(actor: Actor, topic: Topic, file: IO[bytes], file_name: str, *, terms: Terms | None = None) -> Import:
    """Receive a file and have a worker take it in.

    Raises:
        Invalid: the file cannot be read, is too large, or has no column with addresses.
    """
    job = receive_import(actor, topic, file, file_name, terms=terms)
    enqueue("outreach.run_import", job.pk)
    return job


def confirm_import(actor: Actor, job: Import, terms: Terms) -> None:
    """Have a worker take in a file that waited, on these terms.

    Raises:
        Invalid: the terms make no sense for the file, or lack evidence.
        StateConflict: the file does not wait any more.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    said = _as_columns(actor, format_of(job), terms) | {"mapping": dict(terms.mapping or {})}
    with transaction.atomic():
        waiting = Import.objects.filter(pk=job.pk, state=JobState.RECEIVED)
        if waiting.update(state=JobState.QUEUED, **said) != 1:
            raise StateConflict
        audit.record(actor, "import.confirmed", job, opt_in=terms.is_opt_in, known=terms.known)
        enqueue("outreach.run_import", job.pk)


def discard_import(actor: Actor, job: Import) -> None:
    """Forget a file that waited: nobody of it was taken in.

    Raises:
        StateConflict: the file does not wait any more.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    with transaction.atomic():
        audit.record(actor, "import.discarded", job)
        if not _forget(job):
            raise StateConflict


def forget_unconfirmed() -> int:
    """Forget files that nobody confirmed within a day; return how many."""
    found = Import.objects.filter(state=JobState.RECEIVED, created_at__lt=clock.now() - PATIENCE)
    return sum(_forget(job) for job in found)


def format_of(job: Import) -> FileFormat:
    """What was found out about a job's file when it was handed in."""
    return FileFormat(encoding=job.encoding, delimiter=job.delimiter, columns=tuple(job.columns))


def stored_file(job: Import) -> Path:
    """Where the file lies while its job is not done: by id, since its name is the sender's."""
    return Path(settings.DATA) / "imports" / str(job.pk)


def rejection(record: Record, error: BadRow) -> Rejection:
    """A row that is not taken, as it is kept."""
    return Rejection(line=record.line, reason=error.reason, column=error.column, raw=record.raw[:LONGEST_RAW])


def column_of(field: str, columns: Mapping[str, str]) -> str:
    """The file's own name of the column that fills this field; of an attribute it is the attribute's."""
    return next((column for column, word in columns.items() if word == field), field)


def _forget(job: Import) -> bool:
    path = stored_file(job)
    deleted, _rows = Import.objects.filter(pk=job.pk, state=JobState.RECEIVED).delete()
    if deleted:
        with suppress(FileNotFoundError):
            path.unlink()
    return bool(deleted)


@contextmanager
def _as_text(file: IO[bytes]) -> Iterator[tuple[IO[bytes], FileFormat]]:
    """The file, or the CSV that its workbook's rows are written as, and what was found out about it."""
    with TemporaryFile() as rows:
        try:
            if is_workbook(file):
                write_csv(file, rows)
                yield rows, inspect_file(rows, known=WORKBOOK)
            else:
                yield file, inspect_file(file)
        except UnreadableFile as err:
            raise _invalid(err) from err


def _as_columns(actor: Actor, form: FileFormat, terms: Terms | None) -> dict[str, Any]:
    """The terms as a job keeps them, the mapping apart; checked."""
    if terms is None:
        return {}
    check_terms(form, terms, zone=actor.organisation.timezone)
    return {"is_opt_in": terms.is_opt_in, "evidence": terms.evidence(), "known": terms.known}


def _chosen(file: IO[bytes], form: FileFormat, mapping: Mapping[str, str] | None) -> dict[str, str]:
    """The mapping, if it makes sense; a proposal where there is none."""
    if mapping:
        check_mapping(form, mapping)
    elif mapping is None:
        mapping = propose(form.columns, [record.cells for record in islice(read_records(file, form), SHOWN)])
    row_maker(form, zone="UTC", now=clock.now(), mapping=mapping)  # refuses what has no addresses
    return dict(mapping)


def _said_before(actor: Actor, form: FileFormat) -> dict[str, str] | None:
    """What the columns of mended rows were taken for in the file that they are of."""
    if not {*MENDING} <= {*form.columns}:
        return None
    own = [column for column in form.columns if column not in MENDING]
    past = Import.objects.filter(organisation=actor.organisation, columns=own).exclude(mapping={})
    return past.order_by("-pk").values_list("mapping", flat=True).first()


def _new_keys(record: Record, known: Mapping[str, None]) -> Iterable[str]:
    """Keys of an object that no object before had, as far as they can be columns."""
    room = MOST_COLUMNS - len(known)
    fresh = (key for key in record.values or () if key not in known and key != "attributes")
    return islice((key for key in fresh if key.isprintable() and 0 < len(key) <= LONGEST_ATTRIBUTE_NAME), room)


def _seen(record: Record, form: FileFormat, columns: Mapping[str, str], error: BadRow | None = None) -> SeenRow:
    if record.fault:
        cells = [record.raw.rstrip("\r\n")]
    elif record.values is not None:
        cells = ["" if record.values.get(key) is None else str(record.values[key]) for key in columns]
    else:
        cells = [cell for cell, column in zip(record.cells, form.columns, strict=True) if column]
    return SeenRow(
        line=record.line,
        cells=[cell.strip()[:LONGEST_SHOWN] for cell in cells],
        column=column_of(error.column, columns) if error else "",
        reason=error.reason if error else "",
    )


def _invalid(error: UnreadableFile) -> Invalid:
    return Invalid({"file": [error.message]})
