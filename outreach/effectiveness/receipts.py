"""The receipt of one delivery: why sent or not, by which channel and when, every attempt and everything after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from outreach.audience.models import Address, Subscriber
from outreach.campaigns.models import Run
from outreach.core.errors import NotFound
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import DeliveryState, EventKind
from outreach.delivery.models import Attempt, Batch, Delivery
from outreach.events.models import Event, Reply

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the story, at a time."""

    at: datetime
    #: `planned`, `attempt`, `settled`, `event` or `reply`.
    kind: str
    #: The word of the vocabulary: a state, an outcome, an event.
    word: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class DeliveryReceipt:
    """A delivery with all that is known of it."""

    delivery: Delivery
    run: Run
    account: Account | None
    address: Address | None
    subscriber: Subscriber | None
    #: `sending` while it is in somebody's hands, else its state.
    state: str
    steps: list[Step]


def find_delivery(organisation: Organisation, public_id: str) -> tuple[Run, Delivery]:
    """The delivery `RUN-ID` of this organisation or below.

    Raises:
        NotFound: there is none, or it is another organisation's.
    """
    run_id, dash, delivery_id = public_id.partition("-")
    if not (dash and run_id.isdecimal() and delivery_id.isdecimal() and len(public_id) < 40):
        raise NotFound
    run = Run.objects.for_organisation(organisation).select_related("campaign").filter(pk=int(run_id)).first()
    delivery = Delivery.objects.filter(run_id=run.pk, id=int(delivery_id)).first() if run else None
    if run is None or delivery is None:
        raise NotFound
    return run, delivery


def receipt(organisation: Organisation, public_id: str) -> DeliveryReceipt:
    """Everything about one delivery.

    Raises:
        NotFound: there is none in this organisation.
    """
    run, delivery = find_delivery(organisation, public_id)
    return DeliveryReceipt(
        delivery=delivery,
        run=run,
        account=_row(Account.objects.all(), delivery.account_id),
        address=_row(Address.objects.all(), delivery.address_id),
        subscriber=_row(Subscriber.objects.all(), delivery.subscriber_id),
        state=shown_state(delivery),
        steps=sorted(_steps(run, delivery), key=lambda step: step.at),
    )


def _row(rows: QuerySet[Row], key: int | None) -> Row | None:
    """The row that the delivery names; it may be gone, since nothing of the ledger depends on it."""
    return rows.filter(pk=key).first() if key is not None else None


def shown_state(delivery: Delivery) -> str:
    """`sending` for an id in a batch's hands, which is shown and never stored."""
    is_open = delivery.state in (DeliveryState.PLANNED, DeliveryState.DEFERRED)
    if is_open and Batch.objects.filter(pk=delivery.batch_id or 0, in_hand__contains=[delivery.id]).exists():
        return "sending"
    return str(delivery.state)


def _steps(run: Run, delivery: Delivery) -> list[Step]:
    steps = [Step(at=delivery.created_at, kind="planned", word=DeliveryState.PLANNED.value)]
    if delivery.settled_at:
        steps.append(Step(at=delivery.settled_at, kind="settled", word=delivery.state, reason=delivery.reason))
    steps += [
        Step(at=attempt.at, kind="attempt", word=attempt.kind, reason=attempt.reason, detail=attempt.detail)
        for attempt in Attempt.objects.filter(run=run, delivery=delivery.id)
    ]
    steps += [
        Step(at=event.at, kind="event", word=event.kind, reason=event.verdict, detail=event.reason)
        for event in Event.objects.filter(run=run, kind__in=EventKind.values, delivery=delivery.id)[:500]
    ]
    steps += [
        Step(at=reply.received_at, kind="reply", word=reply.kind, detail=reply.text[:500])
        for reply in Reply.objects.filter(Q(run=run), delivery=delivery.id)
    ]
    return steps


def as_json(found: DeliveryReceipt) -> dict[str, Any]:
    """The receipt as the API gives it."""
    delivery = found.delivery
    return {
        **delivery_json(delivery, address=found.address.value if found.address else "", state=found.state),
        "campaign": str(found.run.campaign_id),
        "account": found.account and {"id": str(found.account.pk), "name": found.account.name},
        "receipt": delivery.receipt,
        "created_at": delivery.created_at.isoformat(),
        "settled_at": delivery.settled_at and delivery.settled_at.isoformat(),
        "steps": [{**step.__dict__, "at": step.at.isoformat()} for step in found.steps],
    }


def delivery_json(delivery: Delivery, *, address: str, state: str) -> dict[str, Any]:
    """A row of the ledger as the API lists it."""
    return {
        "id": delivery.public_id,
        "channel": delivery.channel,
        "language": delivery.language,
        "address": address,
        "state": state,
        "reason": delivery.reason,
        "receipt": delivery.receipt,
        "uncertain": delivery.uncertain,
        "attempts": delivery.attempts,
        "provider_id": delivery.provider_id,
        "subscriber": str(delivery.subscriber_id) if delivery.subscriber_id else None,
    }
