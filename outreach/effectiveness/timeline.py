"""A person's timeline: what was sent to them, what they did, what they consented to, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from outreach.audience.models import Consent, Subscriber
from outreach.campaigns.models import Run
from outreach.core.vocabulary import RunKind
from outreach.delivery.models import Delivery, Notice
from outreach.events.models import Conversion, Event, Reply

#: Runs of the tree of organisations that are looked through, newest first.
MOST_RUNS: Final = 1000
MOST_ENTRIES: Final = 200


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One thing that happened between us and the person."""

    at: datetime
    #: `delivery`, `event`, `reply`, `consent` or `conversion`.
    kind: str
    #: The word of the vocabulary: a state, an event, a consent's action.
    word: str
    title: str = ""
    channel: str = ""
    detail: str = ""
    #: `RUN-ID` of the delivery that it concerns, or ''.
    delivery: str = ""


def timeline(subscriber: Subscriber) -> list[TimelineEntry]:
    """The newest entries of a person's timeline; a bounded number of queries."""
    deliveries = _deliveries(subscriber)
    entries = [
        *deliveries.values(),
        *_events(deliveries),
        *_replies(subscriber),
        *_consents(subscriber),
        *_conversions(subscriber),
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:MOST_ENTRIES]


def as_json(entry: TimelineEntry) -> dict[str, Any]:
    return {**entry.__dict__, "at": entry.at.isoformat()}


def _deliveries(subscriber: Subscriber) -> dict[tuple[int, int], TimelineEntry]:
    """By (run, id). The unique key (run, target, channel) finds them without an index on the person.

    A person belongs to one organisation, but any of the same tree may have written to them through a topic from above.
    """
    root = subscriber.organisation.path.partition("/")[0]
    runs = {
        run.pk: run.title
        for run in Run.objects.filter(organisation__path__startswith=f"{root}/")
        .exclude(kind=RunKind.NOTICE)
        .select_related("campaign")
        .order_by("-pk")[:MOST_RUNS]
    }
    found = [
        *Delivery.objects.filter(run__in=list(runs), target=f"s:{subscriber.pk}").order_by("-run_id")[:MOST_ENTRIES],
        *_noticed(subscriber, runs),
    ]
    return {
        (delivery.run_id, delivery.id): TimelineEntry(
            at=delivery.settled_at or delivery.created_at,
            kind="delivery",
            word=delivery.state,
            title=runs[delivery.run_id],
            channel=delivery.channel,
            detail=delivery.reason,
            delivery=delivery.public_id,
        )
        for delivery in found
    }


def _noticed(subscriber: Subscriber, titles: dict[int, str]) -> list[Delivery]:
    """Deliveries of the notices that named the person; puts the names of their runs into `titles`."""
    notices = Notice.objects.filter(subscriber=subscriber).select_related("run").order_by("-pk")[:MOST_ENTRIES]
    titles.update({notice.run_id: notice.run.title for notice in notices})
    runs, ids = {notice.run_id for notice in notices}, [notice.delivery for notice in notices]
    return list(Delivery.objects.filter(run_id__in=runs, id__in=ids))


def _events(deliveries: dict[tuple[int, int], TimelineEntry]) -> list[TimelineEntry]:
    events = Event.objects.filter(
        run__in={run for run, _ in deliveries}, delivery__in={delivery for _, delivery in deliveries}
    ).order_by("-at")[:MOST_ENTRIES]
    return [
        TimelineEntry(
            at=event.at,
            kind="event",
            word=event.kind,
            title=known.title,
            channel=event.channel,
            detail=event.verdict,
            delivery=known.delivery,
        )
        for event in events
        if (known := deliveries.get((event.run_id or 0, event.delivery or 0)))
    ]


def _replies(subscriber: Subscriber) -> list[TimelineEntry]:
    replies = Reply.objects.filter(subscriber=subscriber).select_related("campaign").order_by("-received_at")
    return [
        TimelineEntry(
            at=reply.received_at,
            kind="reply",
            word=reply.kind,
            title=reply.campaign.name if reply.campaign else "",
            channel=reply.channel,
            detail=reply.text[:500],
            delivery=f"{reply.run_id}-{reply.delivery}" if reply.delivery else "",
        )
        for reply in replies[:MOST_ENTRIES]
    ]


def _consents(subscriber: Subscriber) -> list[TimelineEntry]:
    consents = Consent.objects.filter(subscriber=subscriber).select_related("topic").order_by("-at")[:MOST_ENTRIES]
    return [
        TimelineEntry(
            at=consent.at,
            kind="consent",
            word=consent.action,
            title=str(consent.topic) if consent.topic else consent.get_purpose_display(),
            channel=consent.channel,
            detail=consent.source,
        )
        for consent in consents
    ]


def _conversions(subscriber: Subscriber) -> list[TimelineEntry]:
    conversions = Conversion.objects.filter(subscriber=subscriber).select_related("service").order_by("-at")
    return [
        TimelineEntry(at=conversion.at, kind="conversion", word=conversion.name, title=str(conversion.service))
        for conversion in conversions[:MOST_ENTRIES]
    ]
