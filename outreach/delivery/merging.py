"""People, where messages are concerned: merging two records leaves what was sent in the ledger under its own id, and
whom somebody wrote to an import that is taken back does not take out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from outreach.audience.merging import on_merge
from outreach.audience.undo_people import holds
from outreach.campaigns.models import Run
from outreach.core.errors import StateConflict
from outreach.core.vocabulary import OPEN, RunKind
from outreach.delivery.models import Delivery, Notice


def follow_merge(gone: int, kept: int) -> None:
    """Have the notices to a person be those of the record that is kept.

    Raises:
        StateConflict: a message to the record that goes is on its way: it would be skipped.
    """
    named = Notice.objects.filter(subscriber=gone)
    waiting = Q(target=f"s:{gone}") | Q(target__in=[f"n:{key}" for key in named.values_list("pk", flat=True)])
    # By the ledger's unique key, run by run: there is no other index.
    runs = list(Run.objects.filter(finished_at=None).values_list("pk", flat=True))
    if Delivery.objects.filter(waiting, run__in=runs, state__in=OPEN).exists():
        raise StateConflict(_("A message to this person is on its way. Try again when it has left."))
    named.update(subscriber=kept)


def written_to(ids: Collection[int], since: datetime) -> set[int]:
    """To whom of these people a message has a row in the ledger, of runs that went on since then."""
    recent = Q(finished_at=None) | Q(finished_at__gte=since)
    # Notices are asked below, and there may be a run of each.
    runs = Run.objects.filter(recent, kind__in=(RunKind.CAMPAIGN, RunKind.DIGEST)).values_list("pk", flat=True)
    targets = [f"s:{one}" for one in ids]
    found = Delivery.objects.filter(run__in=list(runs), target__in=targets).values_list("target", flat=True)
    named = Notice.objects.filter(subscriber__in=ids).values_list("subscriber", flat=True)
    return {int(target[2:]) for target in found} | {key for key in named if key is not None}


def register() -> None:
    """Have merges, and imports that are taken back, come by here; once, at start-up."""
    if written_to not in holds:
        holds.append(written_to)
    if follow_merge not in on_merge:
        on_merge.append(follow_merge)
