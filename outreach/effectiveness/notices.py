"""What became of notices: each with its delivery, a bounded number of queries for a page of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q

from outreach.core.vocabulary import OPEN
from outreach.delivery.models import Batch, Delivery, Notice


@dataclass(frozen=True, kw_only=True)
class NoticeFate:
    """A notice and its row of the ledger."""

    notice: Notice
    delivery: Delivery
    #: `sending` while it is in somebody's hands, else the row's.
    state: str


def fates(notices: Sequence[Notice]) -> list[NoticeFate]:
    """Each notice with its delivery, in the same order; two queries. A notice whose row is gone is left out."""
    rows = {(row.run_id, row.id): row for row in _rows(notices)}
    found = [(notice, rows.get((notice.run_id, notice.delivery))) for notice in notices]
    in_hand = _in_hand([row for row in rows.values() if row.state in OPEN])
    return [
        NoticeFate(notice=notice, delivery=row, state="sending" if row.id in in_hand else row.state)
        for notice, row in found
        if row is not None
    ]


def _rows(notices: Sequence[Notice]) -> Sequence[Delivery]:
    by_run: dict[int, list[int]] = defaultdict(list)
    for notice in notices:
        by_run[notice.run_id].append(notice.delivery)
    wanted = [Q(run_id=run, id__in=ids) for run, ids in by_run.items()]
    return list(Delivery.objects.filter(reduce(or_, wanted))) if wanted else []


def _in_hand(rows: Sequence[Delivery]) -> set[int]:
    held = Batch.objects.filter(pk__in=[row.batch_id for row in rows]).values_list("in_hand", flat=True)
    return {id_ for ids in held for id_ in ids}
