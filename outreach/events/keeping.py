"""The reader's answer to whether to go on: "keep writing to me", by the personal link of a message.

It is a consent given anew for what they still get, and takes back what a sunset ended, however long ago; what they
ended themselves stays ended.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from outreach.audience.merging import all_ids, hold
from outreach.audience.models import Consent, Subscriber, Topic
from outreach.audience.subscriptions import subscribe
from outreach.core import clock
from outreach.core.vocabulary import Channel, ConsentAction, ConsentPurpose, SubscriptionState
from outreach.events.optout import Person

#: What a consent's record names as its source: the answer, and the ending that it can take back.
SOURCE: Final = "keep"
SUNSET: Final = "sunset"
#: Which text of the page the consent refers to; grows when its wording changes.
TEXT_VERSION: Final = "keep-1"


@transaction.atomic
def keep(person: Person, *, shown_in: str) -> list[Topic]:
    """Go on writing to the person by e-mail about what the message was about; the topics of which that is so now.

    Doing it again changes nothing.
    """
    if person.subscriber is None:
        return []
    subscriber = hold(person.subscriber)
    if subscriber.erased_at is not None:
        return []
    kept = [topic for topic in person.topics if _may_be_kept(subscriber, topic)]
    evidence = {"delivery": person.delivery.public_id}
    for topic in kept:
        if not subscribe(
            subscriber,
            topic,
            [Channel.EMAIL],
            source=SOURCE,
            text_version=TEXT_VERSION,
            language=shown_in,
            evidence=evidence,
        ):
            _renew(subscriber, topic, shown_in=shown_in, evidence=evidence)
    return kept


def _may_be_kept(subscriber: Subscriber, topic: Topic) -> bool:
    """Whether the person has the topic by e-mail, or a sunset was what ended it last."""
    states = subscriber.subscriptions.filter(topic=topic, channel=Channel.EMAIL).values_list("state", flat=True)
    if SubscriptionState.SUBSCRIBED in states:
        return True
    last = _of(subscriber, topic).order_by("at", "pk").last()
    return last is not None and (last.action, last.source) == (ConsentAction.WITHDRAWN, SUNSET)


def _renew(subscriber: Subscriber, topic: Topic, *, shown_in: str, evidence: dict[str, str]) -> None:
    """Record the consent of who has the topic anyway, once for each message."""
    if _of(subscriber, topic).filter(source=SOURCE, evidence=evidence).exists():
        return
    Consent.objects.create(
        subscriber=subscriber,
        topic=topic,
        channel=Channel.EMAIL,
        action=ConsentAction.GIVEN,
        source=SOURCE,
        text_version=TEXT_VERSION,
        language=shown_in,
        at=clock.now(),
        evidence=evidence,
    )


def _of(subscriber: Subscriber, topic: Topic) -> QuerySet[Consent]:
    return Consent.objects.filter(
        subscriber__in=all_ids(subscriber), topic=topic, purpose=ConsentPurpose.TOPIC, channel__in=["", Channel.EMAIL]
    )
