"""Why a message came: what it was about, on which consent or duty it rests, who sent it. Reads, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from outreach.audience.merging import all_ids
from outreach.audience.models import Consent, Subscriber
from outreach.core.models import in_language
from outreach.core.vocabulary import Channel, ConsentAction, ConsentPurpose, LawfulBasis
from outreach.events.optout import Person


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A topic of the message, and the consent that its reader had given to it by then."""

    topic: str
    #: None where no record of it is kept.
    given_at: datetime | None
    #: '' where the record names none.
    text_version: str


@dataclass(frozen=True, kw_only=True)
class Why:
    """All that the page shows."""

    channel: str
    #: As the reader's program shows it; '' where the plan names none.
    sender: str
    began_at: datetime
    grounds: tuple[Ground, ...]
    #: Whom of the topics' readers it was meant for, in words; '' for all of them.
    meant: str
    #: Why it could be sent without a consent; '' for what rests on consent.
    lawful_basis: str


def read_why(person: Person, subscriber: Subscriber, *, language: str) -> Why:
    """Say why this message came to this person, in the language that is active; topic names in `language`."""
    plan, delivery = person.run.frozen, person.delivery
    given = _consents(person, subscriber)
    basis = plan.get("notice", {}).get("lawful_basis", "")
    return Why(
        channel=str(Channel(delivery.channel).label),
        sender=plan.get("senders", {}).get(str(delivery.account_id), {}).get("sender", ""),
        began_at=person.run.started_at or person.run.as_of,
        grounds=tuple(
            Ground(
                topic=in_language(topic.name, language) or topic.slug,
                given_at=consent.at if (consent := given.get(topic.pk)) else None,
                text_version=consent.text_version if consent else "",
            )
            for topic in person.topics
        ),
        meant=in_language(plan.get("segment", {}).get("words", {}), language),
        lawful_basis=str(LawfulBasis(basis).label) if basis in LawfulBasis.values else "",
    )


def _consents(person: Person, subscriber: Subscriber) -> dict[int | None, Consent]:
    """Topic -> the last consent given before the message; what was given afterwards is no reason for it."""
    rows = Consent.objects.filter(
        subscriber__in=all_ids(subscriber),
        purpose=ConsentPurpose.TOPIC,
        action=ConsentAction.GIVEN,
        topic__in=[topic.pk for topic in person.topics],
        channel__in=["", person.delivery.channel],
        at__lte=person.run.started_at or person.run.as_of,
    )
    return {row.topic_id: row for row in rows.order_by("at", "pk")}
