"""The receipt of one delivery: finds it and gathers what is known of it. `story` and `prospects` say what it means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from outreach.audience.models import Address, Consent, Subscriber, Suppression
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.errors import Invalid, NotFound
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import ConsentAction, ConsentPurpose, EventKind, Reason, RunKind
from outreach.delivery.links import compiled_run
from outreach.delivery.models import Attempt, Batch, Delivery, DigestItem, Hand, Notice
from outreach.effectiveness.prospects import Prospect, doubt, prospects
from outreach.effectiveness.story import Carried, Kept, Known, Step, Withdrawal, tell_story
from outreach.effectiveness.telling import Told, tell, tell_doubt, tell_prospect
from outreach.events.matching import read_message_id
from outreach.events.models import Event, Reply

Row = TypeVar("Row", bound=Model)
#: More events of one delivery are a scanner's.
MOST_EVENTS: Final = 500


@dataclass(frozen=True, kw_only=True)
class DeliveryReceipt:
    """A delivery with all that is known of it."""

    delivery: Delivery
    run: Run
    account: Account | None
    address: Address | None
    subscriber: Subscriber | None
    #: Where it went; '' for a post, and where nobody keeps it any more.
    to: str
    #: `sending` while it is in somebody's hands, else its state.
    state: str
    steps: list[Step]
    #: What `uncertain` means here: a code of `prospects.doubt`, or ''.
    doubt: str
    #: What comes next; nothing for a closed delivery without doubt.
    next: list[Prospect]


def find_delivery(organisation: Organisation, public_id: str) -> tuple[Run, Delivery]:
    """The delivery `RUN-ID` of this organisation or below.

    Raises:
        NotFound: there is none, or it is another organisation's.
    """
    return _find(Run.objects.for_organisation(organisation), *_numbers(public_id))


def find_anywhere(text: str) -> tuple[Run, Delivery]:
    """The delivery that `RUN-ID`, a Message-ID of ours or a provider's id names, of whatever organisation.

    The provider's id is looked for in the whole ledger, which has no index on it.

    Raises:
        NotFound: there is none.
        Invalid: the provider's id is that of several.
    """
    ours = read_message_id(text) or _numbers(text)
    if ours != (0, 0):
        return _find(Run.objects.all(), *ours)
    found = list(Delivery.objects.filter(provider_id=text)[:6]) if text else []
    if len(found) > 1:
        names = ", ".join(sorted(delivery.public_id for delivery in found))
        raise Invalid({"delivery": [_("“%(text)s” is the id of several: %(names)s.") % {"text": text, "names": names}]})
    if not found:
        raise NotFound(_("There is no delivery “%(text)s”.") % {"text": text})
    return _find(Run.objects.all(), found[0].run_id, found[0].id)


def receipt(organisation: Organisation, public_id: str) -> DeliveryReceipt:
    """Everything about one delivery.

    Raises:
        NotFound: there is none in this organisation.
    """
    return receipt_of(*find_delivery(organisation, public_id))


def receipt_of(run: Run, delivery: Delivery) -> DeliveryReceipt:
    """Everything about this delivery."""
    known = _gather(run, delivery)
    return DeliveryReceipt(
        delivery=delivery,
        run=run,
        account=known.account,
        address=known.address,
        subscriber=known.subscriber,
        to=known.address.value if known.address else _noticed_address(run, delivery),
        state="sending" if known.is_in_hand else str(delivery.state),
        steps=tell_story(known),
        doubt=doubt(known),
        next=prospects(known),
    )


def as_json(found: DeliveryReceipt) -> dict[str, Any]:
    """The receipt as the API and the command give it; `text` is in the reader's language."""
    delivery = found.delivery
    return {
        **delivery_json(delivery, address=found.to, state=found.state),
        "campaign": str(found.run.campaign_id) if found.run.campaign_id else None,
        "account": found.account and {"id": str(found.account.pk), "name": found.account.name},
        "created_at": delivery.created_at.isoformat(),
        "settled_at": delivery.settled_at and delivery.settled_at.isoformat(),
        "steps": [_step_json(tell(step, write_time=datetime.isoformat)) for step in found.steps],
        "doubt": found.doubt and {"code": found.doubt, "text": tell_doubt(found.doubt)},
        "next": [
            {**_plain(asdict(each)), "text": tell_prospect(each, write_time=datetime.isoformat)} for each in found.next
        ],
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


def _step_json(told: Told) -> dict[str, Any]:
    return {**_plain(vars(told.step)), "facts": _plain(told.step.facts), "title": told.title, "text": told.text}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _numbers(public_id: str) -> tuple[int, int]:
    """(0, 0) where it is no `RUN-ID`."""
    run, _dash, delivery = public_id.partition("-")
    is_one = run.isdecimal() and delivery.isdecimal() and max(len(run), len(delivery)) <= 18
    return (int(run), int(delivery)) if is_one else (0, 0)


def _find(runs: QuerySet[Run], run_id: int, delivery_id: int) -> tuple[Run, Delivery]:
    run = runs.select_related("campaign", "organisation").filter(pk=run_id).first()
    delivery = Delivery.objects.filter(run_id=run.pk, id=delivery_id).first() if run else None
    if run is None or delivery is None:
        raise NotFound
    return run, delivery


def _gather(run: Run, delivery: Delivery) -> Known:
    attempts = list(Attempt.objects.filter(run=run, delivery=delivery.id).order_by("at", "pk"))
    address = _row(Address.objects.all(), delivery.address_id)
    events = list(
        Event.objects.filter(run=run, kind__in=EventKind.values, delivery=delivery.id).order_by("at")[:MOST_EVENTS]
    )
    return Known(
        delivery=delivery,
        run=run,
        batch=_row(Batch.objects.all(), delivery.batch_id),
        account=_row(Account.objects.all(), delivery.account_id),
        address=address,
        subscriber=_row(Subscriber.objects.all(), delivery.subscriber_id),
        hands=_hands(delivery, attempts),
        attempts=attempts,
        events=events,
        replies=list(Reply.objects.filter(run=run, delivery=delivery.id).order_by("received_at")),
        withdrawals=[*_withdrawn(run, delivery), *_suppressed(run, delivery, address)],
        followers=list(
            Delivery.objects.filter(run=run, target=delivery.target, fallback_of=delivery.id).order_by("id")
        ),
        kept=_kept(delivery),
        carried=_carried(run, delivery),
        links=_links(delivery, {event.link for event in events if event.link is not None}),
        now=clock.now(),
    )


def _row(rows: QuerySet[Row], key: int | None) -> Row | None:
    """The row that the delivery names; it may be gone, since nothing of the ledger depends on it."""
    return rows.filter(pk=key).first() if key is not None else None


def _noticed_address(run: Run, delivery: Delivery) -> str:
    """A notice may name an address that is nobody's of ours."""
    if run.kind != RunKind.NOTICE:
        return ""
    return Notice.objects.filter(run=run, delivery=delivery.id).values_list("value", flat=True).first() or ""


def _hands(delivery: Delivery, attempts: list[Attempt]) -> list[Hand]:
    """The windows that held it. Each move to another batch left an attempt, so no batch is missed."""
    batches = {delivery.batch_id, *(attempt.batch for attempt in attempts)} - {None}
    found = Hand.objects.filter(batch__in=batches, ids__contains=[delivery.id])
    return list(found.order_by("in_hand_at", "pk"))


def _kept(delivery: Delivery) -> Kept | None:
    """None where the message was not kept for a digest."""
    if delivery.reason != Reason.DIGESTED:
        return None
    item = DigestItem.objects.select_related("digest").filter(run=delivery.run_id, delivery=delivery.id).first()
    if item is None:
        return None
    digest = item.digest
    return Kept(
        days=item.days,
        due_at=item.due_at,
        digest=str(digest) if digest else "",
        told_at=digest.made_at if digest else None,
        dropped=item.dropped,
    )


def _carried(run: Run, delivery: Delivery) -> list[Carried]:
    if run.kind != RunKind.DIGEST:
        return []
    items = DigestItem.objects.filter(digest__run=run, digest__delivery=delivery.id).select_related("run__campaign")
    return [
        Carried(campaign=item.run.title, delivery=str(item), dropped=item.dropped)
        for item in items.order_by("run", "delivery")
    ]


def _links(delivery: Delivery, positions: Iterable[int]) -> dict[int, str]:
    compiled = compiled_run(delivery.run_id) if positions else None
    if compiled is None:
        return {}
    found = {place: compiled.url_at(delivery.channel, delivery.language, place) for place in positions}
    return {place: url for place, url in found.items() if url}


def _withdrawn(run: Run, delivery: Delivery) -> list[Withdrawal]:
    consents = Consent.objects.filter(
        Q(topic=None) | Q(topic__in=run.frozen.get("topics", [])),
        subscriber=delivery.subscriber_id,
        purpose=ConsentPurpose.TOPIC,
        action=ConsentAction.WITHDRAWN,
        channel__in=("", delivery.channel),
        recorded_at__gte=delivery.created_at,
    )
    found = consents.order_by("recorded_at").values_list("recorded_at", "source").distinct()
    return [Withdrawal(at=at, word="withdrawn", reason=source) for at, source in found[:MOST_EVENTS]]


def _suppressed(run: Run, delivery: Delivery, address: Address | None) -> list[Withdrawal]:
    if address is None:
        return []
    entries = Suppression.objects.filter(
        Q(organisation=None) | Q(organisation__in=run.organisation.ancestor_ids()),
        digest=address.digest,
        channel=address.channel,
        created_at__gte=delivery.created_at,
    )
    return [Withdrawal(at=entry.created_at, word="suppressed", reason=entry.reason) for entry in entries]
