"""Lists of whom not to write to, as files: e-mail addresses, numbers or hashes, in columns or one a line.

A file handed in becomes a job, which takes it in chunk by chunk and can be killed at any moment: the position is
committed with the entries, and the same file twice changes nothing. Of a line that cannot be taken its number and the
reason are kept, not its text: what is in it may be somebody's address.
"""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from outreach.audience import file_jobs
from outreach.audience.csv_reader import FileFormat
from outreach.audience.import_reasons import UnreadableFile
from outreach.audience.listed_lines import Line, inspect_list, read_list
from outreach.audience.suppression_list import LONGEST_NOTE, keeper_permission
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation, OwnedQuerySet
from outreach.core.queue import enqueue
from outreach.core.vocabulary import Channel, JobState, SuppressionReason, SuppressionSource

CHUNK: Final = 5_000
#: Null organisation or not, an entry that is there stays as it is.
INSERT: Final = """
INSERT INTO outreach_suppression (organisation_id, channel, digest, reason, source, note, created_by_id, created_at)
SELECT %(organisation)s, u.channel, u.digest, %(reason)s, %(source)s, %(note)s, %(user)s, clock_timestamp()
FROM unnest(%(channels)s::text[], %(digests)s::bytea[]) AS u (channel, digest)
ON CONFLICT DO NOTHING
RETURNING channel, digest
"""


class SuppressionImport(models.Model):
    """A list on its way in: a job with progress, resumable by line."""

    objects = OwnedQuerySet["SuppressionImport"].as_manager()

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    created_by = models.ForeignKey("outreach.User", on_delete=models.SET_NULL, null=True, related_name="+")
    file_name = models.CharField(max_length=255)
    file_size = models.BigIntegerField()
    encoding = models.CharField(max_length=20)
    delimiter = models.CharField(max_length=2, blank=True)
    columns = models.JSONField(default=list)
    #: Channel of hashes whose line does not say.
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: Why, for each entry.
    note = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    trouble = models.TextField(default="", blank=True)
    #: Lines read so far: rows = added + known + rejected.
    rows = models.BigIntegerField(default=0)
    added = models.BigIntegerField(default=0)
    known = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.file_name

    @property
    def share(self) -> float:
        """How much of the file is read, 0 to 1."""
        return self.bytes_read / self.file_size if self.file_size else 0.0


class SuppressionRejection(models.Model):
    """A line of a list that was not taken, and why."""

    job = models.ForeignKey(SuppressionImport, on_delete=models.CASCADE, related_name="rejections")
    line = models.BigIntegerField()
    #: Code of `import_reasons.ROW_REASONS`.
    reason = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "line"], name="suppression_rejection_once")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


def start_suppression_import(
    actor: Actor, file: IO[bytes], file_name: str, *, channel: str = Channel.EMAIL, note: str = ""
) -> SuppressionImport:
    """Keep a list as a job of the actor's organisation, and have a worker take it in.

    Raises:
        Invalid: the file cannot be read, is too large, or names no address.
        Forbidden: the list holds for others, too, and the actor is no administrator.
    """
    actor.require(keeper_permission(actor.organisation))
    if channel not in Channel.values:
        raise Invalid({"channel": [_("There is no such channel.")]})
    if len(note) > LONGEST_NOTE:
        raise Invalid({"note": [_("Use at most 200 characters.")]})
    size = file.seek(0, io.SEEK_END)
    try:
        form = inspect_list(file, size)
    except UnreadableFile as err:
        raise Invalid({"file": [err.message]}) from err
    with transaction.atomic():
        job: SuppressionImport = SuppressionImport.objects.create(
            organisation=actor.organisation,
            created_by=actor.user,
            file_name=file_jobs.shown_name(file_name, default="list"),
            file_size=size,
            encoding=form.encoding,
            delimiter=form.delimiter,
            columns=list(form.columns),
            channel=channel,
            note=note.strip(),
        )
        audit.record(actor, "suppressions.received", job, bytes=size)
        file_jobs.keep(file, kept_list(job))
        enqueue("outreach.run_suppression_import", job.pk)
    return job


