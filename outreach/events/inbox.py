"""The inbox: what people wrote, filed by person; answered by the same channel, assigned, labelled, closed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.models import Address
from outreach.core import audit, clock
from outreach.core.access import PERMISSIONS, Actor, product_itself
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import Organisation, User
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import PERSONAL_CHANNELS, Channel, ConversationState, DeliveryState, Language, Permission
from outreach.delivery.notices import send_own_words
from outreach.events.keywords import is_cyrillic
from outreach.events.models import Reply
from outreach.events.storable import storable_text
from outreach.events.talk import Answer, CannedAnswer, Conversation

#: What a notice that answers somebody confirms; `delivery.letters` knows it too.
ANSWER: Final = "answer"
LONGEST_ANSWER: Final = 10_000
MOST_LABELS: Final = 10
_RE: Final = re.compile(r"^(?:\s*(?:re|отг|fwd?|aw|отн)\s*(?:\[\d+\]\s*)?:)+\s*", re.I)


class CannotAnswer(StateConflict):
    """There is no way to answer this person from here."""

    message = _("An answer can be sent by e-mail and SMS. On social media, answer on the network itself.")


class SaidMeanwhile(StateConflict):
    """Somebody answered, or the person wrote again, since the conversation was read."""

    message = _(
        "Since you opened this conversation somebody answered or the person wrote again. Read what is new, then go on "
        "if it still fits."
    )


def file_reply(reply: Reply, *, is_waiting: bool = True) -> None:
    """Put what somebody wrote into the conversation with them; where it needs an answer, it waits from now on.

    Whoever answers a message that was another person's, as where it was forwarded, has a conversation of their own:
    what is answered in a person's goes to that person.
    """
    person = reply.subscriber_id if _is_own_address(reply) else None
    key = f"s:{person}" if person else _key_of_address(reply)
    facts = {
        "subscriber_id": person,
        "channel": reply.channel,
        "sender": reply.sender,
        "account_id": reply.account_id,
        "subject": _RE.sub("", reply.subject),
        "excerpt": " ".join(reply.text.split())[:300],
        "language": Language.BULGARIAN if is_cyrillic(reply.text or reply.subject) else Language.ENGLISH,
        "last_at": reply.received_at,
    }
    rows = Conversation.objects.select_for_update()
    fresh = {**facts, "state": ConversationState.CLOSED}
    talk, is_new = rows.get_or_create(organisation=reply.organisation, key=key, defaults=fresh)
    is_newest = not is_new and reply.received_at >= talk.last_at
    if is_newest and (is_waiting or talk.waiting_since is None):  # what waits stays in sight
        for name, value in facts.items():
            setattr(talk, name, value)
    if is_waiting:
        _let_wait(talk, reply)
    talk.save()
    Reply.objects.filter(pk=reply.pk).update(conversation=talk)


def _let_wait(talk: Conversation, reply: Reply) -> None:
    if talk.waiting_since is None or talk.waiting_since > reply.received_at:
        talk.waiting_since = reply.received_at
        talk.due_at = reply.received_at + timedelta(hours=settings.ANSWER_HOURS)
    talk.state = ConversationState.WAITING


def _is_own_address(reply: Reply) -> bool:
    """Whether it came from an address of the person whose message it answers."""
    if reply.subscriber_id is None:
        return False
    try:
        normalised = normalise(reply.channel, reply.sender)
    except BadAddress:
        return False
    own = Address.objects.filter(subscriber=reply.subscriber_id, channel=reply.channel, normalised=normalised)
    return own.exists()


def _key_of_address(reply: Reply) -> str:
    try:
        normalised = normalise(reply.channel, reply.sender)
    except BadAddress:
        return f"r:{reply.pk}"
    return f"{reply.channel}:{address_digest(reply.channel, normalised).hex()[:60]}"


@transaction.atomic
def answer(actor: Actor, talk: Conversation, text: str, *, seen: str = "") -> Answer:
    """Answer the newest message by the channel that it came by; the sending is a notice with a receipt of its own.

    `seen` is the mark of what was said when the conversation was read, where it is known (`mark_of`). The same answer
    handed in twice leaves once.

    Raises:
        Invalid: there is no text, or too much of it.
        SaidMeanwhile: more was said than was seen; nothing is sent.
        StateConflict: there is no way to answer: the channel, the address, no account.
        Forbidden
    """
    actor.require(Permission.ANSWER)
    said = storable_text(text.replace("\r\n", "\n")).strip()
    if not said:
        raise Invalid({"text": [_("This must not be empty.")]})
    if len(said) > LONGEST_ANSWER:
        raise Invalid({"text": [_("This is too long: at most %(most)s characters.") % {"most": LONGEST_ANSWER}]})
    talk = _held(talk)
    if seen not in ("", mark_of(talk)):
        last = talk.answers.order_by("-pk").first()
        if last is not None and last.by == actor.user and last.text == said:
            return last
        raise SaidMeanwhile(conversation=talk.pk)
    newest = talk.replies.order_by("-received_at", "-pk").first()
    if talk.channel not in PERSONAL_CHANNELS or newest is None:
        raise CannotAnswer(conversation=talk.pk)
    try:
        normalised = normalise(talk.channel, talk.sender)
    except BadAddress as err:
        raise CannotAnswer(conversation=talk.pk) from err
    notice = send_own_words(
        talk.organisation,
        channel=talk.channel,
        to=talk.sender if talk.channel == Channel.EMAIL else normalised,
        normalised=normalised,
        subject="{{ data.subject }}" if talk.channel == Channel.EMAIL else "",
        text=said,
        language=talk.language,
        word=ANSWER,
        account=talk.account_id or 0,
        data={"subject": f"Re: {talk.subject}".strip(), "in_reply_to": newest.message_id},
    )
    now = clock.now()
    row = Answer.objects.create(conversation=talk, text=said, by=actor.user, notice=notice, at=now)
    talk.replies.filter(answered_at=None).update(answered_at=now, answer=said)
    _leave(talk, ConversationState.ANSWERED, last_at=now)
    audit.record(actor, "reply.answered", talk, organisation=talk.organisation, channel=talk.channel)
    return row


def _held(talk: Conversation) -> Conversation:
    """As it is now; nobody else writes into it until the transaction ends."""
    return Conversation.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=talk.pk)


def mark_of(talk: Conversation) -> str:
    """Changes with each message and each answer of the conversation."""
    newest = (rows.order_by("-pk").values_list("pk", flat=True).first() for rows in (talk.replies, talk.answers))
    return "-".join(str(key or 0) for key in newest)


@transaction.atomic
def close(actor: Actor, talk: Conversation, *, seen: str = "") -> None:
    """Say that no answer is needed; the next message of the person opens it again.

    Raises:
        SaidMeanwhile: more was said than was seen, as with `answer`.
        Forbidden
    """
    actor.require(Permission.ANSWER)
    talk = _held(talk)
    if seen not in ("", mark_of(talk)):
        raise SaidMeanwhile(conversation=talk.pk)
    _leave(talk, ConversationState.CLOSED, last_at=talk.last_at)
    audit.record(actor, "conversation.closed", talk, organisation=talk.organisation)


@transaction.atomic
def reopen(actor: Actor, talk: Conversation) -> None:
    """Have it wait again; the deadline is counted from now. What waits already keeps the one that it has."""
    actor.require(Permission.ANSWER)
    talk = _held(talk)
    if talk.state == ConversationState.WAITING:
        return
    now = clock.now()
    talk.state, talk.waiting_since = ConversationState.WAITING, now
    talk.due_at = now + timedelta(hours=settings.ANSWER_HOURS)
    talk.save(update_fields=["state", "waiting_since", "due_at"])
    audit.record(actor, "conversation.reopened", talk, organisation=talk.organisation)


#: How long after an answer its fate is looked at: servers give a message back within five days.
ANSWER_LOST_WITHIN: Final = timedelta(days=10)
#: An answer that certainly did not leave.
NOT_SENT: Final = (DeliveryState.REJECTED, DeliveryState.SKIPPED, DeliveryState.CANCELLED)
#: Conversations that nobody waits in, whose last answer did not leave or came back.
LOST: Final = """
SELECT c.id FROM outreach_conversation c
CROSS JOIN LATERAL (
    SELECT a.notice_id FROM outreach_answer a WHERE a.conversation_id = c.id ORDER BY a.id DESC LIMIT 1
) last
JOIN outreach_notice n ON n.id = last.notice_id
JOIN outreach_delivery d ON d.run_id = n.run_id AND d.id = n.delivery
WHERE c.state = 'answered' AND c.last_at >= %(since)s
    AND (d.state = ANY (%(not_sent)s) OR d.receipt = 'bounced')
