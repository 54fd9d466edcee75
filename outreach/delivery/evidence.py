"""Late evidence: what is learnt after the hand-over, from providers, readers, or a worker that lost its fence.

Anybody may append it. It may resolve an `unknown`, or close an uncertain row that waits for its second try; it never
takes an acceptance back. Receipts are written here too, beside the hand-over state and never over it.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import TupleRow

from channels.base import OutcomeKind
from outreach.core import failpoints
from outreach.core.vocabulary import CounterKind, DeliveryState, Receipt
from outreach.delivery import counters, queries
from outreach.delivery.connection import Link, callers_link, change, fetch, transaction
from outreach.delivery.hand import Lease
from outreach.delivery.settle import PUT_OFF, Settlement
from outreach.delivery.verdicts import resolved_by_evidence

#: A receipt is replaced only by one that says more.
RANK: Final = {
    Receipt.NONE: 0,
    Receipt.DELIVERED: 1,
    Receipt.READ: 2,
    Receipt.BOUNCED: 3,
    Receipt.COMPLAINED: 4,
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One thing learnt about one delivery."""

    #: `Delivery.id`.
    delivery: int
    #: An OutcomeKind.
    kind: str
    reason: str = ""
    detail: str = ""
    provider_id: str = ""


def append_evidence(
    run_id: int, delivery_id: int, *, kind: str, detail: str = "", reason: str = "", provider_id: str = ""
) -> str | None:
    """Append what was learnt of one delivery, in the caller's transaction; the state it resolved it to, or None.

    `kind` is an OutcomeKind (`rejected` stands for `permanent`).
    """
    known = "permanent" if kind == "rejected" else kind
    evidence = Evidence(delivery=delivery_id, kind=known, reason=reason, detail=detail, provider_id=provider_id)
    return append_all(callers_link(), run_id, [evidence]).get(delivery_id)


def append_late(link: Link, lease: Lease, done: Settlement) -> None:
    """Append the outcomes of a worker whose batch was taken over meanwhile."""
    evidence = [
        Evidence(delivery=id_, kind=OutcomeKind.ACCEPTED.value, provider_id=provider_id)
        for id_, provider_id in zip(done.accepted, done.provider_ids, strict=True)
    ]
    evidence += [
        Evidence(
            delivery=line.row.id,
            kind=line.evidence,
            reason=str(line.verdict.reason),
            detail=line.detail,
            provider_id=line.provider_id,
        )
        for line in done.lines
        if line.evidence != PUT_OFF  # which nobody was handed
    ]
    append_all(link, lease.run, evidence, batch=lease.batch, fence=lease.fence)


def append_all(
    link: Link, run_id: int, evidence: list[Evidence], *, batch: int | None = None, fence: int = 0
) -> dict[int, str]:
    """Append evidence about one run's deliveries; delivery -> the state that it resolved."""
    if not evidence:
        return {}
    deltas: counters.Deltas = Tally()
    with transaction(link):
        rows = fetch(link, queries.LOCK_ROWS, run=run_id, ids=sorted({each.delivery for each in evidence}))
        at: datetime = fetch(link, queries.NOW)[0][0]
        change(
            link,
            queries.APPEND,
            run=run_id,
            batch=batch,
            fence=fence,
            at=at,
            ids=[each.delivery for each in evidence],
            kinds=[each.kind for each in evidence],
            reasons=[each.reason[:20] for each in evidence],
            details=[each.detail[:500] for each in evidence],
            provider_ids=[each.provider_id for each in evidence],
        )
        resolved = _resolve(link, run_id, evidence, rows=rows, at=at, deltas=deltas)
        counters.write(link, run_id, deltas)
        failpoints.hit("evidence.before_commit", drop=link.close)
    failpoints.hit("evidence.after_commit", drop=link.close)
    return resolved


def _resolve(
    link: Link, run_id: int, evidence: list[Evidence], *, rows: list[TupleRow], at: datetime, deltas: counters.Deltas
) -> dict[int, str]:
    found = {each.delivery: each for each in evidence}
    resolved: dict[int, str] = {}
    for id_, channel, language, state, reason, uncertain, _ in rows:
        new = resolved_by_evidence(OutcomeKind(found[id_].kind), state=state, uncertain=uncertain)
        if new is None:
            continue
        resolved[id_] = str(new)
        counters.moved(deltas, channel=channel, language=language, old=(state, reason), new=(str(new), ""))
        if new == DeliveryState.ACCEPTED:
            counters.accepted(deltas, channel=channel, language=language, at=at)
    if resolved:
        change(
            link,
            queries.RESOLVE,
            run=run_id,
            at=at,
            ids=list(resolved),
            states=list(resolved.values()),
            provider_ids=[found[id_].provider_id for id_ in resolved],
        )
    return resolved


def set_receipt(run_id: int, delivery_id: int, receipt: str) -> bool:
    """Write what came later, in the caller's transaction; False where it says no more than what is there."""
    return set_receipts(run_id, {delivery_id: receipt}) == 1


def set_receipts(run_id: int, receipts: Mapping[int, str]) -> int:
    """Write receipts of one run's deliveries and count them; how many said more than what was there."""
    link = callers_link()
    deltas: counters.Deltas = Tally()
    with transaction(link):
        rows = fetch(link, queries.LOCK_ROWS, run=run_id, ids=sorted(receipts))
        news: dict[int, str] = {}
        for id_, channel, language, _, _, _, old in rows:
            new = str(receipts[id_])
            if RANK[Receipt(new)] <= RANK[Receipt(old)]:
                continue
            news[id_] = new
            if old:
                deltas[CounterKind.RECEIPT, channel, language, old, ""] -= 1
            deltas[CounterKind.RECEIPT, channel, language, new, ""] += 1
        if news:
            change(link, queries.SET_RECEIPTS, run=run_id, ids=list(news), receipts=list(news.values()))
            counters.write(link, run_id, deltas)
    return len(news)
