"""The report over rows and counters as the ledger and the events write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import DjangoAssertNumQueries

from outreach.audience.models import Subscriber, Topic
from outreach.campaigns.models import Campaign, Run, Service
from outreach.core.errors import Invalid, NotFound
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import EvidenceSource, Goal
from outreach.delivery.models import Counter, Delivery
from outreach.effectiveness.overview import figures, overview
from outreach.effectiveness.receipts import receipt
from outreach.effectiveness.report import as_json, report
from outreach.effectiveness.timeline import read_place, timeline, timeline_page
from outreach.events.models import Conversion, Reply
from outreach.events.stages import add_evidence

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.fixture
def council() -> Organisation:
    return Organisation.objects.create(slug="council", name={"bg": "Съвет"})


@pytest.fixture
def campaign(council: Organisation) -> Campaign:
    return Campaign.objects.create(organisation=council, name="Здравна карта", goal="uses", state="finished")


@pytest.fixture
def run(campaign: Campaign) -> Run:
    account = Account.objects.create(
        organisation=campaign.organisation,
        adapter="smtp",
        channel="email",
        name="Поща",
        hook_key="h",
        unknown_policy="resend",
    )
    content = {
        "channel": "email",
        "language": "bg",
        "variant": "",
        "format": "markdown",
        "subject": "Здравей",
        "body": "[Вижте картата](https://health.example/card) и [стъпките](https://health.example/steps)",
        "account": account.pk,
    }
    frozen: dict[str, Any] = {
        "campaign": {"id": campaign.pk, "name": campaign.name, "goal": campaign.goal},
        "organisation": {"id": campaign.organisation_id, "slug": "council", "name": {"bg": "Съвет"}, "timezone": "UTC"},
        "topics": [],
        "topic_names": {},
        "channels": ["email"],
        "accounts": {"email": account.pk},
        "contents": [content],
        "fallback_language": "bg",
        "tracking": "individual",
        "services": [],
    }
    return Run.objects.create(
        organisation=campaign.organisation,
        campaign=campaign,
        occurrence=AT,
        as_of=AT,
        state="finished",
        salt=b"0" * 16,
        frozen=frozen,
        audience_count=12,
    )


def count(run: Run, kind: str, name: str, reason: str, count: int, slot: int = 1) -> None:
    Counter.objects.create(
        run=run, slot=slot, kind=kind, channel="email", language="bg", name=name, reason=reason, count=count
    )


def add_delivery(run: Run, target: str, **values: Any) -> Delivery:
    with connection.cursor() as cursor:
        columns = {
            "run_id": run.pk,
            "target": target,
            "channel": "email",
            "language": "bg",
            "state": "accepted",
            **values,
        }
        names = ", ".join(columns)
        marks = ", ".join(["%s"] * len(columns))
        cursor.execute(f"INSERT INTO outreach_delivery ({names}) VALUES ({marks}) RETURNING id", list(columns.values()))
        return Delivery.objects.get(run_id=run.pk, id=cursor.fetchone()[0])


def add_event(run: Run, kind: str, **values: Any) -> None:
    columns = {"run_id": run.pk, "kind": kind, "channel": "email", "language": "bg", "at": AT, **values}
    with connection.cursor() as cursor:
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        cursor.execute(f"INSERT INTO outreach_event ({names}) VALUES ({marks})", list(columns.values()))


@pytest.fixture
def counted(run: Run) -> Run:
    count(run, "state", "accepted", "", 8)
    count(run, "state", "accepted", "", 2, slot=2)
    count(run, "state", "skipped", "no_consent", 2)
    count(run, "receipt", "bounced", "", 1)
    count(run, "minute", "2026-11-20T08:00", "", 7)
    count(run, "minute", "2026-11-20T08:01", "", 3)
    count(run, "event", "opened", "human", 5)
    count(run, "event", "opened", "machine", 4)
    count(run, "event", "clicked", "human", 3)
    count(run, "link", "1", "", 2)
    count(run, "moment", "2026-11-20T08:02", "clicked", 2)
    return run


def test_the_report_says_what_became_of_everybody(campaign: Campaign, counted: Run) -> None:
    service = Service.objects.create(
        organisation=campaign.organisation, slug="card", name={"bg": "Карта"}, url="https://health.example"
    )
    Conversion.objects.create(
        organisation=campaign.organisation, service=service, name="used", run=counted, delivery=1, at=AT
    )
    add_evidence(Goal.USES, EvidenceSource.SERVICE, organisation=campaign.organisation_id, run=counted)
    add_evidence(Goal.INTERESTED, EvidenceSource.REPLY, organisation=campaign.organisation_id, run=counted)
    for number, kind in enumerate(["reply", "auto_reply"]):
        Reply.objects.create(
            organisation=campaign.organisation,
            external_id=str(number),
            campaign=campaign,
            channel="email",
            kind=kind,
            sender="a@b.example",
            received_at=AT,
        )

    found = as_json(report(campaign))

    assert found["audience"] == 12
    assert {state: n for state, n in found["primary"].items() if n} == {"accepted": 10, "skipped": 2}
    assert found["reasons"]["skipped"] == {"no_consent": 2}
    assert found["opens"] == {"human": 5, "uncertain": 0, "machine": 4}
    assert found["replies"] == {"reply": 1, "auto_reply": 1}
    assert [(stage["stage"], stage["people"]) for stage in found["funnel"]] == [
        ("knows", 9),
        ("understands", 5),
        ("interested", 4),
        ("uses", 1),
        ("satisfied", None),
        ("recommends", None),
    ]
    assert [(line["channel"], line["accepted"], line["replied"]) for line in found["channels"]] == [("email", 10, 1)]
    assert [(line["language"], line["clicked"]) for line in found["languages"]] == [("bg", 3)]
    assert [(bar["accepted"], bar["clicked"]) for bar in found["over_time"]] == [(7, 0), (3, 0), (0, 2)]
    followed = {link["url"]: link["human"] for link in found["links"]}
    assert followed["https://health.example/steps"] == 2
    assert followed["https://health.example/card"] == 0


def test_a_campaign_that_never_ran_has_an_empty_report(campaign: Campaign) -> None:
    found = as_json(report(campaign))

    assert (found["audience"], found["over_time"], found["links"], found["channels"]) == (0, [], [], [])


@pytest.mark.parametrize("campaigns", [1, 3])
def test_figures_of_a_list_cost_two_queries(
    council: Organisation, django_assert_num_queries: DjangoAssertNumQueries, campaigns: int
) -> None:
    made = [Campaign.objects.create(organisation=council, name=str(number)) for number in range(campaigns)]
    for campaign in made:
        run = Run.objects.create(organisation=council, campaign=campaign, occurrence=AT, as_of=AT, salt=b"0" * 16)
        count(run, "state", "accepted", "", 4)

    with django_assert_num_queries(2):
        found = figures(made)

    assert [found[campaign.pk].accepted for campaign in made] == [4] * campaigns


def test_overview_sums_the_subtree_and_leaves_strangers_out(council: Organisation, counted: Run) -> None:
    child = Organisation.objects.create(slug="child", name={"en": "Child"}, parent=council)
    stranger = Organisation.objects.create(slug="stranger", name={"en": "Stranger"})
    for organisation in (child, stranger):
        campaign = Campaign.objects.create(organisation=organisation, name="x")
        run = Run.objects.create(organisation=organisation, campaign=campaign, occurrence=AT, as_of=AT, salt=b"0" * 16)
        count(run, "state", "accepted", "", 100)
    Run.objects.update(occurrence=datetime.now(tz=UTC))

    assert (overview(council).accepted, overview(council).runs) == (110, 2)


def test_a_receipt_tells_the_story_and_only_to_its_own(council: Organisation, run: Run) -> None:
    person = Subscriber.objects.create(organisation=council, name="Анна")
    delivery = add_delivery(run, f"s:{person.pk}", subscriber_id=person.pk, settled_at=datetime.now(tz=UTC) + MINUTE)
    add_event(run, "opened", delivery=delivery.id, at=datetime.now(tz=UTC) + timedelta(hours=1))
    stranger = Organisation.objects.create(slug="stranger", name={"en": "Stranger"})

    found = receipt(council, delivery.public_id)

    assert [(step.kind, step.word) for step in found.steps] == [
        ("planned", "planned"),
        ("settled", "accepted"),
        ("event", "opened"),
    ]
    for organisation, public_id in ((stranger, delivery.public_id), (council, "1-0"), (council, "x"), (council, "-")):
        with pytest.raises(NotFound):
            receipt(organisation, public_id)


def test_a_timeline_holds_deliveries_events_replies_and_consents(council: Organisation, run: Run) -> None:
    person = Subscriber.objects.create(organisation=council, name="Анна")
    topic = Topic.objects.create(organisation=council, slug="health", name={"bg": "Здраве"})
    delivery = add_delivery(run, f"s:{person.pk}", subscriber_id=person.pk, settled_at=AT)
    add_event(run, "opened", delivery=delivery.id, at=AT + timedelta(hours=1))
    person.consents.create(topic=topic, action="given", source="form", at=AT - timedelta(days=1))
    Reply.objects.create(
        organisation=council,
        external_id="1",
        subscriber=person,
        channel="email",
        kind="reply",
        sender="a@b.example",
        text="Благодаря",
        received_at=AT + timedelta(hours=2),
    )

    assert [(entry.kind, entry.word, entry.title) for entry in timeline(person)] == [
        ("reply", "reply", ""),
        ("event", "opened", "Здравна карта"),
        ("delivery", "accepted", "Здравна карта"),
        ("consent", "given", "Здраве"),
    ]


def test_pages_of_a_timeline_are_the_whole_of_it_whatever_happened_at_once(council: Organisation, run: Run) -> None:
    person = Subscriber.objects.create(organisation=council, name="Анна")
    other = add_delivery(run, "s:0", settled_at=AT)
    delivery = add_delivery(run, f"s:{person.pk}", subscriber_id=person.pk, settled_at=AT)
    for hours in (0, 0, 1):
        add_event(run, "opened", delivery=delivery.id, at=AT + timedelta(hours=hours))
        add_event(run, "clicked", delivery=other.id, at=AT + timedelta(hours=2))
        person.consents.create(action="given", source="form", at=AT)
        person.consents.create(action="withdrawn", source=f"page {hours}", at=AT - timedelta(days=hours))
    whole = timeline(person)

    for limit in (1, 2, 3, 5):
        told, place = timeline_page(person, limit=limit)
        while place:
            found, place = timeline_page(person, place=read_place(str(place)), limit=limit)
            told += found
        assert told == whole
    assert (len(whole), {entry.word for entry in whole}) == (10, {"accepted", "opened", "given", "withdrawn"})
    for cursor in ("x", "2026-01-01~1", f"{AT.isoformat()}~0", f"{AT.isoformat()}~x"):
        with pytest.raises(Invalid):
            read_place(cursor)


def test_a_timeline_holds_what_an_organisation_below_sent_through_a_topic_from_above(
    council: Organisation, run: Run
) -> None:
    person = Subscriber.objects.create(organisation=council, name="Анна")
    ministry = Organisation.objects.create(slug="ministry", name={"bg": "Министерство"}, parent=council)
    Run.objects.filter(pk=run.pk).update(organisation=ministry)
    add_delivery(run, f"s:{person.pk}", subscriber_id=person.pk, settled_at=AT)

    assert [(entry.kind, entry.word, entry.title) for entry in timeline(person)] == [
        ("delivery", "accepted", "Здравна карта")
    ]
