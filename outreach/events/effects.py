"""What something that came back does: the receipt, the event with its counter, the suppression, the evidence.

Everything here may be done again without harm: an event's key is made from what was told, not drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.bounce_rules import is_enough
from outreach.audience.models import Address, Subscriber
from outreach.audience.suppression import suppress
from outreach.campaigns.models import Run
from outreach.core.models import Organisation
from outreach.core.vocabulary import (
    OPEN,
    AddressState,
    DeliveryState,
    EventKind,
    Receipt,
    SuppressionReason,
    Tracking,
    Verdict,
)
from outreach.delivery.evidence import append_evidence, set_receipt
from outreach.delivery.links import links_of
from outreach.delivery.models import Delivery, Notice
from outreach.events.domain_troubles import note_trouble
from outreach.events.record import Happening, record
from outreach.events.storable import storable, storable_text
from outreach.events.verdict import Judgement, judge_agent

#: What each kind writes as the delivery's receipt.
RECEIPTS: Final[Mapping[EventKind, Receipt]] = {
    EventKind.DELIVERED: Receipt.DELIVERED,
    EventKind.BOUNCED: Receipt.BOUNCED,
    EventKind.REJECTED: Receipt.BOUNCED,
    EventKind.COMPLAINED: Receipt.COMPLAINED,
    EventKind.READ: Receipt.READ,
}
#: Kinds that only a message which was handed over can cause.
PROVES_HAND_OVER: Final = frozenset(set(EventKind) - {EventKind.UNKNOWN, EventKind.CONVERTED, EventKind.UNSUBSCRIBED})
#: A provider's raw words hold these; they are never kept.
_PERSONAL_KEYS: Final = frozenset({"ip", "ip_address", "client_ip", "remote_ip"})


@dataclass(frozen=True, kw_only=True)
class Told:
    """Something that came back about one delivery."""

    kind: EventKind
    at: datetime
    #: Unique over all sources: the event's key is made from it.
    identity: str
    source: str
    reason: str = ""
    #: For bounces: True for good.
    hard: bool | None = None
    #: Address it went to, where the teller names it.
    address: str = ""
    url: str = ""
    user_agent: str = ""
    #: The teller's own flag that a machine did it.
    machine: bool | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


def take_effect(delivery: Delivery, told: Told) -> None:
    """Write everything that `told` means for the delivery, in the caller's transaction; counters come last."""
    run = Run.objects.select_related("organisation").get(pk=delivery.run_id)
    resolve_doubt(delivery, told.kind, detail=f"{told.source}: {told.kind} {told.reason}".strip())
    if told.kind == EventKind.COMPLAINED or (told.kind == EventKind.BOUNCED and told.hard is not None):
        _stop_writing(delivery, told, organisation=run.organisation)
    if told.kind in RECEIPTS:
        set_receipt(delivery.run_id, delivery.id, RECEIPTS[told.kind])
    if record(_happening(run, delivery, told)):
        said = told.reason if " " in told.reason else str(told.raw.get("status", ""))
        note_trouble(delivery, told.kind, reason=told.reason, said=said)


def resolve_doubt(delivery: Delivery, kind: EventKind, *, detail: str) -> None:
    """Append evidence where the hand-over is not certain and this proves it."""
    is_doubtful = delivery.state == DeliveryState.UNKNOWN or (delivery.state in OPEN and delivery.uncertain)
    if is_doubtful and kind in PROVES_HAND_OVER:
        append_evidence(delivery.run_id, delivery.id, kind="accepted", detail=detail)


def is_settled(delivery: Delivery) -> bool:
    """Whether the hand-over is over: what comes for one still in hand is taken again once it is."""
    return delivery.state not in OPEN


def _happening(run: Run, delivery: Delivery, told: Told) -> Happening:
    is_reading = told.kind in {EventKind.OPENED, EventKind.CLICKED}
    is_personal = not is_reading or run.frozen.get("tracking") == Tracking.INDIVIDUAL
    judgement = _judge(told) if is_reading else Judgement(Verdict.HUMAN, told.reason)
    return Happening(
        kind=told.kind,
        run=delivery.run_id,
        delivery=delivery.id if is_personal else 0,
        channel=delivery.channel,
        language=delivery.language,
        link=_position(run, delivery, told.url) if told.kind == EventKind.CLICKED else None,
        verdict=judgement.verdict,
        reason=storable_text(judgement.reason)[:100],
        source=told.source,
        raw=storable(without_addresses(told.raw)) if is_personal else {},
        at=told.at,
        key=int.from_bytes(hashlib.sha256(told.identity.encode()).digest()[:6]),
    )


def without_addresses(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A provider's words without the network address they were caused from."""
    return {name: value for name, value in raw.items() if name.lower() not in _PERSONAL_KEYS}


def _judge(told: Told) -> Judgement:
    if told.machine:
        return Judgement(Verdict.MACHINE, "provider")
    return judge_agent(told.user_agent) if told.user_agent else Judgement(Verdict.HUMAN, "")


def _position(run: Run, delivery: Delivery, url: str) -> int | None:
    return next(
        (
            link.position
            for link in links_of(run)
            if url in {link.url, link.target} and (link.channel, link.language) == (delivery.channel, delivery.language)
        ),
        None,
    )


def _stop_writing(delivery: Delivery, told: Told, *, organisation: Organisation) -> None:
    """Nobody is written to again at an address that does not exist, or whose owner reported us.

    How many returned messages say that it does not exist is the organisation's setting (`audience.bounce_rules`).
    """
    address = Address.objects.filter(pk=delivery.address_id).first() if delivery.address_id else None
    normalised = address.normalised if address else _normalised(delivery.channel, told.address) or _noticed(delivery)
    if not normalised:
        return
    owner = _owner_of(delivery) or organisation
    reason = SuppressionReason.COMPLAINT
    if told.kind == EventKind.BOUNCED:
        is_hard = bool(told.hard)
        if not is_enough(owner, delivery.channel, normalised, is_hard=is_hard, identity=told.identity, at=told.at):
            return
        reason = SuppressionReason.HARD_BOUNCE if is_hard else SuppressionReason.SOFT_BOUNCES
    suppress(owner, delivery.channel, normalised, reason)
    if address and told.kind == EventKind.BOUNCED:
        Address.objects.filter(pk=address.pk, state=AddressState.ACTIVE).update(state=AddressState.BOUNCING)


def _noticed(delivery: Delivery) -> str:
    """Where a notice went that names no subscriber."""
    notice = Notice.objects.filter(run=delivery.run_id, delivery=delivery.id).first()
    return notice.normalised if notice else ""


def _owner_of(delivery: Delivery) -> Organisation | None:
    if delivery.subscriber_id is None:
        return None
    person = Subscriber.objects.select_related("organisation").filter(pk=delivery.subscriber_id).first()
    return person.organisation if person else None


def _normalised(channel: str, address: str) -> str:
    try:
        return normalise(channel, address) if address else ""
    except BadAddress:
        return ""
