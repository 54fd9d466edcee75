"""What STOP, START and HELP by SMS do, and the confirmation that their sender gets. Done twice, nothing more happens.

A STOP holds for the number, whatever we know of its owner, and for every topic. A START takes back what that STOP did
and nothing else. Each leaves consent records, an audit entry and, as its confirmation, a notice with its own fate.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.utils.translation import gettext, override

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.merging import all_ids
from outreach.audience.models import Address, Consent, Subscriber, Subscription
from outreach.audience.subscriptions import subscribe, unsubscribe
from outreach.audience.suppression import reason_of, suppress, unsuppress
from outreach.core import audit, clock
from outreach.core.access import product_itself
from outreach.core.errors import OutreachError
from outreach.core.models import Account, Organisation
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import (
    ConsentAction,
    ConsentPurpose,
    Language,
    ReplyKind,
    SubscriptionState,
    SuppressionReason,
)
from outreach.delivery.models import Notice
from outreach.delivery.notices import send_confirmation
from outreach.events.keywords import is_cyrillic
from outreach.events.models import Reply

#: Confirmations to one number in a day: two machines that answer each other come to an end.
MOST_A_DAY: Final = 5


def obey(account: Account, reply: Reply, *, is_answered: bool = False) -> None:
    """Do what the word says that is all of an inbound message, and confirm it; in the caller's transaction.

    `is_answered`: the provider confirmed it by itself, as Twilio does for the English words.
    """
    try:
        number = normalise(reply.channel, reply.sender)
    except BadAddress:
        return  # a short code or a name: nobody whom we could write to
    changed = _DO[ReplyKind(reply.kind)](account, reply, number)
    if changed is None:
        return
    actor = product_itself(account.organisation)
    audit.record(actor, f"reply.{reply.kind}", reply, organisation=account.organisation, subscriptions=changed)
    if not is_answered and account.settings.get("keywords") != "no":
        organisation = account.organisation
        confirm_word(account, reply, number, lambda language: word_confirmation(organisation, reply.kind, language))


def _stop(account: Account, reply: Reply, number: str) -> int | None:
    """Subscriptions that ended; None where the number was stopped before and nothing changed."""
    is_new = suppress(account.organisation, reply.channel, number, SuppressionReason.STOP)
    ended = sum(
        unsubscribe(person, topics=None, channels=[reply.channel], source="stop", evidence=_evidence(reply))
        for person in _owners(account, reply.channel, number)
    )
    return ended if is_new or ended else None


def _start(account: Account, reply: Reply, number: str) -> int | None:
    """Subscriptions that a STOP had ended and that hold again; None where there was none to take back.

    Somebody who is on the list for another reason, such as a complaint, stays there.
    """
    if reason_of(account.organisation, reply.channel, number) != SuppressionReason.STOP:
        return None
    if not unsuppress(account.organisation, reply.channel, number):
        return None  # stopped at an organisation above: its own number takes it back
    return sum(_resume(person, reply) for person in _owners(account, reply.channel, number))


def _resume(person: Subscriber, reply: Reply) -> int:
    """Subscribe again to the topics whose last word was that STOP."""
    ended = Subscription.objects.filter(
        subscriber=person, channel=reply.channel, state=SubscriptionState.UNSUBSCRIBED
    ).select_related("topic")
    last = {
        consent.topic_id: consent
        for consent in Consent.objects.filter(
            subscriber__in=all_ids(person), channel=reply.channel, purpose=ConsentPurpose.TOPIC
        ).order_by("at", "pk")
    }
    topics = [row.topic for row in ended if _was_stopped(last.get(row.topic_id))]
    evidence = _evidence(reply)
    return sum(subscribe(person, topic, [reply.channel], source="start", evidence=evidence) for topic in topics)


def _was_stopped(consent: Consent | None) -> bool:
    return consent is not None and consent.action == ConsentAction.WITHDRAWN and consent.source == "stop"


def _help(_account: Account, _reply: Reply, _number: str) -> int | None:
    return 0


_DO: Final[dict[str, Any]] = {ReplyKind.STOP: _stop, ReplyKind.START: _start, ReplyKind.HELP: _help}


def _owners(account: Account, channel: str, number: str) -> list[Subscriber]:
    owned = Address.objects.filter(
        organisation__path__startswith=account.organisation.path, channel=channel, normalised=number
    )
    people = Subscriber.objects.filter(pk__in=owned.values("subscriber"), erased_at=None)
    return list(people.select_related("organisation").order_by("pk"))


def _evidence(reply: Reply) -> dict[str, str]:
    return {"message": reply.external_id}


def confirm_word(account: Account, reply: Reply, number: str, word_it: Callable[[str], str]) -> None:
    """Answer through the account that the word came to; without one that can send, it is obeyed all the same."""
    today = clock.now() - timedelta(days=1)
    digest = address_digest(reply.channel, number)
    sent = Notice.objects.for_organisation(account.organisation).filter(digest=digest, created_at__gte=today)
    confirmed = sent.filter(run__frozen__notice__has_key="confirms").exclude(run__frozen__notice__confirms="answer")
    if confirmed.count() >= MOST_A_DAY:
        return
    language = _language(account, reply, number)
    try:
        send_confirmation(
            account,
            to=number,
            text=word_it(language),
            language=language,
            word=reply.kind,
        )
    except OutreachError:
        return


def word_confirmation(organisation: Organisation, kind: str, language: str) -> str:
    """The confirmation's words: who speaks, what holds now, and how to change it."""
    with override(language):
        texts = {
            ReplyKind.STOP: gettext("%(name)s: you will get no more SMS from us. To get them again, answer START."),
            ReplyKind.START: gettext("%(name)s: you will get our SMS again. To end them, answer STOP."),
            ReplyKind.HELP: gettext(
                "%(name)s sends you these SMS, since you asked for them. To end them, answer STOP."
            ),
        }
        return texts[ReplyKind(kind)] % {"name": organisation.name.get(language) or str(organisation)}


def _language(account: Account, reply: Reply, number: str) -> str:
    """The language of the word itself; where its letters do not tell, that of the number's owner."""
    if is_cyrillic(reply.text):
        return Language.BULGARIAN.value
    spoken = [person.language for person in _owners(account, reply.channel, number)]
    return spoken[0] if spoken else Language.ENGLISH.value
