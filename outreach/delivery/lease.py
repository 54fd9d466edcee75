"""Leases: a worker takes the next batch, and in the same transaction resolves what a dead one left in its hands."""

from __future__ import annotations

from collections import Counter as Tally
from typing import Final

from django.conf import settings
from psycopg.rows import TupleRow

from outreach.campaigns.models import Run
from outreach.core import alerts, failpoints
from outreach.core.vocabulary import BatchState, Lane
from outreach.delivery import counters, pacing, queries
from outreach.delivery.connection import Identity, Link, change, fetch, fetch_one, transaction
from outreach.delivery.hand import Lease, Row
from outreach.delivery.models import Batch
from outreach.delivery.settle import Settlement, write_settlement
from outreach.delivery.verdicts import inherit, is_parked

#: A worker of the campaigns' lane takes notices first; one of the notices' lane waits for them alone.
SERVES: Final = {
    Lane.NOTICES.value: [Lane.NOTICES.value],
    Lane.CAMPAIGNS.value: [Lane.NOTICES.value, Lane.CAMPAIGNS.value],
}


def take_batch(link: Link, lane: str, *, here: Identity) -> Lease | None:
    """Lease the batch that is to be served next; None where nothing waits.

    A batch that was taken over too often is parked with an alert instead, and the next one is tried.
    """
    while True:
        failpoints.hit("lease.before", drop=link.close)
        with transaction(link):
            row = fetch_one(
                link,
                queries.LEASE,
                lanes=SERVES[lane],
                lease=pacing.LEASE,
                jumped=pacing.jumped_lease(),
                grace=settings.GRACE,
                system=here.system,
                timeline=here.timeline,
            )
            if row is None:
                return None
            change(link, queries.SERVE, run=row[1])
            lease = _lease(row)
            is_usable = _inherit(link, lease, in_hand=row[5], is_running=True)
            failpoints.hit("lease.before_commit", drop=link.close)
        if row[5]:
            failpoints.hit("inherit.after_commit", drop=link.close)
        failpoints.hit("lease.after_commit", drop=link.close)
        if is_usable:
            return lease


def resolve_lost(link: Link) -> int:
    """Resolve the hands of workers that died in runs which do not run: nothing is sent; say how many batches."""
    resolved = 0
    while True:
        with transaction(link):
            row = fetch_one(link, queries.LEASE_LOST, lease=pacing.LEASE, jumped=pacing.jumped_lease())
            if row is None:
                return resolved
            lease = _lease(row)
            if _inherit(link, lease, in_hand=row[5], is_running=False):
                change(
                    link,
                    queries.RELEASE,
                    batch=lease.batch,
                    fence=lease.fence,
                    state=BatchState.READY.value,
                    wait=0.0,
                )
            failpoints.hit("lost.before_commit", drop=link.close)
        failpoints.hit("lost.after_commit", drop=link.close)
        resolved += 1


def _lease(row: TupleRow) -> Lease:
    return Lease(
        batch=row[0],
        run=row[1],
        account=row[2],
        lane=row[3],
        fence=row[4],
        adapter=row[7],
        policy=row[8],
        limits=pacing.Limits.of(*row[9:12]),
        rests=row[12],
        inherited=row[6] + bool(row[5]),
    )


def _inherit(link: Link, lease: Lease, *, in_hand: list[int], is_running: bool) -> bool:
    """Resolve the rows of a dead worker's windows and touch no other; False where the batch was parked."""
    if not in_hand:
        return True
    deltas: counters.Deltas = Tally()
    settlement = Settlement()
    for id_, channel, language, state, reason, uncertain in fetch(
        link, queries.READ_IN_HAND, run=lease.run, ids=in_hand
    ):
        row = Row(id=id_, channel=channel, language=language, state=state, reason=reason, uncertain=uncertain)
        verdict = inherit(uncertain=uncertain, policy=lease.policy, is_running=is_running)
        settlement.add(row, verdict, evidence="inherited")
    write_settlement(link, lease, settlement, deltas=deltas, retries={})
    parked = is_parked(lease.inherited)
    state = BatchState.PARKED if parked else BatchState.LEASED
    change(link, queries.EMPTY_HAND, batch=lease.batch, fence=lease.fence, state=state.value)
    counters.write(link, lease.run, deltas)
    if parked:
        _tell_people(lease)
    failpoints.hit("inherit.before_commit", drop=link.close)
    return not parked


def _tell_people(lease: Lease) -> None:
    run = Run.objects.select_related("organisation", "campaign").get(pk=lease.run)
    alerts.raise_alert("batch_parked", Batch(pk=lease.batch), organisation=run.organisation, name=run.title, run=run.pk)
