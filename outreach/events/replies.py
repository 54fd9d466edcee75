"""What people write back, by any channel: matched to its message, told apart, kept once, obeyed where it says stop."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from email.message import Message
from typing import Any, Final

from django.db import transaction

from channels.base import EventWord, ProviderEvent
from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.away import is_away
from outreach.core.models import Account
from outreach.core.vocabulary import Channel, EventKind, EvidenceSource, Goal, ReplyKind
from outreach.delivery.letters import UNSUBSCRIBE
from outreach.delivery.models import Delivery
from outreach.events import mail, optout
from outreach.events.calls import keep_failed
from outreach.events.confirmations import obey
from outreach.events.effects import Told, resolve_doubt, take_effect
from outreach.events.inbound import Inbound, understand, unread
from outreach.events.inbox import file_reply
from outreach.events.keywords import keyword_of
from outreach.events.letters import header, parse, recipients_of, returned_headers
from outreach.events.matching import (
    REMEMBERED,
    RETURNED_WITHIN,
    Match,
    match_address,
    match_message_ids,
    match_provider_id,
)
from outreach.events.models import Reply
from outreach.events.record import Happening, record
from outreach.events.reply_answers import count_answer, find_answer, mark_answer
from outreach.events.sender_inbox import keep_reports, read_reports
from outreach.events.stages import add_evidence
from outreach.events.storable import credible, storable_key, storable_text
from outreach.events.talk import Attachment
from outreach.events.text_to_join import join_by_text

#: Kinds of a message that is nothing but a word.
KEYWORDS: Final = frozenset({ReplyKind.STOP, ReplyKind.START, ReplyKind.HELP})
#: Headers of ours that hold the signed id; some relays give a message another Message-ID, and leave the last alone.
_RETURNED_IDS: Final = ("Message-ID", "X-Outreach-Delivery")
#: Who says to have written a message that nobody could read, in its first octets.
_WRITTEN_BY: Final = re.compile(rb"^from:[^\r\n]{0,200}?([\w.+-]{1,64}@[\w.-]{1,253})", re.I | re.M)
_HEAD: Final = 20_000


def take_reply_event(account: Account, event: ProviderEvent) -> Reply | None:
    """Take an inbound message that a provider called us about or that was fetched; None where it was known."""
    if event.mime:
        return _take_up(account, event.mime)
    match = match_provider_id(account, event.in_reply_to) if event.in_reply_to else None
    inbound = Inbound(
        external_id=event.event_id,
        channel=account.channel,
        sender=event.address,
        subject=event.subject,
        text=event.text,
        kind=(keyword_of(event.text) if account.channel == Channel.SMS else None) or ReplyKind.REPLY,
        received_at=credible(event.at, clock.now()),
        source=account.adapter,
        match=match or match_address(account, account.channel, event.address),
        is_answered=event.answered,
    )
    return take_inbound(account, inbound)


def take_in(account: Account, content: bytes) -> bool:
    """As `take_mail`, by whatever way it came: whether it was new."""
    return take_mail(account, content) is not None


def take_mail(account: Account, content: bytes) -> Reply | None:
    """Take an inbound e-mail in, whatever it is, and account for it.

    None where it was known already, or is a report to our domain. One that breaks whoever takes it is kept as having
    come, and whole, with the reason, to be tried again (`hooks.apply_waiting`); the next can be read.

    Raises:
        OperationalError, InterfaceError: the database is away: nothing was kept.
    """
    try:
        return read_mail(account, content)
    except Exception as err:  # a stranger wrote it: there is no list of what may be wrong with it
        if is_away(err):
            raise
        return _set_aside(account, content, err)


def read_mail(account: Account, content: bytes) -> Reply | None:
    """As `take_mail`; raises whatever it breaks at."""
    message = parse(content)
    if (reports := read_reports(message)) is not None:
        keep_reports(account, reports)
        return None
    inbound = understand(message, content)
    if asked := _asked_to_leave(account, message):
        inbound = replace(inbound, kind=ReplyKind.STOP, match=asked)
    else:
        inbound = replace(inbound, match=_match_mail(account, message, inbound))
    return take_inbound(account, inbound)


@transaction.atomic
def _set_aside(account: Account, content: bytes, error: Exception) -> Reply | None:
    """Keep the message for another try, and that it came."""
    aside = unread(content)
    said = _WRITTEN_BY.search(content[:_HEAD])
    event = ProviderEvent(
        word=EventWord.REPLIED,
        event_id=f"letter:{aside.external_id}",
        address=said[1].decode().lower() if said else "",  # an erasure has to find it
        mime=content,
    )
    keep_failed(account, event, error)
    return take_inbound(account, aside)


def _take_up(account: Account, content: bytes) -> Reply | None:
    """Take a whole message that was kept; that it came is told by its own record from now on."""
    with transaction.atomic():
        reply = read_mail(account, content)
        came = Reply.objects.filter(account=account, external_id=unread(content).external_id, kind=ReplyKind.OTHER)
        came.delete()
    return reply


@transaction.atomic
def take_inbound(account: Account, inbound: Inbound) -> Reply | None:
    """Keep an inbound message and do what it says, once; None where it was known already."""
    answer = find_answer(account, inbound)
    inbound = mark_answer(inbound, answer)
    delivery = inbound.match.delivery if inbound.match else None
    run = Run.objects.select_related("organisation").filter(pk=delivery.run_id).first() if delivery else None
    reply, is_new = Reply.objects.get_or_create(
        account=account, external_id=storable_key(inbound.external_id, 300), defaults=_facts(account, inbound, run)
    )
    if not is_new:
        return None
    if inbound.kind in {ReplyKind.REPLY, ReplyKind.ANSWER}:
        file_reply(reply, is_waiting=inbound.kind == ReplyKind.REPLY)
    if answer is not None:
        count_answer(answer, source=inbound.source)
    _keep_enclosures(reply, inbound)
    if inbound.channel == Channel.EMAIL:
        _stop_mail(inbound)
    elif inbound.kind == ReplyKind.JOIN:
        join_by_text(account, reply)
    elif inbound.kind in KEYWORDS:
        obey(account, reply, is_answered=inbound.is_answered)
    if delivery is not None:
        _take_as_evidence(reply, delivery)
        _apply(delivery, inbound, identity=f"reply:{account.pk}:{inbound.external_id}")
    return reply


def _keep_enclosures(reply: Reply, inbound: Inbound) -> None:
    Attachment.objects.bulk_create(
        [
            Attachment(reply=reply, name=each.name, kind=each.kind, size=each.size, content=each.content)
            for each in inbound.enclosures
        ]
    )


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
        "message_id": storable_text(inbound.message_id) if len(inbound.message_id) <= 300 else "",
        "html": storable_text(inbound.html),
        "matched_by": inbound.match.by if inbound.match else "",
        "received_at": inbound.received_at,
    }


def _living(subscriber_id: int | None) -> int | None:
    if subscriber_id is None:
        return None
    return Subscriber.objects.filter(pk=subscriber_id).values_list("pk", flat=True).first()


def _apply(delivery: Delivery, inbound: Inbound, *, identity: str) -> None:
    """What the message means for the one that it answers."""
    if inbound.kind in {ReplyKind.REPLY, ReplyKind.ANSWER, ReplyKind.JOIN, *KEYWORDS}:
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
    elif told := _told(inbound, identity):
        take_effect(delivery, told)


def _take_as_evidence(reply: Reply, delivery: Delivery) -> None:
    """Who writes back is interested; who asks us to stop is not, and a second letter makes nobody a second person."""
    if reply.kind != ReplyKind.REPLY or reply.run is None:
        return
    before = Reply.objects.filter(run=reply.run, delivery=delivery.id, kind=ReplyKind.REPLY).exclude(pk=reply.pk)
    add_evidence(
        Goal.INTERESTED,
        EvidenceSource.REPLY,
        organisation=reply.organisation_id,
        run=reply.run,
        subscriber=reply.subscriber,
        channel=delivery.channel,
        language=delivery.language,
        at=reply.received_at,
        people=0 if before.exists() else 1,
    )


def _told(inbound: Inbound, identity: str) -> Told | None:
    """A bounce or complaint as an event; None for what changes nothing."""
    reading = inbound.reading
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


def _asked_to_leave(account: Account, message: Message) -> Match | None:
    """The delivery that a program writes of to unsubscribe, by the address in List-Unsubscribe; we signed its id."""
    subject = header(message, "Subject").strip()
    is_one = subject.lower().startswith(UNSUBSCRIBE)
    return match_message_ids(account, [subject]) if is_one else None


def _match_mail(account: Account, message: Message, inbound: Inbound) -> Match | None:
    """By what is surest first: an address of ours, the ids it answers, what came back in it, then who wrote it."""
    for address in recipients_of(message):
        if match := match_message_ids(account, [address]):  # an address for returned mail has a Message-ID's tag
            return match
    answered = f"{header(message, 'In-Reply-To')} {header(message, 'References')}".split()
    if match := match_message_ids(account, reversed(answered)):
        return match
    if (ours := returned_headers(message)) is not None:
        ids = [str(ours.get(name, "")) for name in _RETURNED_IDS]
        if match := match_message_ids(account, ids):
            return match
    reading = inbound.reading
    if reading and reading.kind in {ReplyKind.BOUNCE, ReplyKind.COMPLAINT}:
        within = RETURNED_WITHIN if reading.kind == ReplyKind.BOUNCE else REMEMBERED
        candidates = (match_address(account, Channel.EMAIL, address, within=within) for address in reading.recipients)
        return next((match for match in candidates if match), None)
    return match_address(account, Channel.EMAIL, inbound.sender)
