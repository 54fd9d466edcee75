"""Opting out: by the one-click POST of a mail program (RFC 8058) or on the page. A GET never comes here.

What stops is decided here; how a subscription ends is `audience.subscriptions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.db import transaction

from outreach.audience.merging import kept_id
from outreach.audience.models import Subscriber, Topic
from outreach.audience.subscriptions import unsubscribe
from outreach.campaigns.models import Run
from outreach.core.vocabulary import EventKind, RunKind
from outreach.delivery.digests import told_by
from outreach.delivery.models import Delivery
from outreach.delivery.tokens import Token
from outreach.events.record import Happening, record

#: `topics`: those of the message; `all`: every topic of the organisation.
Scope = Literal["topics", "all"]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Whom a personal token belongs to, and by which message."""

    run: Run
    delivery: Delivery
    #: None in a test send, and for somebody who was erased.
    subscriber: Subscriber | None
    #: What the message was about.
    topics: tuple[Topic, ...]


def find_person(token: Token) -> Person | None:
    """The person that a personal token was made for; None where the message is gone."""
    delivery = Delivery.objects.filter(run_id=token.run, id=token.delivery).first()
    return person_of(delivery) if delivery else None


def person_of(delivery: Delivery) -> Person | None:
    """The person that a message went to; None where its run is gone."""
    run = Run.objects.select_related("organisation").filter(pk=delivery.run_id).first()
    if run is None:
        return None
    known = Subscriber.objects.select_related("organisation").filter(erased_at=None)
    subscriber = known.filter(pk=kept_id(delivery.subscriber_id)).first() if delivery.subscriber_id else None
    # The run's own topics, chosen within its organisation when it was frozen; a digest's are those of what it told.
    told = [run] if run.kind != RunKind.DIGEST else told_by(delivery)
    topics = Topic.objects.filter(pk__in={topic for each in told for topic in each.frozen.get("topics", [])})
    return Person(run=run, delivery=delivery, subscriber=subscriber, topics=tuple(topics))


@transaction.atomic
def opt_out(
    person: Person, *, scope: Scope = "topics", source: str = "one_click", evidence: Mapping[str, Any] | None = None
) -> int:
    """End the person's subscriptions to the message's topics, or to all; answer how many ended.

    Doing it again changes nothing, and counts nothing.
    """
    if person.subscriber is None:
        return 0
    ended = unsubscribe(
        person.subscriber,
        topics=person.topics if scope == "topics" else None,
        source=source,
        evidence={"delivery": person.delivery.public_id, **(evidence or {})},
    )
    if ended:
        record(
            Happening(
                kind=EventKind.UNSUBSCRIBED,
                run=person.run.pk,
                delivery=person.delivery.id,
                channel=person.delivery.channel,
                language=person.delivery.language,
                reason=scope,
                source=source,
            )
        )
    return ended
