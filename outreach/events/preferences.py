"""The preference centre's rules: what a person may choose, and what a saved choice changes.

The person is known by the token of a message alone. How consent is kept is `audience.subscriptions`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from outreach.audience.addresses import mask
from outreach.audience.models import Subscriber, Topic
from outreach.audience.subscribers import change_subscriber
from outreach.audience.subscriptions import set_measurement, subscribe, unsubscribe
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.models import in_language
from outreach.core.vocabulary import PERSONAL_CHANNELS, Channel, Language, SubscriptionState

#: Which text of the page a consent given on it refers to; grows when its wording changes.
TEXT_VERSION: Final = "preferences-1"
SOURCE: Final = "preferences"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A topic, and the channels by which the person wants it."""

    id: int
    name: str
    description: str
    chosen: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Way:
    """A channel on which we know an address of the person."""

    code: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """All that the page shows."""

    topics: tuple[Choice, ...]
    channels: tuple[Way, ...]
    #: Masked: the page can be opened by whoever a message was forwarded to.
    addresses: tuple[str, ...]
    language: str
    #: The channel by which the person asked to be written to; '' for no wish.
    preferred_channel: str
    is_measured: bool


def read_preferences(subscriber: Subscriber, *, language: str) -> Preferences:
    """What the person may choose and has chosen: the topics of the organisation, and whatever else is subscribed."""
    chosen = _chosen(subscriber)
    return Preferences(
        topics=tuple(
            Choice(
                id=topic.pk,
                name=in_language(topic.name, language) or topic.slug,
                description=in_language(topic.description, language),
                chosen=frozenset(chosen.get(topic.pk, ())),
            )
            for topic in _offered(subscriber, also=chosen)
        ),
        channels=tuple(Way(code=code, name=str(Channel(code).label)) for code in _channels(subscriber)),
        addresses=tuple(mask(value) for value in subscriber.addresses.order_by("pk").values_list("value", flat=True)),
        language=subscriber.language,
        preferred_channel=subscriber.preferred_channel,
        is_measured=subscriber.is_measured,
    )


@transaction.atomic
def save_preferences(
    subscriber: Subscriber,
    *,
    chosen: Mapping[int, Collection[str]],
    language: str,
    measured: bool,
    delivery: str,
    preferred_channel: str | None = None,
) -> None:
    """Make the subscriptions what was chosen (topic id -> channels); what stays as it was is not written again."""
    Subscriber.objects.select_for_update().get(pk=subscriber.pk)
    evidence = {"delivery": delivery}
    now = _chosen(subscriber)
    channels = set(_channels(subscriber))
    for topic in _offered(subscriber, also=now):
        wanted, had = set(chosen.get(topic.pk, ())) & channels, now.get(topic.pk, set())
        if gained := wanted - had:
            subscribe(
                subscriber,
                topic,
                sorted(gained),
                source=SOURCE,
                text_version=TEXT_VERSION,
                at=clock.now(),
                evidence=evidence,
            )
        if lost := had - wanted:
            unsubscribe(subscriber, topics=[topic], channels=sorted(lost), source=SOURCE, evidence=evidence)
    if measured != subscriber.is_measured:
        set_measurement(subscriber, measured, source=SOURCE, evidence=evidence)
    known = language if language in Language.values else subscriber.language
    first = preferred_channel if preferred_channel in {"", *channels} else subscriber.preferred_channel
    if (known, first) != (subscriber.language, subscriber.preferred_channel):
        actor = product_itself(subscriber.organisation)
        change_subscriber(actor, subscriber, language=known, preferred_channel=first)


def _chosen(subscriber: Subscriber) -> dict[int, set[str]]:
    chosen: dict[int, set[str]] = {}
    rows = subscriber.subscriptions.filter(state=SubscriptionState.SUBSCRIBED).values_list("topic_id", "channel")
    for topic, channel in rows:
        chosen.setdefault(topic, set()).add(channel)
    return chosen


def _offered(subscriber: Subscriber, *, also: Collection[int]) -> list[Topic]:
    own = Topic.objects.for_organisation(subscriber.organisation)
    return list((own | Topic.objects.filter(pk__in=list(also))).distinct().order_by("slug"))


def _channels(subscriber: Subscriber) -> list[str]:
    known = set(subscriber.addresses.values_list("channel", flat=True))
    return [channel for channel in PERSONAL_CHANNELS if channel in known]
