"""What a topic's feed holds: the entries of its campaigns, read from the ledger and rendered as they were frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings

from outreach.audience.models import Topic
from outreach.campaigns.models import Run
from outreach.core.models import in_language
from outreach.core.vocabulary import Channel, DeliveryState, RunKind
from outreach.delivery import tokens
from outreach.delivery.models import Delivery
from outreach.delivery.render import Recipient, compile_run

#: Entries in one feed; older ones stay in the archive.
MOST_ENTRIES: Final = 50


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as a reader of the feed gets it."""

    #: `RUN-ID` of its delivery.
    id: str
    title: str
    html: str
    text: str
    #: Its page on our site, for good.
    link: str
    language: str
    published: datetime


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A topic's feed in one language."""

    slug: str
    title: str
    description: str
    publisher: str
    language: str
    #: Newest first.
    entries: tuple[Entry, ...]

    @property
    def updated(self) -> datetime | None:
        return self.entries[0].published if self.entries else None


def read_feed(topic: Topic, language: str) -> Feed:
    """The topic's feed in one language, newest entry first; two queries, and one rendering an entry."""
    return Feed(
        slug=topic.slug,
        title=in_language(topic.name, language),
        description=in_language(topic.description, language) or in_language(topic.name, language),
        publisher=in_language(topic.organisation.name, language),
        language=language,
        entries=tuple(_render(run, delivery) for run, delivery in _published(topic, language)),
    )


def _published(topic: Topic, language: str) -> list[tuple[Run, Delivery]]:
    """Runs of the topic with their accepted entry in this language, newest first."""
    runs = {
        run.pk: run
        for run in Run.objects.filter(kind=RunKind.CAMPAIGN, frozen__topics__contains=topic.pk)
        .filter(frozen__channels__contains=Channel.FEED.value)
        .order_by("-pk")[:MOST_ENTRIES]
    }
    targets = {target for run in runs.values() for target in feed_targets(run.frozen, language)}
    entries = Delivery.objects.filter(
        run_id__in=list(runs), target__in=targets, channel=Channel.FEED, state=DeliveryState.ACCEPTED
    )
    newest_first = sorted(entries, key=lambda delivery: delivery.settled_at or delivery.created_at, reverse=True)
    return [(runs[delivery.run_id], delivery) for delivery in newest_first]


def feed_targets(frozen: dict[str, Any], language: str) -> list[str]:
    """`Delivery.target` of each feed entry that a run makes in this language."""
    return [
        f"a:{content['account']}:{content['language']}"
        for content in frozen["contents"]
        if content["channel"] == Channel.FEED and content["language"] == language
    ]


def _render(run: Run, delivery: Delivery) -> Entry:
    message = compile_run(run.frozen, run_id=run.pk, base_url=settings.BASE_URL).render(
        Recipient(delivery=delivery.id, channel=Channel.FEED, language=delivery.language)
    )
    page = tokens.make(
        tokens.Token(
            kind=tokens.TokenKind.VIEW,
            run=run.pk,
            delivery=delivery.id,
            channel=Channel.FEED,
            language=delivery.language,
        )
    )
    return Entry(
        id=delivery.public_id,
        title=message.subject,
        html=message.html,
        text=message.text,
        link=f"{settings.BASE_URL}/v/{page}",
        language=delivery.language,
        published=delivery.settled_at or delivery.created_at,
    )
