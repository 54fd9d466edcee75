"""Imports: a file handed in becomes a job; the job takes people in chunk by chunk and can be killed at any moment.

The position is committed with the rows, so a job goes on behind the last committed chunk, and the same file twice
changes nothing. Reading is `csv_reader`, rows are `import_rows`, writing is `import_chunk`.
"""

from __future__ import annotations

import gc
import io
import logging
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Final

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q

from outreach.audience.csv_reader import FileFormat, Record, inspect_file, read_records
from outreach.audience.import_chunk import LONGEST_RAW, Chunk, ReadChunk, Rejection, Tally, read_chunk
from outreach.audience.import_lines import Lines, Place
from outreach.audience.import_reasons import ROW_REASONS, BadRow, UnreadableFile
from outreach.audience.import_rows import ImportRow, meaning, row_maker
from outreach.audience.models import Import, ImportRejection, Topic
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, NotFound
from outreach.core.queue import enqueue
from outreach.core.spreadsheet import csv_rows
from outreach.core.vocabulary import JobState, Permission

logger = logging.getLogger(__name__)

CHUNK: Final = 10_000
LEASE: Final = timedelta(seconds=60)
#: Seconds that one thread of an import keeps the other waiting.
TURN: Final = 0.0003
#: Part of the people whom the planner knows of above which it is told of new ones: PostgreSQL's own default.
GROWTH: Final = 0.1
KNOWN_PEOPLE: Final = "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'outreach_subscriber'::regclass"
#: What selections compare; a tenth of the usual sample is enough until the database looks for itself.
ANALYZE: Final = """
SET LOCAL default_statistics_target = 10;
ANALYZE outreach_subscriber (id, organisation_id, kind, language, erased_at),
    outreach_address (subscriber_id, channel, state, digest),
    outreach_subscription (subscriber_id, topic_id, channel, state)
"""
#: How often a chunk is tried when somebody else takes in the same address at the same moment.
TRIES: Final = 3
PREVIEW_ROWS: Final = 5

Progress = Callable[[Import], None]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a file would be taken for, before anything is stored."""

    form: FileFormat
    #: Column -> the field it fills, '' for an attribute.
    columns: dict[str, str]
    rows: list[ImportRow]
    problems: list[Rejection]


class LostImport(Exception):
    """Another worker went on with this import: what this one has in hand is not committed."""


def preview(file: IO[bytes], *, zone: str = "Europe/Sofia") -> Preview:
    """Say how the file is read and what its first rows become; stores nothing.

    Raises:
        Invalid: the file cannot be read at all.
    """
    form = _inspected(file)
    make = row_maker(form, zone=zone, now=clock.now())
    rows, problems = _sorted_out(islice(read_records(file, form), PREVIEW_ROWS), make)
    columns = {column: meaning(column) for column in form.columns if column}
    return Preview(form=form, columns=columns, rows=rows, problems=problems)


def receive_import(actor: Actor, topic: Topic, file: IO[bytes], file_name: str) -> Import:
    """Check and keep a file as a job of the actor's organisation; nothing runs yet.

    Raises:
        Invalid: the file cannot be read, is too large, or has no column with addresses.
        NotFound: the topic is of an organisation beside this one.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    if not (actor.organisation.contains(topic.organisation) or topic.organisation.contains(actor.organisation)):
        raise NotFound
    size = file.seek(0, io.SEEK_END)
    if size > settings.IMPORT_MAX_BYTES:
        raise _invalid(UnreadableFile("too_large"))
    file.seek(0)
    form = _inspected(file)
    with transaction.atomic():
        job = Import.objects.create(
            organisation=actor.organisation,
            topic=topic,
            created_by=actor.user,
            file_name=_shown_name(file_name),
            file_size=size,
            encoding=form.encoding,
            delimiter=form.delimiter,
            columns=list(form.columns),
        )
        audit.record(actor, "import.received", job, topic=topic.slug, bytes=size)
        _keep(file, job)
    return job


def start_import(actor: Actor, topic: Topic, file: IO[bytes], file_name: str) -> Import:
    """Receive a file and have a worker take it in.

    Raises:
        Invalid: the file cannot be read, is too large, or has no column with addresses.
    """
    job = receive_import(actor, topic, file, file_name)
    enqueue("outreach.run_import", job.pk)
    return job


def run_import(import_id: int, *, on_progress: Progress | None = None) -> None:
    """Take a job's rows in until its file ends; does nothing where another worker has it or it has ended.

    A worker that dies leaves a job whose lease runs out; the next one goes on behind the last committed chunk.
    """
    job = _claimed(import_id)
    if job is None:
        return
    try:
        with stored_file(job).open("rb") as file:
            _take_all(job, file, on_progress or _no_progress)
    except FileNotFoundError:
        _end(job, JobState.FAILED, trouble=str(UnreadableFile("missing").message))
    except UnreadableFile as err:
        _end(job, JobState.FAILED, trouble=str(err.message))
    except LostImport:
        logger.info("Another worker went on with import %s", import_id, extra={"action": "import", "import": import_id})
        return
    else:
        _end(job, JobState.DONE)
    (on_progress or _no_progress)(job)


def resume_imports() -> int:
    """Queue again the jobs that nobody works on: whose message was lost, or whose worker died. Return how many."""
    now = clock.now()
    waiting = Q(state=JobState.QUEUED, created_at__lt=now - LEASE)
    orphaned = Q(state=JobState.RUNNING, lease_until__lt=now)
    found = list(Import.objects.filter(waiting | orphaned).values_list("pk", flat=True))
    for import_id in found:
        enqueue("outreach.run_import", import_id)
    return len(found)