def run_suppression_import(job_id: int) -> None:
    """Take a list in until its file ends; does nothing where another worker has it or it has ended."""
    if not file_jobs.claim(SuppressionImport.objects.all(), job_id):
        return
    job = SuppressionImport.objects.get(pk=job_id)
    try:
        with kept_list(job).open("rb") as file:
            ended = _take_all(job, file)
    except FileNotFoundError:
        _end(job, JobState.FAILED, trouble=str(UnreadableFile("missing").message))
    else:
        if ended:
            _end(job, JobState.DONE)


def resume_suppression_imports() -> int:
    """Queue again the jobs that nobody works on. Return how many. Files that a killed process left behind go."""
    waiting = SuppressionImport.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
    file_jobs.sweep((Path(settings.DATA) / "imports").glob("list-*"), {kept_list(job) for job in waiting})
    return file_jobs.resume(SuppressionImport.objects.all(), "outreach.run_suppression_import")


def kept_list(job: SuppressionImport) -> Path:
    """Where the file lies while its job is not done."""
    return Path(settings.DATA) / "imports" / f"list-{job.pk}"


def _take_all(job: SuppressionImport, file: IO[bytes]) -> bool:
    """Commit chunk after chunk; False where another worker went on with the job."""
    form = FileFormat(encoding=job.encoding, delimiter=job.delimiter, columns=tuple(job.columns))
    lines = islice(read_list(file, form, job.channel), job.rows, None)
    while chunk := list(islice(lines, CHUNK)):
        if not _take(job, chunk, position=min(file.tell(), job.file_size)):
            return False
        job.refresh_from_db()
    return True


@transaction.atomic
def _take(job: SuppressionImport, chunk: list[Line | tuple[int, str]], *, position: int) -> bool:
    """Write a chunk, counted from where we stood: the position is the fence."""
    lines = [one for one in chunk if isinstance(one, Line)]
    rejected = [one for one in chunk if not isinstance(one, Line)]
    added = _insert(job, lines)
    moved = SuppressionImport.objects.filter(pk=job.pk, state=JobState.RUNNING, rows=job.rows).update(
        rows=F("rows") + len(chunk),
        added=F("added") + added,
        known=F("known") + len(lines) - added,
        rejected=F("rejected") + len(rejected),
        bytes_read=position,
        lease_until=clock.now() + file_jobs.LEASE,
    )
    if moved != 1:
        transaction.set_rollback(True)
        return False
    SuppressionRejection.objects.bulk_create(
        SuppressionRejection(job=job, line=number, reason=reason) for number, reason in rejected
    )
    return True


def _insert(job: SuppressionImport, lines: list[Line]) -> int:
    """How many of the lines brought an address that was not on the list."""
    # In one order, so that two lists at once do not wait for each other in a ring.
    wanted = sorted({entry for line in lines for entry in line.entries})
    facts: dict[str, Any] = {
        "organisation": job.organisation_id,
        "reason": SuppressionReason.MANUAL.value,
        "source": SuppressionSource.LIST.value,
        "note": job.note,
        "user": job.created_by_id,
        "channels": [channel for channel, _digest in wanted],
        "digests": [digest for _channel, digest in wanted],
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERT, facts)
        fresh = {(channel, bytes(digest)) for channel, digest in cursor.fetchall()}
    added = 0
    for line in lines:
        added += not fresh.isdisjoint(line.entries)
        fresh.difference_update(line.entries)
    return added


def _end(job: SuppressionImport, state: JobState, *, trouble: str = "") -> None:
    read = job.file_size if state == JobState.DONE else job.bytes_read
    mine = SuppressionImport.objects.filter(pk=job.pk, rows=job.rows)
    file_jobs.end(mine, kept_list(job), state, bytes_read=read, trouble=trouble)
