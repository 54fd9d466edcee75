"""Sleepy subscribers: only whose looking would be seen is judged, everybody is asked first, the link brings back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from outreach.audience.frequency import set_frequencies
from outreach.audience.models import Consent, Subscriber, Topic
from outreach.audience.rules import read_rule
from outreach.audience.segment_people import count_people
from outreach.audience.subscriptions import unsubscribe
from outreach.campaigns.models import Campaign, Run, Service
from outreach.campaigns.survey import Survey
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid, StateConflict
from outreach.core.models import AuditEntry, Organisation
from outreach.delivery.models import Delivery
from outreach.delivery.tokens import Token, TokenKind, make
from outreach.events import sunset
from outreach.events.feedback import Feedback, SurveyResponse
from outreach.events.models import Event, Reply
from outreach.events.sleepy import Patience, SleepQuestion, SleepRule, change_rule, make_rule, remove_rule
from outreach.events.sleepy_question import ask, standing_of
from outreach.events.sunset import decide_questions, foresee

pytestmark = pytest.mark.django_db

PATIENCE = Patience(days=180, messages=3, grace=30)


class Town:
    """People who got three measured messages in half a year, and what each of them did about it."""

    def __init__(self) -> None:
        self.organisation = Organisation.objects.create(slug="plovdiv", name={"bg": "Пловдив", "en": "Plovdiv"})
        self.actor = product_itself(self.organisation)
        self.topic = Topic.objects.create(organisation=self.organisation, slug="taxes", name={"bg": "Данъци"})
        self.now = clock.now()
        self.runs = [self.run(days) for days in (150, 100, 50)]
        self.people: dict[str, Subscriber] = {}

    def run(self, days: int, campaign: Campaign | None = None) -> Run:
        campaign = campaign or Campaign.objects.create(organisation=self.organisation, tracking="individual")
        at = self.now - timedelta(days=days)
        values: dict[str, Any] = {"state": "finished", "finished_at": at, "as_of": at, "occurrence": at, "salt": b""}
        frozen = {"topics": [self.topic.pk]}
        return Run.objects.create(organisation=self.organisation, campaign=campaign, frozen=frozen, **values)

    def add(self, name: str, *, is_measured: bool = True, runs: int = 3) -> Subscriber:
        person = Subscriber.objects.create(organisation=self.organisation, name=name, is_measured=is_measured)
        person.subscriptions.create(topic=self.topic, channel="email")
        person.subscriptions.create(topic=self.topic, channel="sms")
        person.subscriptions.update(changed_at=before(400))
        for run in self.runs[:runs]:
            self.send(person, run)
        self.people[name] = person
        return person

    def send(self, person: Subscriber, run: Run, **fields: Any) -> Delivery:
        values = {"channel": "email", "state": "accepted", "settled_at": run.as_of, **fields}
        target, number = f"s:{person.pk}", person.pk * 100 + Delivery.objects.count()
        return Delivery.objects.create(
            run=run, id=number, target=target, subscriber=person, created_at=run.as_of, **values
        )

    def looked(self, person: Subscriber, at: datetime, *, verdict: str = "human", kind: str = "opened") -> None:
        found = Delivery.objects.filter(subscriber=person).order_by("run").last()
        assert found is not None
        number = Event.objects.count() + 1
        Event.objects.create(
            at=at, id=number, kind=kind, run_id=found.run_id, delivery=found.id, channel="email", verdict=verdict
        )

    def survey(self) -> Survey:
        service = Service.objects.create(organisation=self.organisation, slug="card", name={}, url="https://c.example")
        return Survey.objects.create(organisation=self.organisation, service=service)

    def names(self, people: Any) -> list[str]:
        return sorted(person.name for person in people)


@pytest.fixture
def town() -> Town:
    return Town()


def before(days: float) -> datetime:
    return clock.now() - timedelta(days=days)


#: What keeps somebody from being judged asleep.
SIGNS: dict[str, Callable[[Town, Subscriber], Any]] = {
    "opened": lambda town, person: town.looked(person, before(40)),
    "clicked": lambda town, person: town.looked(person, before(40), kind="clicked"),
    "perhaps opened": lambda town, person: town.looked(person, before(40), verdict="uncertain"),
    "answered": lambda town, person: Reply.objects.create(
        organisation=town.organisation, external_id="1", subscriber=person, kind="reply", received_at=before(9)
    ),
    "said what they think": lambda town, person: Feedback.objects.create(
        organisation=town.organisation,
        question="words",
        text="…",
        subscriber=person,
        at=before(300),
        changed_at=before(9),
    ),
    "filled a survey in": lambda town, person: SurveyResponse.objects.create(
        survey=town.survey(), subscriber=person, at=before(9)
    ),
    "chose": lambda town, person: unsubscribe(person, topics=[town.topic], channels=["sms"], source="preferences"),
    "chose how often": lambda town, person: set_frequencies(town.actor, person, {(town.topic.pk, "sms"): "weekly"}),
    "pauses": lambda town, person: Subscriber.objects.filter(pk=person.pk).update(paused_until=before(20)),
    "complained": lambda town, person: Delivery.objects.filter(subscriber=person).update(receipt="complained"),
    "not measured": lambda town, person: Subscriber.objects.filter(pk=person.pk).update(is_measured=False),
}


def test_nobody_is_judged_without_evidence(town: Town) -> None:
    """Aggregate, lately joined, few messages, any sign of life: awake. Only what a machine did is no sign."""
    town.add("asleep")
    town.looked(town.add("scanned"), before(40), verdict="machine")
    town.looked(town.add("long ago"), before(200))
    town.add("few messages", runs=2)
    for name, act in SIGNS.items():
        act(town, town.add(name))
    counted = town.add("counted in aggregate", runs=2)
    quiet = Campaign.objects.create(organisation=town.organisation, tracking="aggregate")
    town.send(counted, town.run(30, quiet))
    rule = make_rule(town.actor, topic=town.topic, patience=PATIENCE, is_active=False)
    seen = standing_of(rule)
    assert town.names(seen.people) == ["asleep", "long ago", "scanned"]
    assert (seen.asleep.count, seen.measured.count, seen.subscribed.count) == (3, 15, 16)


def asked(town: Town, *, days: int = 31, is_active: bool = True) -> SleepQuestion:
    """The question of a rule about the topic, sent to everybody so many days ago."""
    rule = make_rule(town.actor, topic=town.topic, patience=PATIENCE, is_active=is_active)
    question = SleepQuestion.objects.get(campaign=ask(town.actor, rule))
    run = town.run(days, question.campaign)
    for person in town.people.values():
        town.send(person, run)
    return question


def test_who_gives_no_sign_is_let_go_and_brought_back_by_the_link(town: Town, client: Client) -> None:
    for name in ("asleep", "woke", "kept", "left", "no question", "no more measured"):
        town.add(name)
    question = asked(town)
    people = town.people
    Delivery.objects.filter(subscriber=people["no question"], run__campaign=question.campaign).update(receipt="bounced")
    town.looked(people["woke"], before(1))
    unsubscribe(people["left"], topics=None, source="page")
    Subscriber.objects.filter(pk=people["no more measured"].pk).update(is_measured=False)
    assert client.post(link_of(people["kept"], question)).status_code == 200
    fates = {"ended": 1, "awake": 2, "kept": 1, "left": 1, "undelivered": 1}
    seen = foresee(question)
    assert (seen.fates, town.names(seen.people)) == (fates, ["asleep"])
    assert states(people["asleep"]) == {"email": "subscribed", "sms": "subscribed"}

    assert (decide_questions(), decide_questions()) == (1, 0)
    question.refresh_from_db()
    assert (question.fates, question.decided_at is not None, foresee(question).fates) == (fates, True, fates)
    assert states(people["asleep"]) == {"email": "unsubscribed", "sms": "subscribed"}
    assert [states(people[name])["email"] for name in ("woke", "kept", "no question", "no more measured")] == [
        "subscribed"
    ] * 4
    ending = Consent.objects.get(subscriber=people["asleep"])
    delivery = Delivery.objects.get(subscriber=people["asleep"], run__campaign=question.campaign)
    assert (ending.action, ending.source, ending.topic, ending.channel, ending.evidence) == (
        "withdrawn",
        "sunset",
        town.topic,
        "email",
        {
            "delivery": delivery.public_id,
            "asked_at": delivery.settled_at and delivery.settled_at.isoformat(),
            "days": 180,
            "messages": 3,
            "grace": 30,
        },
    )
    assert AuditEntry.objects.get(action="sleep_question.decided").facts == fates

    path = link_of(people["asleep"], question)
    assert "Shall we go on writing to you?" in client.get(f"{path}?language=en").content.decode()
    assert states(people["asleep"])["email"] == "unsubscribed"
    for _ in range(2):
        assert "We go on writing to you" in client.post(f"{path}?language=en").content.decode()
    assert states(people["asleep"]) == {"email": "subscribed", "sms": "subscribed"}
    kept = Consent.objects.filter(subscriber=people["asleep"], action="given")
    assert list(kept.values_list("source", "channel", "language")) == [("keep", "email", "en")]
    assert "You ended this yourself" in client.post(f"{link_of(people['left'], question)}?language=en").content.decode()
    assert states(people["left"])["email"] == "unsubscribed"


def link_of(person: Subscriber, question: SleepQuestion) -> str:
    delivery = Delivery.objects.get(subscriber=person, run__campaign=question.campaign)
    token = Token(kind=TokenKind.PERSON, run=delivery.run_id, delivery=delivery.id, channel="email", language="bg")
    return f"/p/{make(token)}/keep"


def states(person: Subscriber) -> dict[str, str]:
    return dict(person.subscriptions.values_list("channel", "state"))


@pytest.mark.parametrize(
    ("days", "is_active", "state"), [(29, True, "finished"), (31, False, "finished"), (31, True, "running")]
)
def test_nobody_is_let_go_before_the_days_have_passed(town: Town, days: int, is_active: bool, state: str) -> None:
    town.add("asleep")
    question = asked(town, days=days, is_active=is_active)
    Run.objects.filter(campaign=question.campaign).update(state=state)
    assert (foresee(question).fates, decide_questions()) == ({"ended": 1}, 0)
    assert states(town.people["asleep"])["email"] == "subscribed"


def test_a_worker_that_dies_between_two_chunks_decides_nobody_twice(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        town.add(f"asleep {number}")
    question = asked(town)
    monkeypatch.setattr(sunset, "CHUNK", 2)
    first = sunset._decide_chunk(question.pk)
    question.refresh_from_db()
    assert (first, question.fates, foresee(question).fates) == (2, {"ended": 2}, {"ended": 5})
    assert (decide_questions(), Consent.objects.filter(source="sunset").count()) == (3, 5)


def test_a_rule_asks_by_a_campaign_of_its_own(town: Town) -> None:
    town.add("asleep")
    town.add("awake", runs=1)
    rule = make_rule(town.actor, topic=None, patience=PATIENCE, is_active=True)
    campaign = ask(town.actor, rule)
    rule.refresh_from_db()
    assert rule.segment is not None
    assert (campaign.state, campaign.tracking, list(campaign.topics.all()), campaign.segment, campaign.channels) == (
        "draft",
        "individual",
        [town.topic],
        rule.segment,
        ["email"],
    )
    assert count_people(town.organisation, read_rule(rule.segment.where, town.organisation)).count == 1
    texts = dict(campaign.contents.values_list("language", "body"))
    assert all("({{ keep_url }})" in text and "30" in text for text in texts.values())
    assert ("Данъци" in texts["bg"], sorted(texts)) == (True, ["bg", "en"])
    with pytest.raises(StateConflict):
        ask(town.actor, rule)
    Campaign.objects.filter(pk=campaign.pk).update(archived_at=clock.now())
    change_rule(town.actor, rule, patience=Patience(days=365, messages=4, grace=60), is_active=True)
    again = ask(town.actor, rule)
    assert (again.segment, [one.days for one in SleepQuestion.objects.order_by("pk")]) == (rule.segment, [180, 365])


def test_a_question_is_named_by_the_day_where_it_is_asked(town: Town) -> None:
    rule = make_rule(town.actor, topic=None, patience=PATIENCE, is_active=True)

    with clock.frozen(datetime(2026, 5, 1, 22, 30, tzinfo=UTC)):
        assert ask(town.actor, rule).name == "Shall we go on? Plovdiv, 02.05.2026"


def test_a_change_by_somebody_who_saw_the_rule_before_it_asked_keeps_its_segment(town: Town) -> None:
    seen_before = make_rule(town.actor, topic=town.topic, patience=PATIENCE, is_active=False)
    campaign = ask(town.actor, seen_before)
    changed = change_rule(town.actor, seen_before, patience=PATIENCE, is_active=True)
    assert (changed.is_active, SleepRule.objects.get().segment) == (True, campaign.segment)


def test_a_topic_with_a_rule_of_its_own_is_left_out_of_the_other(town: Town) -> None:
    other = Topic.objects.create(organisation=town.organisation, slug="roads")
    whole = make_rule(town.actor, topic=None, patience=PATIENCE, is_active=False)
    make_rule(town.actor, topic=town.topic, patience=PATIENCE, is_active=False)
    assert list(ask(town.actor, whole).topics.all()) == [other]
    with pytest.raises(Invalid) as refused:
        make_rule(town.actor, topic=town.topic, patience=PATIENCE, is_active=False)
    assert list(refused.value.fields) == ["topic"]
    with pytest.raises(Invalid) as refused:
        change_rule(town.actor, whole, patience=Patience(days=59, messages=2, grace=181), is_active=True)
    assert sorted(refused.value.fields) == ["days", "grace", "messages"]
    stranger = Actor(organisation=town.organisation, roles=frozenset())
    with pytest.raises(Forbidden):
        remove_rule(stranger, whole)
    remove_rule(town.actor, whole)
    assert SleepRule.objects.count() == 1