def rejections_csv(job: Import) -> Iterator[str]:
    """Yield the rejected rows as lines of CSV: line, column, code, reason in words, and the row itself."""
    yield "\ufeff" + csv_rows([["line", "column", "reason", "message", "row"]])
    rows = ImportRejection.objects.filter(job=job).order_by("line")
    for row in rows.iterator(chunk_size=2_000):
        yield csv_rows([[row.line, row.column, row.reason, reason_text(row.reason), row.raw.rstrip("\r\n")]])


def reason_text(reason: str) -> str:
    """The sentence for a rejected row's code."""
    return str(ROW_REASONS.get(reason, reason))


def stored_file(job: Import) -> Path:
    """Where the file lies while its job is not done: by id, since its name is the sender's."""
    return Path(settings.DATA) / "imports" / str(job.pk)


def _inspected(file: IO[bytes]) -> FileFormat:
    try:
        form = inspect_file(file)
        row_maker(form, zone="UTC", now=clock.now())
    except UnreadableFile as err:
        raise _invalid(err) from err
    return form


def _invalid(error: UnreadableFile) -> Invalid:
    return Invalid({"file": [error.message]})


def _shown_name(file_name: str) -> str:
    """The last part of a name, from whatever system; it is shown and never a path. What cannot be printed goes."""
    last = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(character for character in last if character.isprintable())[:255]
    return name if name.strip(". ") else "import"


def _keep(file: IO[bytes], job: Import) -> None:
    path = stored_file(job)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.seek(0)
    with path.open("wb") as kept:
        shutil.copyfileobj(file, kept, 1 << 20)


def _claimed(import_id: int) -> Import | None:
    now = clock.now()
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lt=now)
    mine = Import.objects.filter(free, pk=import_id).update(state=JobState.RUNNING, lease_until=now + LEASE)
    if mine != 1:
        return None
    return Import.objects.select_related("organisation", "topic").get(pk=import_id)


def _no_progress(_job: Import) -> None:
    return


def _take_all(job: Import, file: IO[bytes], on_progress: Progress) -> None:
    """Commit chunk after chunk; the next one is read, and its lines made, while the database is busy with this one."""
    form = FileFormat(encoding=job.encoding, delimiter=job.delimiter, columns=tuple(job.columns))
    make = row_maker(form, zone=job.organisation.timezone, now=clock.now())
    records = islice(read_records(file, form), job.rows, None)
    lines = Lines(_place(job))

    def read() -> ReadChunk:
        rows, rejected = _sorted_out(islice(records, CHUNK), make)
        return read_chunk(lines, rows, rejected, position=min(file.tell(), job.file_size))

    with ThreadPoolExecutor(1, thread_name_prefix="import") as reader, _no_collector(), _quick_turns():
        chunk = reader.submit(read).result()
        while not chunk.is_end:
            following = reader.submit(read)
            _commit_chunk(job, chunk)
            on_progress(job)
            chunk = following.result()
    _tell_the_planner(job)


def _tell_the_planner(job: Import) -> None:
    """Have the database look at tables that grew by a tenth. It would by itself within a minute or two; until then it
    takes a hundred thousand new people for one, and a review right after the import would compare each with each."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(KNOWN_PEOPLE)
        if job.created > GROWTH * cursor.fetchone()[0]:
            cursor.execute(ANALYZE)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Rows hold no cycles, so counting references frees them. The collector would walk over all of them, and over the
    whole program with them, a few times a chunk: a fifth of an import's time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Whoever speaks with the database has nearly nothing to do but to hand on lines, and would wait 5 ms for its turn
    after each of them while the other thread makes lines: half of an import's time on two cores."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _sorted_out(
    records: Iterable[Record], make: Callable[[Record], ImportRow]
) -> tuple[list[ImportRow], list[Rejection]]:
    rows, rejected = [], []
    for record in records:
        try:
            rows.append(make(record))
        except BadRow as err:
            raw = record.raw[:LONGEST_RAW]
            rejected.append(Rejection(line=record.line, reason=err.reason, column=err.column, raw=raw))
    return rows, rejected


def _commit_chunk(job: Import, chunk: ReadChunk) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                tally = Chunk(chunk).run()
                _move_on(job, tally, position=chunk.position)
        except IntegrityError:
            # Somebody took in one of these addresses between our look and our write: the next look finds it.
            if attempt == TRIES:
                raise
        else:
            job.refresh_from_db(fields=["rows", "created", "updated", "unchanged", "rejected", "bytes_read"])
            return


def _place(job: Import) -> Place:
    return Place(
        job=job.pk,
        organisation=job.organisation_id,
        topic=job.topic_id,
        language=job.organisation.language,
        handed_in=job.created_at,
    )


def _move_on(job: Import, tally: Tally, *, position: int) -> None:
    """Count the chunk and renew the lease, only from where we stood: the position is the fence."""
    moved = Import.objects.filter(pk=job.pk, state=JobState.RUNNING, rows=job.rows).update(
        rows=F("rows") + tally.rows,
        created=F("created") + tally.created,
        updated=F("updated") + tally.updated,
        unchanged=F("unchanged") + tally.unchanged,
        rejected=F("rejected") + tally.rejected,
        bytes_read=position,
        lease_until=clock.now() + LEASE,
    )
    if moved != 1:
        raise LostImport


def _end(job: Import, state: JobState, *, trouble: str = "") -> None:
    read = job.file_size if state == JobState.DONE else job.bytes_read
    ended = Import.objects.filter(pk=job.pk, state=JobState.RUNNING, rows=job.rows).update(
        state=state, trouble=trouble, bytes_read=read, lease_until=None, finished_at=clock.now()
    )
    if ended == 1:
        # People's data does not lie about: what was not taken is in the rejections.
        with suppress(FileNotFoundError):
            stored_file(job).unlink()
    job.refresh_from_db()
