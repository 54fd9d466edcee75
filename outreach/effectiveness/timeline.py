"""A person's timeline: what was sent to them, what they did, what they consented to, newest first, page by page.

A page goes on behind a moment, and behind as many entries of that very moment as were told already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from outreach.audience.merging import all_ids
from outreach.audience.models import Consent, Subscriber
from outreach.campaigns.models import Run
from outreach.core.errors import Invalid
from outreach.core.vocabulary import EventKind, RunKind
from outreach.delivery.models import Delivery, Notice
from outreach.events.feedback import Feedback, SurveyResponse
from outreach.events.models import Conversion, Event, Reply

#: Runs of the tree of organisations that are looked through, newest first.
MOST_RUNS: Final = 1000
MOST_ENTRIES: Final = 200
#: Entries of one moment that a page can go on behind.
MOST_TOLD: Final = 10_000

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One thing that happened between us and the person."""

    at: datetime
    #: `delivery`, `event`, `reply`, `consent`, `conversion` or `feedback`.
    kind: str
    #: The word of the vocabulary: a state, an event, a consent's action.
    word: str
    title: str = ""
    channel: str = ""
    detail: str = ""
    #: `RUN-ID` of the delivery that it concerns, or ''.
    delivery: str = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a page of a timeline goes on."""

    at: datetime
    #: Entries of that moment that were told already.
    told: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.told}"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What of each source a page may need."""

    place: Place | None
    limit: int

    def of(self, rows: QuerySet[Row], moment: str) -> QuerySet[Row]:
        """The newest rows that may be on the page."""
        if self.place:
            rows = rows.filter(**{f"{moment}__lte": self.place.at})
        return rows.order_by(f"-{moment}", "-pk")[: self.limit]


def read_place(text: str) -> Place:
    """Raises: Invalid: it is not one of ours."""
    moment, _mark, told = text.partition("~")
    try:
        place = Place(at=datetime.fromisoformat(moment), told=int(told))
        if place.at.tzinfo is None or not 0 < place.told < MOST_TOLD:
            raise ValueError
    except ValueError as err:
        raise Invalid({"cursor": [_("This is not a cursor of this list.")]}) from err
    return place


def timeline(subscriber: Subscriber) -> list[TimelineEntry]:
    """The newest entries of a person's timeline."""
    return timeline_page(subscriber)[0]


def timeline_page(
    subscriber: Subscriber, *, place: Place | None = None, limit: int = MOST_ENTRIES
) -> tuple[list[TimelineEntry], Place | None]:
    """A page of a person's timeline, the newest first, and where the next one goes on; a bounded number of queries."""
    told = place.told if place else 0
    part = _Part(place=place, limit=limit + told + 1)
    ids = all_ids(subscriber)
    deliveries = _deliveries(subscriber, ids, part)
    entries = [
        *(one for one in deliveries.values() if place is None or one.at <= place.at),
        *_events(deliveries, part),
        *_replies(ids, part),
        *_consents(ids, part),
        *_conversions(ids, part),
        *_feedback(ids, part),
    ]
    # Entries of one moment always come in the same order.
    ordered = sorted(entries, key=astuple, reverse=True)[told:]
    return ordered[:limit], _place_behind(ordered[:limit], place) if len(ordered) > limit else None


def whole_timeline(subscriber: Subscriber) -> Iterator[TimelineEntry]:
    """All of it, page by page."""
    entries, place = timeline_page(subscriber)
    yield from entries
    while place:
        entries, place = timeline_page(subscriber, place=place)
        yield from entries


def _place_behind(page: list[TimelineEntry], before: Place | None) -> Place:
    last = page[-1].at
    told = sum(entry.at == last for entry in page)
    return Place(at=last, told=told + (before.told if before and before.at == last else 0))


def as_json(entry: TimelineEntry) -> dict[str, Any]:
    return {**entry.__dict__, "at": entry.at.isoformat()}


def _deliveries(subscriber: Subscriber, ids: list[int], part: _Part) -> dict[tuple[int, int], TimelineEntry]:
    """By (run, id). The unique key (run, target, channel) finds them without an index on the person.

    A person belongs to one organisation, but any of the same tree may have written to them through a topic from above.
    They are not cut at the page's moment: something may have come back later.
    """
    root = subscriber.organisation.path.partition("/")[0]
    past = Run.objects.filter(organisation__path__startswith=f"{root}/").exclude(kind=RunKind.NOTICE)
    if part.place:
        past = past.filter(Q(started_at=None) | Q(started_at__lte=part.place.at))
    runs = {run.pk: run.title for run in past.select_related("campaign").order_by("-pk")[:MOST_RUNS]}
    found = [
        *Delivery.objects.filter(run__in=list(runs), target__in=[f"s:{one}" for one in ids]),
        *_noticed(ids, runs, part),
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


def _noticed(ids: list[int], titles: dict[int, str], part: _Part) -> list[Delivery]:
    """Deliveries of the notices that named the person; puts the names of their runs into `titles`."""
    notices = part.of(Notice.objects.filter(subscriber__in=ids).select_related("run"), "created_at")
    titles.update({notice.run_id: notice.run.title for notice in notices})
    runs, ids = {notice.run_id for notice in notices}, [notice.delivery for notice in notices]
    return list(Delivery.objects.filter(run_id__in=runs, id__in=ids))


def _events(deliveries: dict[tuple[int, int], TimelineEntry], part: _Part) -> list[TimelineEntry]:
    if not deliveries:
        return []
    # A delivery's number is its run's own: pairs, or others' events would fill the page.
    pairs = [Q(run=run, delivery=delivery) for run, delivery in deliveries]
    near = Event.objects.filter(run__in={run for run, _ in deliveries}, delivery__in={each for _, each in deliveries})
    events = part.of(near.filter(Q(*pairs, _connector=Q.OR)), "at")
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


def _replies(ids: list[int], part: _Part) -> list[TimelineEntry]:
    replies = part.of(Reply.objects.filter(subscriber__in=ids).select_related("campaign"), "received_at")
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
        for reply in replies
    ]


def _consents(ids: list[int], part: _Part) -> list[TimelineEntry]:
    kept = Consent.objects.filter(subscriber__in=ids, salt__isnull=False).select_related("topic")
    consents = part.of(kept, "at")
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


def _conversions(ids: list[int], part: _Part) -> list[TimelineEntry]:
    conversions = part.of(Conversion.objects.filter(subscriber__in=ids).select_related("service"), "at")
    return [
        TimelineEntry(at=conversion.at, kind="conversion", word=conversion.name, title=str(conversion.service))
        for conversion in conversions
    ]


def _feedback(ids: list[int], part: _Part) -> list[TimelineEntry]:
    """What the person answered to questions and surveys, where they agreed to be measured."""
    answers = part.of(Feedback.objects.filter(subscriber__in=ids), "at")
    responses = part.of(SurveyResponse.objects.filter(subscriber__in=ids).select_related("survey"), "at")
    said: list[Feedback | SurveyResponse] = [*answers, *responses]
    return [
        TimelineEntry(at=row.at, kind="feedback", word=EventKind.ANSWERED.value, title=row.said, channel=row.channel)
        for row in said
    ]
