"""Imports: a job takes a file's people in chunk by chunk and can be killed at any moment.

The position is committed with the rows, so a job goes on behind the last committed chunk, and the same file twice
changes nothing. Handing in is `import_intake`, reading `csv_reader`, rows are `import_rows`, writing is `import_chunk`.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Final

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from outreach.audience import file_jobs
from outreach.audience.csv_reader import Record, read_records
from outreach.audience.import_chunk import Chunk, ReadChunk, Rejection, Tally, read_chunk
from outreach.audience.import_columns import may_say
from outreach.audience.import_intake import forget_unconfirmed, format_of, rejection, stored_file
from outreach.audience.import_lines import Lines, Place
from outreach.audience.import_reasons import ROW_REASONS, BadRow, UnreadableFile
from outreach.audience.import_rows import ImportRow, row_maker
from outreach.audience.import_terms import given_at, needs_of
from outreach.audience.models import Import, ImportRejection
from outreach.core import clock
from outreach.core.database import COMMIT_LATER
from outreach.core.spreadsheet import csv_rows
from outreach.core.vocabulary import JobState

logger = logging.getLogger(__name__)

CHUNK: Final = 10_000
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

Progress = Callable[[Import], None]


class LostImport(Exception):
    """Another worker went on with this import: what this one has in hand is not committed."""


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
    """Queue again the jobs that nobody works on: whose message was lost, or whose worker died. Return how many.

    Files that nobody confirmed are forgotten, and those that a killed process left behind.
    """
    forget_unconfirmed()
    waiting = Import.objects.filter(state__in=[JobState.RECEIVED, JobState.QUEUED, JobState.RUNNING])
    file_jobs.sweep((Path(settings.DATA) / "imports").glob("[0-9]*"), {stored_file(job) for job in waiting})
    return file_jobs.resume(Import.objects.all(), "outreach.run_import")


def rejections_csv(job: Import) -> Iterator[str]:
    """Yield the rejected rows as lines of CSV: line, column, code, reason in words, and the row itself."""
    yield "\ufeff" + csv_rows([["line", "column", "reason", "message", "row"]])
    rows = ImportRejection.objects.filter(job=job).order_by("line")
    for row in rows.iterator(chunk_size=2_000):
        yield csv_rows([[row.line, row.column, row.reason, reason_text(row.reason), row.raw.rstrip("\r\n")]])


def reason_text(reason: str) -> str:
    """The sentence for a rejected row's code."""
    return str(ROW_REASONS.get(reason, reason))


def _claimed(import_id: int) -> Import | None:
    if not file_jobs.claim(Import.objects.all(), import_id):
        return None
    return Import.objects.select_related("organisation", "topic").get(pk=import_id)


def _no_progress(_job: Import) -> None:
    return


def _take_all(job: Import, file: IO[bytes], on_progress: Progress) -> None:
    """Commit chunk after chunk; the next one is read, and its lines made, while the database is busy with this one."""
    form = format_of(job)
    zone = job.organisation.timezone
    make = row_maker(form, zone=zone, now=clock.now(), mapping=job.mapping, needs=needs_of(job))
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
            rejected.append(rejection(record, err))
    return rows, rejected


def _commit_chunk(job: Import, chunk: ReadChunk) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(COMMIT_LATER)
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
        source=job.evidence.get("consent_source", "import"),
        text_version=job.evidence.get("consent_text_version", ""),
        given_at=given_at(job),
        known=job.known,
        has_frequencies=may_say(format_of(job), job.mapping, "frequency"),
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
        lease_until=clock.now() + file_jobs.LEASE,
    )
    if moved != 1:
        raise LostImport


def _end(job: Import, state: JobState, *, trouble: str = "") -> None:
    read = job.file_size if state == JobState.DONE else job.bytes_read
    mine = Import.objects.filter(pk=job.pk, rows=job.rows)
    file_jobs.end(mine, stored_file(job), state, bytes_read=read, trouble=trouble)
    job.refresh_from_db()
