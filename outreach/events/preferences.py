"""The preference centre's rules: what a person may choose, and what a saved choice changes.

The person is known by the token of a message alone. How consent is kept is `audience.subscriptions`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from django.db import transaction

from outreach.audience.addresses import mask
from outreach.audience.frequency import frequency_of, set_frequencies
from outreach.audience.merging import hold
from outreach.audience.models import Subscriber, Topic
from outreach.audience.pause import end_of_pause, pause_of, set_pause, zone_of
from outreach.audience.quiet_hours import QuietHours, quiet_hours_of, read_quiet_hours, set_quiet_hours
from outreach.audience.subscribers import change_subscriber
from outreach.audience.subscriptions import set_measurement, subscribe, unsubscribe
from outreach.audience.topic_tree import Branch, grow_tree
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.models import in_language
from outreach.core.vocabulary import PERSONAL_CHANNELS, Channel, Frequency, Language, SubscriptionState
from schedules.zones import local_time

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
    #: Channel -> Frequency.
    frequencies: Mapping[str, str]
    #: 0 for a root of the tree.
    depth: int
    #: How many topics stand below it.
    holds: int


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
    #: None where there are none.
    quiet_hours: QuietHours | None
    #: The person's day on which their pause ends; None where there is none.
    writes_again: date | None


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A pause as it is asked for on the page."""

    #: A PauseLength.
    length: str
    #: With `date`: the day on which messages are to come again, YYYY-MM-DD.
    day: str = ""


def read_preferences(subscriber: Subscriber, *, language: str) -> Preferences:
    """What the person may choose and has chosen: the topics of the organisation, and whatever else is subscribed."""
    chosen = _chosen(subscriber)
    return Preferences(
        topics=tuple(
            Choice(
                id=(topic := branch.topic).pk,
                name=in_language(topic.name, language) or topic.slug,
                description=in_language(topic.description, language),
                chosen=frozenset(chosen.get(topic.pk, ())),
                frequencies=chosen.get(topic.pk, {}),
                depth=branch.depth,
                holds=len(branch.below),
            )
            for branch in _offered(subscriber, also=chosen)
        ),
        channels=tuple(Way(code=code, name=str(Channel(code).label)) for code in _channels(subscriber)),
        addresses=tuple(mask(value) for value in subscriber.addresses.order_by("pk").values_list("value", flat=True)),
        language=subscriber.language,
        preferred_channel=subscriber.preferred_channel,
        is_measured=subscriber.is_measured,
        quiet_hours=quiet_hours_of(subscriber),
        writes_again=_day(subscriber),
    )


@transaction.atomic
def save_preferences(
    subscriber: Subscriber,
    *,
    chosen: Mapping[int, Collection[str]],
    language: str,
    measured: bool,
    delivery: str,
    shown_in: str = "",
    preferred_channel: str | None = None,
    branch: int | None = None,
    pause: Pause | None = None,
    quiet: tuple[str, str] | None = None,
    frequencies: Mapping[tuple[int, str], str] | None = None,
) -> None:
    """Make the subscriptions what was chosen (topic id -> channels); what stays as it was is not written again.

    A `branch` is a topic that is wanted with all that it holds now, by the channels chosen for it, else by every one.
    `frequencies` say how often, by (topic id, channel). Of who was erased meanwhile nothing is kept.

    Raises:
        Invalid: the pause is none, at `length` or `until`, or the `quiet` hours, at `quiet_from` or `quiet_to`; nothing
            is saved.
    """
    subscriber = hold(subscriber)
    if subscriber.erased_at is not None:
        return
    evidence = {"delivery": delivery}
    now = _chosen(subscriber)
    channels = set(_channels(subscriber))
    offered = _offered(subscriber, also=now)
    chosen = _with_branch(chosen, offered, branch, channels)
    for topic in (each.topic for each in offered):
        wanted, had = set(chosen.get(topic.pk, ())) & channels, set(now.get(topic.pk, ()))
        if gained := wanted - had:
            subscribe(
                subscriber,
                topic,
                sorted(gained),
                source=SOURCE,
                text_version=TEXT_VERSION,
                language=shown_in,
                at=clock.now(),
                evidence=evidence,
            )
        if lost := had - wanted:
            unsubscribe(
                subscriber,
                topics=[topic],
                channels=sorted(lost),
                source=SOURCE,
                text_version=TEXT_VERSION,
                language=shown_in,
                evidence=evidence,
            )
    if frequencies:
        known_words = {key: word for key, word in frequencies.items() if word in Frequency.values}
        set_frequencies(product_itself(subscriber.organisation), subscriber, known_words)
    if measured != subscriber.is_measured:
        set_measurement(
            subscriber, measured, source=SOURCE, text_version=TEXT_VERSION, language=shown_in, evidence=evidence
        )
    known = language if language in Language.values else subscriber.language
    first = preferred_channel if preferred_channel in {"", *channels} else subscriber.preferred_channel
    if (known, first) != (subscriber.language, subscriber.preferred_channel):
        actor = product_itself(subscriber.organisation)
        change_subscriber(actor, subscriber, language=known, preferred_channel=first)
    if quiet is not None:
        set_quiet_hours(product_itself(subscriber.organisation), subscriber, read_quiet_hours(*quiet))
    if pause is not None:
        until = end_of_pause(pause.length, pause.day, zone=zone_of(subscriber), now=clock.now())
        set_pause(product_itself(subscriber.organisation), subscriber, until)


def as_typed(
    known: Preferences,
    *,
    chosen: Mapping[int, Collection[str]],
    language: str,
    measured: bool,
    frequencies: Mapping[tuple[int, str], str],
) -> Preferences:
    """What the page shows again where something on it was wrong: what is offered, with the marks that were made."""
    topics = tuple(
        replace(
            topic,
            chosen=frozenset(chosen.get(topic.id, ())),
            frequencies={channel: word for (key, channel), word in frequencies.items() if key == topic.id},
        )
        for topic in known.topics
    )
    return replace(known, topics=topics, language=language or known.language, is_measured=measured)


def _day(subscriber: Subscriber) -> date | None:
    until = pause_of(subscriber)
    return local_time(until, zone_of(subscriber)).date() if until else None


def _chosen(subscriber: Subscriber) -> dict[int, dict[str, str]]:
    """Topic id -> channel -> Frequency, of all that is subscribed."""
    chosen: dict[int, dict[str, str]] = {}
    rows = subscriber.subscriptions.filter(state=SubscriptionState.SUBSCRIBED)
    for topic, channel, frequency in rows.values_list("topic_id", "channel", "frequency"):
        chosen.setdefault(topic, {})[channel] = frequency_of(frequency)
    return chosen


def _offered(subscriber: Subscriber, *, also: Collection[int]) -> list[Branch]:
    own = Topic.objects.for_organisation(subscriber.organisation)
    return grow_tree((own | Topic.objects.filter(pk__in=list(also))).distinct())


def _with_branch(
    chosen: Mapping[int, Collection[str]], offered: Sequence[Branch], branch: int | None, channels: Collection[str]
) -> Mapping[int, Collection[str]]:
    held = next(((each.topic.pk, *each.below) for each in offered if each.topic.pk == branch), ())
    ways = chosen.get(branch or 0) or channels
    return {**chosen, **{key: {*chosen.get(key, ()), *ways} for key in held}}


def _channels(subscriber: Subscriber) -> list[str]:
    known = set(subscriber.addresses.values_list("channel", flat=True))
    return [channel for channel in PERSONAL_CHANNELS if channel in known]
