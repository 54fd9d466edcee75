"""Taking back an import: first what that would do, then a job that does it, some people at a time.

Where it stands is committed with the people, so that it can be killed at any moment and is done once. What can be taken
back is `undo_rules`; how people are read and written is `undo_people`; what an import leaves for it is `import_trace`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, F, Max, Min, QuerySet, Sum
from django.utils.translation import gettext as _

from outreach.audience import file_jobs
from outreach.audience.import_trace import KEPT, ImportChange, ImportMade, ImportUndo
from outreach.audience.models import Import
from outreach.audience.undo_people import next_ids, read_people, write_steps
from outreach.audience.undo_rules import COUNTS, in_words, step_of
from outreach.core import audit, clock
from outreach.core.access import Actor, product_itself
from outreach.core.errors import StateConflict
from outreach.core.queue import enqueue
from outreach.core.vocabulary import JobState, Permission

#: People of one transaction.
BATCH: Final = 1_000
#: People that a look counts; of larger imports it looks at so many in so many places, and reckons.
MOST_LOOKED: Final = 10_000
PLACES: Final = 20


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """What taking back an import would do, or why it cannot be."""

    #: In words; '' where it can be.
    why_not: str
    #: By the words of `undo_rules.COUNTS`.
    counts: dict[str, int]
    #: Whether everybody was looked at.
    is_exact: bool

    @property
    def in_words(self) -> list[tuple[str, int]]:
        return in_words(self.counts)


def why_not(job: Import) -> str:
    """Why this import cannot be taken back, in words; '' where it can be."""
    if job.state not in (JobState.DONE, JobState.FAILED):
        return _("The import has not ended yet.")
    if ImportUndo.objects.filter(job=job).exists():
        return _("The import is taken back already.")
    if job.finished_at and job.finished_at < clock.now() - KEPT:
        return _("An import can be taken back for %(days)s days. What was there before it is forgotten by now.") % {
            "days": KEPT.days
        }
    if not _made(job).exists() and not _changed(job).exists():
        if job.created or job.updated:
            return _("This import is of before imports could be taken back: what it changed was not written down.")
        return _("The import changed nobody.")
    return ""


def look_ahead(job: Import) -> Prospect:
    """Say what taking back the import would do now; changes nothing."""
    reason = why_not(job)
    if reason:
        return Prospect(why_not=reason, counts=dict.fromkeys(COUNTS, 0), is_exact=True)
    total = _total(job)
    if total <= MOST_LOOKED:
        counts, after = Counter[str](), 0
        while ids := next_ids(job, after=after, most=BATCH):
            counts, after = counts + _counted(job, ids), ids[-1]
        return Prospect(why_not="", counts=_all(counts), is_exact=True)
    looked = Counter[str]()
    for after in _places(job):
        looked += _counted(job, next_ids(job, after=after, most=MOST_LOOKED // PLACES))
    share = total / max(looked["people"], 1)
    return Prospect(why_not="", counts=_all({word: round(n * share) for word, n in looked.items()}), is_exact=False)


def undo_import(actor: Actor, job: Import) -> ImportUndo:
    """Have a worker take the import back.

    Raises:
        StateConflict: it cannot be, and why.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    with transaction.atomic():
        Import.objects.select_for_update().get(pk=job.pk)
        if reason := why_not(job):
            raise StateConflict(reason)
        undo = ImportUndo.objects.create(job=job, created_by=actor.user)
        audit.record(actor, "import.undo_asked", job)
        enqueue("outreach.undo_import", job.pk)
    return undo


def undo_json(job: Import, undo: ImportUndo | Prospect) -> dict[str, Any]:
    """What taking an import back would do, or did so far."""
    if isinstance(undo, ImportUndo):
        said = {"state": undo.state, "why_not": "", "is_exact": True}
    else:
        said = {"state": None, "why_not": undo.why_not, "is_exact": undo.is_exact}
    return {"id": str(job.pk), **said, **_all(undo.counts)}


def run_undo(import_id: int) -> None:
    """Take an import back until nobody of it is left to look at; does nothing where another worker does, or did."""
    if not file_jobs.claim(ImportUndo.objects.all(), import_id):
        return
    job = Import.objects.select_related("organisation").get(pk=import_id)
    while _take_batch(job):
        pass


def resume_undos() -> int:
    """Queue again those that nobody works on; return how many."""
    return file_jobs.resume(ImportUndo.objects.all(), "outreach.undo_import")


@transaction.atomic
def _take_batch(job: Import) -> bool:
    """Take some people back and move on, only from where we stand; False at the end, or where another went on."""
    undo = ImportUndo.objects.select_for_update().get(pk=job.pk)
    if undo.state != JobState.RUNNING:
        return False
    ids = next_ids(job, after=undo.after, most=BATCH)
    if not ids:
        _end(job, undo)
        return False
    steps = [(person.id, step_of(person, job.topic_id)) for person in read_people(job, ids, is_locked=True)]
    write_steps(job, steps)
    counts = Counter(undo.counts)
    for _key, step in steps:
        counts.update(step.counts)
    undo.after, undo.counts = ids[-1], _all(counts)
    undo.lease_until = clock.now() + file_jobs.LEASE
    undo.save()
    return True


def _end(job: Import, undo: ImportUndo) -> None:
    undo.state, undo.finished_at, undo.lease_until = JobState.DONE, clock.now(), None
    undo.save()
    _changed(job).delete()
    _made(job).delete()
    audit.record(product_itself(job.organisation), "import.undone", job, **undo.counts)


def _counted(job: Import, ids: list[int]) -> Counter[str]:
    counts = Counter[str]()
    for person in read_people(job, ids, is_locked=False):
        counts.update(step_of(person, job.topic_id).counts)
    return counts


def _all(counts: dict[str, int]) -> dict[str, int]:
    return {word: counts.get(word, 0) for word in COUNTS}


def _made(job: Import) -> QuerySet[ImportMade]:
    return ImportMade.objects.filter(job=job)


def _changed(job: Import) -> QuerySet[ImportChange]:
    return ImportChange.objects.filter(job=job)


def _total(job: Import) -> int:
    """How many people it made or changed, nearly: ids that it did not use are few."""
    made = _made(job).aggregate(n=Sum(F("last_id") - F("first_id") + 1))["n"] or 0
    return int(made) + int(_changed(job).aggregate(n=Count("subscriber", distinct=True))["n"])


def _places(job: Import) -> list[int]:
    """Ids behind which to look, evenly over the import's people."""
    ends = [
        rows.aggregate(first=Min(low), last=Max(high))
        for rows, low, high in ((_made(job), "first_id", "last_id"), (_changed(job), "subscriber", "subscriber"))
    ]
    first = min(end["first"] for end in ends if end["first"] is not None)
    last = max(end["last"] for end in ends if end["last"] is not None)
    return [first - 1 + (last - first) * place // PLACES for place in range(PLACES)]
