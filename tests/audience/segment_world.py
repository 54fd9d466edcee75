"""People at random with everything that a segment may ask of them, and a plain reading of rules over the same facts."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from outreach.audience.merging import merge
from outreach.audience.models import (
    Address,
    Consent,
    Segment,
    SnapshotMember,
    Subscriber,
    Subscription,
    Topic,
)
from outreach.campaigns.models import Campaign, Run, Service
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.models import Organisation
from outreach.core.vocabulary import AddressState, Goal, Language, SubscriberKind, SubscriptionState
from outreach.delivery.models import Delivery
from outreach.events.models import Conversion, Event, Reply

PEOPLE = 60
CHANNELS = ("email", "sms")
TOPICS = ("health", "taxes", "roads")
SERVICES = ("permits", "licences")
NAMES = ("city", "age", "since", "vip", "няма")
VALUES: tuple[Any, ...] = (
    "Sofia",
    "София",
    "Пловдив",
    "18",
    "18.5",
    "07",
    "%",
    "true",
    "2026-01-01",
    18,
    18.5,
    -3,
    True,
)
BOUNDS: tuple[Any, ...] = ("2026", "София", "a", "18", 18, 7, -2.5)
DAYS = (1, 14, 90)
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?")
REGIONS = ("BG-22", "BG-16", "DE-BY")
STAGES = list(Goal.values)


@dataclass
class Happening:
    """Something of one message or one person, at a time."""

    at: datetime
    channel: str = ""
    campaign: str = ""
    services: frozenset[str] = frozenset()
    name: str = ""


@dataclass
class Facts:
    """All that is known of one person, in plain Python."""

    language: str
    kind: str
    region: str
    attributes: dict[str, Any]
    is_measured: bool
    is_listed: bool
    created_at: datetime
    subscriptions: list[tuple[str, str, str]] = field(default_factory=list)
    addresses: list[tuple[str, str]] = field(default_factory=list)
    consents: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    received: list[Happening] = field(default_factory=list)
    opened: list[Happening] = field(default_factory=list)
    clicked: list[Happening] = field(default_factory=list)
    replied: list[Happening] = field(default_factory=list)
    converted: list[Happening] = field(default_factory=list)
    #: Of which looking would be seen, and when there was a look, however unsure.
    shown: list[datetime] = field(default_factory=list)
    seen: list[datetime] = field(default_factory=list)
    paused_until: datetime | None = None
    #: When what they get, or how often, was changed.
    changed: list[datetime] = field(default_factory=list)


class Town:
    """An organisation with topics, services, campaigns and people, all drawn from one seed."""

    def __init__(self, organisation: Organisation, seed: int) -> None:
        self.organisation, self.draw, self.now = organisation, random.Random(seed), clock.now()
        self.topics = [Topic.objects.create(organisation=organisation, slug=slug) for slug in TOPICS]
        self.services = [
            Service.objects.create(organisation=organisation, slug=slug, url="https://example.bg") for slug in SERVICES
        ]
        self.runs = [self._run(place) for place in range(3)]
        self.campaigns = [str(run.campaign_id) for run in self.runs]
        self.people: dict[int, Facts] = {}
        snapshot = Segment.objects.create(organisation=organisation, name="Snapshot", taken_at=self.now)
        self.snapshot = snapshot.pk
        for place in range(PEOPLE):
            self._person(place)

    def _run(self, place: int) -> Run:
        tracking = "aggregate" if place == 1 else "individual"
        campaign = Campaign.objects.create(organisation=self.organisation, name=f"Campaign {place}", tracking=tracking)
        campaign.services.set(self.services[: place % 3])
        return Run.objects.create(
            organisation=self.organisation,
            campaign=campaign,
            occurrence=self.now,
            salt=b"",
            as_of=self.now,
            kind="test" if place > 2 else "campaign",
        )

    def _time(self) -> datetime:
        return self.now - timedelta(days=self.draw.choice((0.5, 3, 13.9, 14.1, 50, 100)))

    def _person(self, place: int) -> None:
        draw = self.draw
        facts = Facts(
            language=draw.choice(Language.values),
            kind=draw.choice(SubscriberKind.values),
            region=draw.choice((*REGIONS, "")),
            attributes={name: draw.choice(VALUES) for name in NAMES[:4] if draw.random() < 0.6},
            is_measured=draw.random() < 0.5,
            is_listed=draw.random() < 0.5,
            created_at=self._time(),
            paused_until=self._time() if draw.random() < 0.2 else None,
        )
        person = Subscriber.objects.create(
            organisation=self.organisation,
            language=facts.language,
            kind=facts.kind,
            region=facts.region,
            attributes=facts.attributes,
            is_measured=facts.is_measured,
            paused_until=facts.paused_until,
        )
        Subscriber.objects.filter(pk=person.pk).update(created_at=facts.created_at)
        self.people[person.pk] = facts
        if facts.is_listed:
            SnapshotMember.objects.create(segment_id=self.snapshot, subscriber_id=person.pk)
        self._wishes(person, facts)
        for run in self.runs:
            self._message(person, facts, run, place)
        if draw.random() < 0.3:
            self._conversion(person, facts)

    def _wishes(self, person: Subscriber, facts: Facts) -> None:
        draw = self.draw
        for channel in CHANNELS:
            if draw.random() < 0.6:
                facts.addresses.append((channel, draw.choice(AddressState.values)))
                value = f"{channel}{person.pk}"
                Address.objects.create(
                    organisation=self.organisation,
                    subscriber=person,
                    channel=channel,
                    value=value,
                    normalised=value,
                    digest=b"",
                    state=facts.addresses[-1][1],
                )
            for topic in self.topics:
                if draw.random() < 0.4:
                    state = draw.choice(SubscriptionState.values)
                    facts.subscriptions.append((topic.slug, channel, state))
                    row = Subscription.objects.create(subscriber=person, topic=topic, channel=channel, state=state)
                    # Most chose how often long ago.
                    changed_at = self._time() if draw.random() < 0.1 else self.now - timedelta(days=400)
                    Subscription.objects.filter(pk=row.pk).update(changed_at=changed_at)
                    facts.changed.append(changed_at)
        for topic in self.topics:
            if draw.random() < 0.4:
                action, purpose, at = (
                    draw.choice(("given", "withdrawn")),
                    draw.choice(("topic", "measurement")),
                    self._time(),
                )
                facts.consents.append((action, purpose, topic.slug, at))
                Consent.objects.create(
                    subscriber=person, action=action, purpose=purpose, topic=topic, at=at, source="api"
                )

    def _message(self, person: Subscriber, facts: Facts, run: Run, place: int) -> None:
        """A message with what came of it; what a machine did is there too, and nobody counts it."""
        draw = self.draw
        if draw.random() < 0.3:
            return
        channel, state, receipt = (
            draw.choice(CHANNELS),
            draw.choice(("accepted", "skipped")),
            draw.choice(("", "bounced")),
        )
        at, number = self._time(), place * 10 + self.runs.index(run) + 1
        services = frozenset(service.slug for service in self.services[: self.runs.index(run) % 3])

        def happening(when: datetime) -> Happening:
            return Happening(at=when, channel=channel, campaign=str(run.campaign_id), services=services)

        Delivery.objects.create(
            run=run,
            id=number,
            target=f"s:{person.pk}",
            channel=channel,
            subscriber=person,
            state=state,
            receipt=receipt,
            created_at=at,
            settled_at=at,
        )
        if state == "accepted" and not receipt:
            facts.received.append(happening(at))
            facts.shown += [at] if channel == "email" and self.runs.index(run) != 1 else []
        for kind, noted in (("opened", facts.opened), ("clicked", facts.clicked)):
            verdict, when = draw.choice(("human", "uncertain", "machine", "", "")), self._time()
            if not verdict:
                continue
            Event.objects.create(
                at=when,
                id=number * 2 + (kind == "opened"),
                kind=kind,
                run=run,
                delivery=number,
                channel=channel,
                verdict=verdict,
            )
            noted += [happening(when)] if verdict == "human" else []
            facts.seen += [when] if verdict != "machine" else []
        if draw.random() < 0.2:
            kind, when = draw.choice(("reply", "auto_reply")), self._time()
            Reply.objects.create(
                organisation=self.organisation,
                external_id=str(number),
                campaign_id=run.campaign_id,
                run=run,
                subscriber=person,
                channel=channel,
                kind=kind,
                sender="",
                received_at=when,
            )
            if kind == "reply":
                facts.replied.append(happening(when))

    def _conversion(self, person: Subscriber, facts: Facts) -> None:
        service, name, at = (
            self.draw.choice(self.services),
            self.draw.choice(("used", "satisfied", "recommended")),
            self._time(),
        )
        Conversion.objects.create(organisation=self.organisation, service=service, name=name, subscriber=person, at=at)
        facts.converted.append(Happening(at=at, services=frozenset({service.slug}), name=name))

    def merge(self, pairs: int) -> None:
        """Make one record of two, so many times: some people have three in the end."""
        for _ in range(pairs):
            kept, gone = self.draw.sample(sorted(self.people), 2)
            records = [Subscriber.objects.get(pk=key) for key in (kept, gone)]
            found = merge(product_itself(self.organisation), *records)
            self.people[kept] = _joined(found, self.people[kept], self.people.pop(gone))

    # --- the plain reading ---

    def meant(self, rule: Mapping[str, Any], as_of: datetime) -> set[int]:
        return {id_ for id_, facts in self.people.items() if holds(rule, facts, as_of)}

    def rules(self) -> st.SearchStrategy[dict[str, Any]]:
        return st.recursive(self._facts(), _nested, max_leaves=6)

    def _facts(self) -> st.SearchStrategy[dict[str, Any]]:
        days, channels = st.sampled_from(DAYS), st.sampled_from(CHANNELS)
        campaigns, services = st.sampled_from(self.campaigns), st.sampled_from(SERVICES)
        messages = {"within": days, "campaign": campaigns, "service": services}
        text, topics = st.sampled_from([v for v in VALUES if isinstance(v, str)]), st.sampled_from(TOPICS)
        values, bounds = st.sampled_from(VALUES), st.sampled_from(BOUNDS)
        some_topics = st.lists(topics, min_size=1, max_size=2)
        of_messages = st.fixed_dictionaries({}, optional={**messages, "channel": channels})
        compared = {"is": values, "in": st.lists(values, min_size=1, max_size=3), "contains": text, "begins": text}
        compared |= {"at_least": bounds, "at_most": bounds, "known": st.booleans()}
        attribute = st.fixed_dictionaries({"name": st.sampled_from(NAMES)}, optional=compared).filter(
            lambda d: len(d) > 1
        )
        actions, purposes = st.sampled_from(("given", "withdrawn")), st.sampled_from(("topic", "measurement"))
        arguments = {
            "attribute": attribute,
            "language": _some(Language.values),
            "kind": _some(SubscriberKind.values),
            "region": _some(list(REGIONS)),
            "snapshot": st.fixed_dictionaries({"in": st.just([str(self.snapshot)])}),
            "topic": st.fixed_dictionaries({"in": some_topics}, optional={"channel": channels}),
            "address": st.fixed_dictionaries({}, optional={"channel": channels, "state": _list(AddressState.values)}),
            "consent": st.fixed_dictionaries(
                {"action": actions}, optional={"purpose": purposes, "topic": topics, "within": days}
            ),
            "measured": st.just({}),
            "joined": st.fixed_dictionaries({"within": days}),
            "received": of_messages,
            "opened": of_messages,
            "clicked": of_messages,
            "replied": st.fixed_dictionaries({}, optional=messages),
            "converted": st.fixed_dictionaries(
                {},
                optional={"within": days, "service": services, "name": st.sampled_from(("used", "satisfied", "other"))},
            ),
            "sleepy": st.fixed_dictionaries({"within": days, "messages": st.sampled_from((1, 2))}),
            "stage": st.fixed_dictionaries({"service": services, "at_least": st.sampled_from(STAGES)}),
        }
        return st.one_of(*(st.fixed_dictionaries({name: given}) for name, given in arguments.items()))


def _joined(person: Subscriber, kept: Facts, gone: Facts) -> Facts:
    """What is known of a person after a merge: the record says what it says now, and nothing of either is forgotten."""
    histories = ("consents", "received", "opened", "clicked", "replied", "converted", "shown", "seen")
    return Facts(
        language=person.language,
        kind=person.kind,
        region=person.region,
        attributes=person.attributes,
        is_measured=person.is_measured,
        is_listed=kept.is_listed or gone.is_listed,
        created_at=min(kept.created_at, gone.created_at),
        subscriptions=list(person.subscriptions.values_list("topic__slug", "channel", "state")),
        addresses=list(person.addresses.values_list("channel", "state")),
        paused_until=person.paused_until,
        changed=list(person.subscriptions.values_list("changed_at", flat=True)),
        **{name: [*getattr(kept, name), *getattr(gone, name)] for name in histories},
    )


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        *(st.fixed_dictionaries({word: several}) for word in ("and", "or")), st.fixed_dictionaries({"not": inner})
    )


def _list(words: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=1, max_size=3)


def _some(words: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"in": _list(words)})


# --- what a rule means, read plainly ---


def holds(rule: Mapping[str, Any], facts: Facts, as_of: datetime) -> bool:
    ((word, given),) = rule.items()
    if word == "and":
        return all(holds(inner, facts, as_of) for inner in given)
    if word == "or":
        return any(holds(inner, facts, as_of) for inner in given)
    if word == "not":
        return not holds(given, facts, as_of)
    return PLAIN[word](given, facts, as_of)


def _attribute(given: Mapping[str, Any], facts: Facts, as_of: datetime) -> bool:
    value = facts.attributes.get(given["name"])
    text = None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return all(_compared(text, key, wanted) for key, wanted in given.items() if key != "name")


def _compared(text: str | None, key: str, wanted: Any) -> bool:
    if key == "known":
        return bool(text) is wanted
    if text is None:
        return False
    if key == "in":
        return any(_compared(text, "is", one) for one in wanted)
    if key in {"contains", "begins"}:
        return wanted in text if key == "contains" else text.startswith(wanted)
    if isinstance(wanted, bool):
        return text == str(wanted).lower()
    if isinstance(wanted, str):
        return {"is": text == wanted, "at_least": text >= wanted, "at_most": text <= wanted}[key]
    if not NUMBER.fullmatch(text):
        return False
    number, other = Decimal(text), Decimal(str(wanted))
    return {"is": number == other, "at_least": number >= other, "at_most": number <= other}[key]


def _recent(at: datetime, given: Mapping[str, Any], as_of: datetime) -> bool:
    return at <= as_of and ("within" not in given or at >= as_of - timedelta(days=given["within"]))


def _any(*lists: str) -> Callable[[Mapping[str, Any], Facts, datetime], bool]:
    def holds_of(given: Mapping[str, Any], facts: Facts, as_of: datetime) -> bool:
        return any(
            _recent(one.at, given, as_of)
            and given.get("campaign", one.campaign) == one.campaign
            and given.get("channel", one.channel) == one.channel
            and given.get("name", one.name) == one.name
            and ("service" not in given or given["service"] in one.services)
            for name in lists
            for one in getattr(facts, name)
        )

    return holds_of


def _stage(given: Mapping[str, Any], facts: Facts, as_of: datetime) -> bool:
    of, used = {"service": given["service"]}, _any("converted")
    evidence = [_any("received"), _any("opened", "clicked"), _any("clicked", "replied")]
    reached = [one(of, facts, as_of) for one in evidence]
    reached += [used({**of, "name": word}, facts, as_of) for word in ("used", "satisfied", "recommended")]
    return any(reached[STAGES.index(given["at_least"]) :])


def _sleepy(given: Mapping[str, Any], facts: Facts, as_of: datetime) -> bool:
    since = as_of - timedelta(days=given["within"])
    signs = [
        *facts.seen,
        *facts.changed,
        *(at for *_what, at in facts.consents),
        *(one.at for one in (*facts.replied, *facts.converted)),
    ]
    signs += [facts.paused_until] if facts.paused_until else []
    shown = [at for at in facts.shown if since < at <= as_of]
    return facts.is_measured and len(shown) >= given["messages"] and all(at <= since for at in signs)


PLAIN: dict[str, Callable[[Mapping[str, Any], Facts, datetime], bool]] = {
    "attribute": _attribute,
    "language": lambda given, facts, _: facts.language in given["in"],
    "kind": lambda given, facts, _: facts.kind in given["in"],
    "region": lambda given, facts, _: facts.region in given["in"],
    "snapshot": lambda given, facts, _: facts.is_listed,
    "topic": lambda given, facts, _: any(
        topic in given["in"] and given.get("channel", channel) == channel and state == "subscribed"
        for topic, channel, state in facts.subscriptions
    ),
    "address": lambda given, facts, _: any(
        given.get("channel", channel) == channel and state in given.get("state", [state])
        for channel, state in facts.addresses
    ),
    "consent": lambda given, facts, as_of: any(
        action == given["action"]
        and given.get("purpose", purpose) == purpose
        and given.get("topic", topic) == topic
        and _recent(at, given, as_of)
        for action, purpose, topic, at in facts.consents
    ),
    "measured": lambda given, facts, _: facts.is_measured,
    "joined": lambda given, facts, as_of: _recent(facts.created_at, given, as_of),
    "received": _any("received"),
    "opened": _any("opened", "clicked"),
    "clicked": _any("clicked"),
    "replied": _any("replied"),
    "converted": _any("converted"),
    "stage": _stage,
    "sleepy": _sleepy,
}