"""


def reopen_lost() -> int:
    """Have those wait again whose answer did not reach them, and nobody would know; how many."""
    with connection.cursor() as cursor:
        cursor.execute(LOST, {"since": clock.now() - ANSWER_LOST_WITHIN, "not_sent": list(NOT_SENT)})
        lost = [key for (key,) in cursor.fetchall()]
    for talk in Conversation.objects.select_related("organisation").filter(pk__in=lost):
        reopen(product_itself(talk.organisation), talk)
    return len(lost)


def _leave(talk: Conversation, state: ConversationState, *, last_at: object) -> None:
    Conversation.objects.filter(pk=talk.pk).update(state=state, waiting_since=None, due_at=None, last_at=last_at)


@transaction.atomic
def assign(actor: Actor, talk: Conversation, user: User | None) -> None:
    """Say who sees to it; None gives it back to everybody.

    Raises:
        Invalid: the user may not answer here.
    """
    actor.require(Permission.ANSWER)
    if user is not None and user not in answerers(talk.organisation):
        raise Invalid({"assignee": [_("There is no such member who may answer.")]})
    Conversation.objects.filter(pk=talk.pk).update(assignee=user)
    audit.record(actor, "conversation.assigned", talk, organisation=talk.organisation, user=user.pk if user else None)


@transaction.atomic
def label(actor: Actor, talk: Conversation, labels: Sequence[str]) -> None:
    """Replace the conversation's labels.

    Raises:
        Invalid: too many, or one that is too long.
    """
    actor.require(Permission.ANSWER)
    words = (" ".join(storable_text(each).split()) for each in labels)
    wanted = list(dict.fromkeys(filter(None, words)))
    if len(wanted) > MOST_LABELS or any(len(each) > 40 for each in wanted):
        raise Invalid({"labels": [_("At most %(most)s labels of 40 characters.") % {"most": MOST_LABELS}]})
    Conversation.objects.filter(pk=talk.pk).update(labels=wanted)
    audit.record(actor, "conversation.labelled", talk, organisation=talk.organisation, labels=wanted)


def answerers(organisation: Organisation) -> QuerySet[User]:
    """Members at the organisation or above who may answer."""
    roles = [role for role, rights in PERMISSIONS.items() if Permission.ANSWER in rights]
    here = {"memberships__organisation__in": organisation.ancestor_ids(), "memberships__role__in": roles}
    return User.objects.filter(is_active=True, **here).distinct().order_by("name", "pk")


@transaction.atomic
def keep_ready(actor: Actor, *, name: str, text: str) -> CannedAnswer:
    """Keep an answer ready under a name, or change the one of that name.

    Raises:
        Invalid: one of them is empty or too long.
    """
    actor.require(Permission.ANSWER)
    name, text = (storable_text(given).strip() for given in (name, text))
    bounds = {"name": (name, 80), "text": (text, LONGEST_ANSWER)}
    wrong = {field: _wrong(value, most) for field, (value, most) in bounds.items()}
    if problems := {field: [sentence] for field, sentence in wrong.items() if sentence}:
        raise Invalid(problems)
    row, _is_new = CannedAnswer.objects.update_or_create(
        organisation=actor.organisation, name=name, defaults={"text": text}
    )
    audit.record(actor, "canned_answer.kept", row)
    return row


def _wrong(value: str, most: int) -> object:
    if not value:
        return _("This must not be empty.")
    return _("This is too long: at most %(most)s characters.") % {"most": most} if len(value) > most else ""


@transaction.atomic
def drop_ready(actor: Actor, row: CannedAnswer) -> None:
    """Keep it ready no more."""
    actor.require(Permission.ANSWER)
    audit.record(actor, "canned_answer.dropped", row)
    row.delete()


def ready_answers(organisation: Organisation) -> QuerySet[CannedAnswer]:
    """Those of the organisation and of the ones above it."""
    return CannedAnswer.objects.filter(organisation__in=organisation.ancestor_ids()).order_by("name", "pk")


def waiting_first(rows: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """Those whose deadline comes first, first."""
    return rows.order_by(F("due_at").asc(nulls_last=True), "-last_at", "-pk")
