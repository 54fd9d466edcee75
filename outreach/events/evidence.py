"""Signs of life: somebody opened or clicked a message whose hand-over nobody confirmed, so it was handed over.

Machines count as well: a scanner can only look at what arrived.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from outreach.core.vocabulary import OPEN, DeliveryState
from outreach.delivery.evidence import append_evidence
from outreach.delivery.models import Delivery


def take_signs_of_life(came_back: Iterable[tuple[int, int]]) -> int:
    """Append evidence for those of the deliveries (run, id) whose outcome is open; answer for how many."""
    wanted = Q()
    for run, delivery in came_back:
        wanted |= Q(run_id=run, id=delivery)
    if not wanted:
        return 0
    doubtful = Q(state=DeliveryState.UNKNOWN) | Q(state__in=OPEN, uncertain=True)
    found = list(Delivery.objects.filter(wanted & doubtful).values_list("run_id", "id"))
    for run, delivery in found:
        append_evidence(run, delivery, kind="accepted", detail="Its reader opened it.")
    return len(found)
