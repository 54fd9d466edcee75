"""What an import leaves behind so that it can be taken back: the ids that it gave out, and what it laid over what.

Of people whom it made a run of ids says everything. Only of people known before it keeps what they were, for `KEPT`;
an erasure takes that with it (`forget_traces`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from django.db import models
from django.db.models.functions import Now

from outreach.audience.models import Import, Subscriber
from outreach.audience.undo_rules import in_words
from outreach.core import clock
from outreach.core.models import Organisation
from outreach.core.vocabulary import JobState

#: How long an import can be taken back.
KEPT: Final = timedelta(days=30)


class ImportMade(models.Model):
    """A run of ids, each of a person whom the import made, or of nobody."""

    job = models.ForeignKey(Import, on_delete=models.CASCADE, db_index=False, related_name="+")
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    #: Written behind the people in the same transaction: what of them is newer somebody else did.
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "first_id"], name="import_made_once")]

    def __str__(self) -> str:
        return f"{self.first_id}-{self.last_id}"


class ImportChange(models.Model):
    """What one chunk of an import changed of a person known before."""

    pk = models.CompositePrimaryKey("job_id", "subscriber_id", "row")
    job = models.ForeignKey(Import, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    #: Line of the chunk's first row: later chunks have later ones.
    row = models.BigIntegerField()
    #: `{"fields": {name: [before, after]}, "attributes": the same, "frequencies": the same by channel, "addresses":
    #: [[channel, normalised]], "channels": [...]}`: what was laid over, which addresses came, by which channels the
    #: person was subscribed.
    made = models.JSONField(default=dict)
    #: `Subscriber.updated_at` as the import set it.
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.job_id} {self.subscriber_id}"


class ImportUndo(models.Model):
    """An import on its way back: a job with progress, resumable by person."""

    job = models.OneToOneField(Import, on_delete=models.CASCADE, primary_key=True, related_name="undo")
    created_by = models.ForeignKey("outreach.User", on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    #: The last person done, by id.
    after = models.BigIntegerField(default=0)
    #: As `undo_rules.COUNTS` names them.
    counts = models.JSONField(default=dict)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"undo of import {self.job_id}"

    @property
    def in_words(self) -> list[tuple[str, int]]:
        return in_words(self.counts)


def runs_of(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ascending ids as runs without gaps; there are several where others took ids at the same moment."""
    if not ids:
        return
    if ids[-1] - ids[0] == len(ids) - 1:
        yield ids[0], ids[-1]
        return
    first = last = ids[0]
    for one in ids[1:]:
        if one != last + 1:
            yield first, last
            first = one
        last = one
    yield first, last


def made_of(
    *,
    stored: dict[str, Any],
    changes: dict[str, Any],
    attributes: dict[str, Any],
    frequencies: dict[str, list[int | None]],
    addresses: list[tuple[str, str]],
    channels: list[str],
) -> dict[str, Any]:
    """What `ImportChange.made` says; {} where nothing was changed."""
    known = stored["attributes"]
    made = {
        "fields": {name: [stored[name], value] for name, value in changes.items()},
        "attributes": {name: [known.get(name), value] for name, value in attributes.items()},
        "frequencies": frequencies,
        "addresses": addresses,
        "channels": channels,
    }
    return {name: said for name, said in made.items() if said}


def forget_traces(organisation: Organisation, subscriber_ids: Sequence[int]) -> None:
    """Forget what these people were before imports: by the key of each import, there is no index on the person."""
    jobs = Import.objects.filter(organisation=organisation).values("pk")
    ImportChange.objects.filter(job__in=jobs, subscriber__in=subscriber_ids).delete()


def forget_old_traces() -> int:
    """Forget what imports left behind that can no longer be taken back, and are not just now; how many there were."""
    under_way = (JobState.QUEUED, JobState.RUNNING)
    old = Import.objects.filter(finished_at__lt=clock.now() - KEPT).exclude(undo__state__in=under_way).values("pk")
    changes, _each = ImportChange.objects.filter(job__in=old).delete()
    made, _each = ImportMade.objects.filter(job__in=old).delete()
    return changes + made
