"""Signs of life: somebody opened or clicked a message whose hand-over nobody confirmed, so it was handed over.

Machines count as well: a scanner can only look at what arrived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q

from outreach.core.vocabulary import OPEN, DeliveryState
from outreach.delivery.evidence import append_evidence
from outreach.delivery.models import Delivery


def take_signs_of_life(came_back: Iterable[tuple[int, int]]) -> int:
    """Append evidence for those of the deliveries (run, id) whose outcome is open; answer for how many."""
    by_run: dict[int, list[int]] = defaultdict(list)
    for run, delivery in came_back:
        by_run[run].append(delivery)
    doubtful = Q(state=DeliveryState.UNKNOWN) | Q(state__in=OPEN, uncertain=True)
    count = 0
    for run, deliveries in by_run.items():
        found = list(Delivery.objects.filter(doubtful, run=run, id__in=deliveries).values_list("id", flat=True))
        count += len(found)
        for delivery in found:
            append_evidence(run, delivery, kind="accepted", detail="Its reader opened it.")
    return count
