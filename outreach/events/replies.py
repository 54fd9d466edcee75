"""What people write back, by any channel: matched to its message, told apart, kept once, obeyed where it says stop."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, Final

from django.db import transaction

from channels.base import ProviderEvent
from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.models import Account
from outreach.core.vocabulary import Channel, EventKind, ReplyKind
from outreach.delivery.models import Delivery
from outreach.events import mail, optout
from outreach.events.confirmations import obey
from outreach.events.effects import Told, resolve_doubt, take_effect
from outreach.events.keywords import is_stop, keyword_of
from outreach.events.letters import header, parse, recipients_of, returned_headers, sender_of
from outreach.events.matching import (
    Match,
    match_address,
    match_message_ids,
    match_provider_id,
    match_public_id,
)
from outreach.events.models import Reply
from outreach.events.record import Happening, record
from outreach.events.sender_inbox import keep_reports, read_reports
from outreach.events.storable import storable_text

#: Addresses such as `replies+12-34@example.org` carry the delivery.
_PLUS: Final = re.compile(r"\+(\d{1,18}-\d{1,18})@")
#: Kinds of a message that is nothing but a word.
KEYWORDS: Final = frozenset({ReplyKind.STOP, ReplyKind.START, ReplyKind.HELP})
_RETURNED_IDS: Final = ("Message-ID", "Message-Id")


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """One inbound message of any channel."""

    #: The provider's or mailbox's id: unique in the account.
    external_id: str
    channel: str
    sender: str
    text: str
    kind: ReplyKind = ReplyKind.REPLY
    subject: str = ""
    received_at: datetime = field(default_factory=clock.now)
    source: str = ""
    match: Match | None = None
    #: Whether the provider confirmed a STOP, START or HELP by itself.
    is_answered: bool = False


def take_reply_event(account: Account, event: ProviderEvent) -> Reply | None:
    """Take an inbound message that a provider called us about or that was fetched; None where it was known."""
    if event.mime:
        return take_mail(account, event.mime)
    match = match_provider_id(account, event.in_reply_to) if event.in_reply_to else None
    inbound = Inbound(
        external_id=event.event_id,
        channel=account.channel,
        sender=event.address,
        subject=event.subject,
        text=event.text,
        kind=(keyword_of(event.text) if account.channel == Channel.SMS else None) or ReplyKind.REPLY,
        received_at=event.at or clock.now(),
        source=account.adapter,
        match=match or match_address(account, account.channel, event.address),
        is_answered=event.answered,
    )
    return take_inbound(account, inbound)


def take_mail(account: Account, content: bytes) -> Reply | None:
    """Take an inbound e-mail, whatever it is; None where it was known already, or is a report to our domain."""
    message = parse(content)
    if (reports := read_reports(message)) is not None:
        keep_reports(account, reports)
        return None
    reading = mail.read(message)
    match = _match_mail(account, message, reading)
    kind = reading.kind
    if kind == ReplyKind.REPLY and (is_stop(reading.text) or is_stop(header(message, "Subject"))):
        kind = ReplyKind.STOP
    inbound = Inbound(
        external_id=identify(message, content),
        channel=Channel.EMAIL,
        sender=sender_of(message),
        subject=header(message, "Subject"),
        text=reading.text,
        kind=kind,
        received_at=_date_of(message),
        source="mail",
        match=match,
    )
    return take_inbound(account, inbound, reading=reading)


def identify(message: Message, content: bytes) -> str:
    """The same for the same message, by whichever way it came in and however often."""
    parts = [str(message.get(name, "")) for name in ("Message-ID", "Date", "From", "Subject")]
    body = content.partition(b"\n\n")[2] or content.partition(b"\r\n\r\n")[2]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace") + body.strip()).hexdigest()


@transaction.atomic
def take_inbound(account: Account, inbound: Inbound, *, reading: mail.Reading | None = None) -> Reply | None:
    """Keep an inbound message and do what it says, once; None where it was known already."""
    delivery = inbound.match.delivery if inbound.match else None
    run = Run.objects.select_related("organisation").filter(pk=delivery.run_id).first() if delivery else None
    reply, is_new = Reply.objects.get_or_create(
        account=account, external_id=inbound.external_id[:300], defaults=_facts(account, inbound, run)
    )
    if not is_new:
        return None
    if inbound.channel == Channel.EMAIL:
        _stop_mail(inbound)
    elif inbound.kind in KEYWORDS:
        obey(account, reply, is_answered=inbound.is_answered)
    if delivery is not None:
        _apply(delivery, inbound, identity=f"reply:{account.pk}:{inbound.external_id}", reading=reading)
    return reply


def _facts(account: Account, inbound: Inbound, run: Run | None) -> dict[str, Any]:
    delivery = inbound.match.delivery if inbound.match else None
    return {
        "organisation": run.organisation if run else account.organisation,
        "campaign_id": run.campaign_id if run else None,
        "run": run,
        "delivery": delivery.id if delivery else None,
        "subscriber_id": _living(delivery.subscriber_id) if delivery else None,
        "channel": inbound.channel,
        "kind": inbound.kind,
        "sender": storable_text(inbound.sender)[:320],
        "subject": storable_text(inbound.subject)[:300],
        "text": storable_text(inbound.text),
        "matched_by": inbound.match.by if inbound.match else "",
        "received_at": inbound.received_at,
    }


def _living(subscriber_id: int | None) -> int | None:
    if subscriber_id is None:
        return None
    return Subscriber.objects.filter(pk=subscriber_id).values_list("pk", flat=True).first()


def _apply(delivery: Delivery, inbound: Inbound, *, identity: str, reading: mail.Reading | None) -> None:
    """What the message means for the one that it answers."""
    if inbound.kind in {ReplyKind.REPLY, *KEYWORDS}:
        resolve_doubt(delivery, EventKind.REPLIED, detail="Its recipient answered.")
        record(
            Happening(
                kind=EventKind.REPLIED,
                run=delivery.run_id,
                delivery=delivery.id,
                channel=delivery.channel,
                language=delivery.language,
                source=inbound.source,
                at=inbound.received_at,
                key=int.from_bytes(hashlib.sha256(identity.encode()).digest()[:6]),
            )
        )
    elif told := _told(inbound, identity, reading):
        take_effect(delivery, told)


def _told(inbound: Inbound, identity: str, reading: mail.Reading | None) -> Told | None:
    """A bounce or complaint as an event; None for what changes nothing."""
    common: dict[str, Any] = {"at": inbound.received_at, "identity": identity, "source": inbound.source}
    if reading is None:
        return None
    if reading.kind == ReplyKind.COMPLAINT and reading.reason not in mail.NOT_BY_A_PERSON:
        return Told(kind=EventKind.COMPLAINED, reason=reading.reason, **common)
    if reading.kind == ReplyKind.BOUNCE and reading.failures:
        worst = max(reading.failures, key=lambda failure: (failure.hard, not failure.is_delay))
        kind = EventKind.DELAYED if worst.is_delay else EventKind.BOUNCED
        return Told(
            kind=kind,
            hard=worst.hard,
            reason=worst.reason,
            address=worst.recipient,
            raw={"status": worst.status, "recipient": worst.recipient},
            **common,
        )
    return None


def _stop_mail(inbound: Inbound) -> None:
    """A STOP by e-mail ends what it answers."""
    person = optout.person_of(inbound.match.delivery) if inbound.match else None
    if inbound.kind == ReplyKind.STOP and person is not None:
        optout.opt_out(person, source="stop")


def _match_mail(account: Account, message: Message, reading: mail.Reading) -> Match | None:
    """By what is surest first: an address of ours, the ids it answers, what came back in it, then who wrote it."""
    for address in recipients_of(message):
        if match := match_message_ids(account, [address]):  # an address for returned mail has a Message-ID's tag
            return match
        if (found := _PLUS.search(address)) and (match := match_public_id(account, found[1])):
            return match
    answered = f"{message.get('In-Reply-To', '')} {message.get('References', '')}".split()
    if match := match_message_ids(account, reversed(answered)):
        return match
    if (ours := returned_headers(message)) is not None:
        ids = [str(ours.get(name, "")) for name in _RETURNED_IDS]
        named = match_message_ids(account, ids) or match_public_id(account, str(ours.get("X-Outreach-Delivery", "")))
        if named:
            return named
    if reading.kind in {ReplyKind.BOUNCE, ReplyKind.COMPLAINT}:
        candidates = (match_address(account, Channel.EMAIL, address) for address in reading.recipients)
        return next((match for match in candidates if match), None)
    return match_address(account, Channel.EMAIL, sender_of(message))


def _date_of(message: Message) -> datetime:
    """When it came, by our own clock where its date is none or in the future."""
    try:
        said = parsedate_to_datetime(str(message.get("Date", "")))
    except (TypeError, ValueError, IndexError):
        return clock.now()
    return said if said.tzinfo and said <= clock.now() else clock.now()
