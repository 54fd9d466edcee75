"""A list asks the database as often for three rows as for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outreach.audience.models import Address, Import, ImportRejection, Subscriber, Subscription, Topic
from outreach.campaigns.models import Campaign, Run, Service
from outreach.core import clock
from outreach.core.models import Account, Alert, Organisation
from outreach.core.vocabulary import CampaignState, EvidenceSource, Goal
from outreach.delivery.models import Counter, Delivery
from outreach.events.call_secrets import make_call_secret
from outreach.events.stages import add_evidence
from tests.web.console.conftest import Person


def a_topic(organisation: Organisation, number: int) -> Topic:
    return Topic.objects.create(organisation=organisation, slug=f"topic-{number}", name={"en": f"Topic {number}"})


def a_service(organisation: Organisation, number: int) -> Service:
    service = Service.objects.create(
        organisation=organisation, slug=f"service-{number}", name={"en": f"Service {number}"}, url="https://example.org"
    )
    service.topics.add(a_topic(organisation, number))
    return service


def an_account(organisation: Organisation, number: int) -> Account:
    return Account.objects.create(
        organisation=organisation,
        adapter="smtp",
        channel="email",
        name=f"Account {number}",
        unknown_policy="resend",
        hook_key=f"key-{number}",
    )


def a_campaign(organisation: Organisation, number: int) -> Campaign:
    campaign = Campaign.objects.create(organisation=organisation, name=f"Campaign {number}", channels=["email"])
    campaign.topics.add(a_topic(organisation, number))
    return campaign


def a_person(organisation: Organisation, number: int) -> Subscriber:
    person = Subscriber.objects.create(organisation=organisation, name=f"Person {number}", sort_key=f"person {number}")
    Address.objects.create(
        organisation=organisation, subscriber=person, channel="email", value=f"p{number}@example.org",
        normalised=f"p{number}@example.org", digest=bytes([number]),
    )  # fmt: skip
    Subscription.objects.create(subscriber=person, topic=a_topic(organisation, number), channel="email")
    return person


def a_run(organisation: Organisation, number: int) -> Run:
    campaign = a_campaign(organisation, number)
    campaign.state = CampaignState.RUNNING
    campaign.save()
    return Run.objects.create(
        organisation=organisation, campaign=campaign, occurrence=clock.now(), as_of=clock.now(), salt=b"salt"
    )


def an_alert(organisation: Organisation, number: int) -> Alert:
    return Alert.objects.create(
        organisation=organisation,
        code="run_paused",
        noun="run",
        noun_id=str(a_run(organisation, number).pk),
        facts={"name": f"Campaign {number}"},
    )


def a_digest_run(organisation: Organisation, number: int) -> Run:
    told = a_run(organisation, number)
    run = Run.objects.create(
        organisation=organisation, kind="digest", occurrence=clock.now(), as_of=clock.now(), started_at=clock.now(),
        salt=b"salt", state="finished", frozen={"digest": {"channel": "email", "messages": {str(told.pk): {}}}},
    )  # fmt: skip
    for kind, name, reason in (("state", "accepted", ""), ("receipt", "delivered", ""), ("event", "opened", "human")):
        Counter.objects.create(run=run, slot=0, kind=kind, channel="email", name=name, reason=reason, count=1)
    a_delivery(run, a_person(organisation, 10 * number))
    return run


LISTS: dict[str, tuple[str, Callable[[Organisation, int], Any]]] = {
    "topics": ("/topics", a_topic),
    "tree of topics": ("/topics/arrange", a_topic),
    "public tree": ("/join/ministry/topics", a_topic),
    "services": ("/services", a_service),
    "accounts": ("/accounts", an_account),
    "campaigns": ("/campaigns", a_campaign),
    "people": ("/people", a_person),
    "digests": ("/digests", a_digest_run),
    "runs on home": ("/", a_run),
    "alerts on home": ("/", an_alert),
    "runs alone": ("/home/running", a_run),
}


@pytest.mark.parametrize("name", LISTS)
def test_list_asks_as_often_for_three_as_for_one(alice: Person, name: str) -> None:
    path, make = LISTS[name]
    make(alice.organisation, 1)
    alice.see(path)
    with CaptureQueriesContext(connection) as for_one:
        alice.see(path)
    make(alice.organisation, 2)
    make(alice.organisation, 3)

    with CaptureQueriesContext(connection) as for_three:
        alice.see(path)

    assert len(for_three) == len(for_one)


def test_rejected_rows_ask_as_often_for_three_as_for_one(alice: Person) -> None:
    job = Import.objects.create(
        organisation=alice.organisation,
        topic=a_topic(alice.organisation, 1),
        file_name="people.csv",
        delimiter=";",
        columns=["email", "name"],
        state="done",
        rejected=3,
    )
    ImportRejection.objects.create(job=job, line=2, column="email", reason="no_address", raw=";Ivan")
    alice.see(f"/people/imports/{job.pk}")
    with CaptureQueriesContext(connection) as for_one:
        alice.see(f"/people/imports/{job.pk}")
    for line in (3, 4):
        ImportRejection.objects.create(job=job, line=line, column="email", reason="no_address", raw=";Ana")

    with CaptureQueriesContext(connection) as for_three:
        page = alice.see(f"/people/imports/{job.pk}")

    assert page.count("<td>Ana</td>") == 2
    assert len(for_three) == len(for_one)


def test_digests_tell_when_to_whom_and_of_what_and_open_their_receipts(alice: Person, charlie: Person) -> None:
    empty = alice.see("/digests")
    run = a_digest_run(alice.organisation, 1)
    listed, opened = alice.see("/digests"), alice.see(f"/digests/{run.pk}")

    assert ("No digest has gone yet" in empty, "Choose when they come" in empty) == (True, True)
    assert (f'href="/digests/{run.pk}?state=delivered">1</a>' in listed, "Campaign 1" in listed) == (True, True)
    assert ("Person 10" in opened, f"/deliveries/{run.pk}-" in opened, "Campaign 1" in opened) == (True, True, True)
    assert (charlie.see(f"/digests/{run.pk}", 404) != opened, "Campaign 1" in charlie.see("/digests")) == (True, False)


def test_evidence_of_a_person_and_secrets_of_a_service_ask_as_often_for_three_as_for_one(alice: Person) -> None:
    person, service = a_person(alice.organisation, 9), a_service(alice.organisation, 8)
    Subscriber.objects.update(is_measured=True)
    person.refresh_from_db()
    paths = (f"/people/{person.pk}/stages", f"/people/{person.pk}", f"/services/{service.pk}/calls")

    def asked(number: int) -> list[int]:
        run = a_run(alice.organisation, number)
        run.frozen = {"tracking": "individual"}
        run.save()
        add_evidence(
            list(Goal)[number], EvidenceSource.SERVICE, organisation=alice.organisation.pk, run=run,
            service=a_service(alice.organisation, number + 100), subscriber=person,
        )  # fmt: skip
        make_call_secret(alice.actor, service)
        counts = []
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                alice.see(path)
            counts.append(len(queries))
        return counts

    asked(0)
    assert asked(1) == asked(2)
    assert alice.see(paths[0]).count("Service 10") == 3


def a_delivery(run: Run, person: Subscriber) -> None:
    address = person.addresses.get()
    Delivery.objects.create(
        id=person.pk, run=run, target=f"s:{person.pk}", channel="email", subscriber=person, address=address,
        created_at=clock.now(), state="accepted",
    )  # fmt: skip


def test_messages_behind_a_number_ask_as_often_for_three_as_for_one(alice: Person) -> None:
    run = a_run(alice.organisation, 1)
    path = f"/campaigns/{run.campaign_id}/deliveries"
    a_delivery(run, a_person(alice.organisation, 11))
    alice.see(path)
    with CaptureQueriesContext(connection) as for_one:
        alice.see(path)
    a_delivery(run, a_person(alice.organisation, 12))
    a_delivery(run, a_person(alice.organisation, 13))

    with CaptureQueriesContext(connection) as for_three:
        page = alice.see(path)

    assert page.count("/deliveries/") >= 3
    assert len(for_three) == len(for_one)


def test_audience_asks_as_often_for_three_as_for_one(alice: Person) -> None:
    campaign = a_campaign(alice.organisation, 1)
    topic = campaign.topics.get()
    an_account(alice.organisation, 1)
    people = [a_person(alice.organisation, number) for number in (11, 12, 13)]
    Subscription.objects.create(subscriber=people[0], topic=topic, channel="email")
    alice.see(f"/campaigns/{campaign.pk}/audience")
    with CaptureQueriesContext(connection) as for_one:
        alice.see(f"/campaigns/{campaign.pk}/audience")
    for person in people[1:]:
        Subscription.objects.create(subscriber=person, topic=topic, channel="email")

    with CaptureQueriesContext(connection) as for_three:
        page = alice.see(f"/campaigns/{campaign.pk}/audience")

    assert [f"Person {number}" in page for number in (11, 12, 13)] == [True, True, True]
    assert len(for_three) == len(for_one)


def test_those_whom_nothing_is_told_are_listed_apart_from_those_of_a_digest(alice: Person) -> None:
    campaign = a_campaign(alice.organisation, 1)
    topic = campaign.topics.get()
    an_account(alice.organisation, 1)
    at_once, daily, bounced = (a_person(alice.organisation, number) for number in (11, 12, 13))
    for person, frequency in ((at_once, None), (daily, 1), (bounced, None)):
        Subscription.objects.create(subscriber=person, topic=topic, channel="email", frequency=frequency)
    bounced.addresses.update(state="invalid")
    alice.post(f"/campaigns/{campaign.pk}/message/email/bg", subject="Ново", body="Текст", format="markdown")
    path = f"/campaigns/{campaign.pk}/audience"

    skipped, unsent = alice.see(f"{path}?state=skipped"), alice.see(f"{path}?state=unsent")

    assert f"{path}?state=unsent" in alice.see(f"/campaigns/{campaign.pk}/review")
    assert [f"Person {number}" in skipped for number in (11, 12, 13)] == [False, True, True]
    assert [f"Person {number}" in unsent for number in (11, 12, 13)] == [False, False, True]


@pytest.mark.parametrize(
    "path", ["/campaigns", "/notices", "/inbox", "/suppressions", "/digests", "/campaigns/{}/deliveries"]
)
def test_a_page_of_a_list_that_nobody_made_is_none(alice: Person, path: str) -> None:
    where = path.format(a_campaign(alice.organisation, 1).pk)
    assert [alice.client.get(f"{where}?cursor={one}").status_code for one in ("broken", "-1", "%00")] == [404, 404, 404]


def test_messages_that_are_no_longer_kept_say_so(alice: Person) -> None:
    run = a_run(alice.organisation, 1)
    Run.objects.filter(pk=run.pk).update(retired_at=clock.now())

    assert "These messages are no longer kept" in alice.see(f"/campaigns/{run.campaign_id}/deliveries")


def place(topic: Topic) -> tuple[int | None, dict[str, str]]:
    return Topic.objects.values_list("parent", "name").get(pk=topic.pk)


def test_topics_are_arranged_by_buttons_and_strangers_reach_none(alice: Person, bob: Person, charlie: Person) -> None:
    first, second = a_topic(alice.organisation, 1), a_topic(alice.organisation, 2)

    moved = alice.post(f"/topics/{second.pk}/step", step="in")
    assert (moved.status_code, moved["Location"]) == (302, f"/topics/arrange#topic-{second.pk}")
    assert place(second)[0] == first.pk
    assert "Under “" in alice.see("/topics/arrange")

    refused = alice.post(f"/topics/{first.pk}", name_en="First", parent=str(second.pk))
    assert (refused.status_code, "o-error" in refused.content.decode()) == (200, True)
    assert alice.post(f"/topics/{second.pk}", name_en="Second", parent="").status_code == 302
    assert place(second) == (None, {"en": "Second"})

    assert bob.post(f"/topics/{first.pk}/step", step="down").status_code == 403
    assert charlie.post(f"/topics/{first.pk}/step", step="down").status_code == 404
