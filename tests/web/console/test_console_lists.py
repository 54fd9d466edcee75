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
from outreach.core.vocabulary import CampaignState
from outreach.delivery.models import Delivery
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


LISTS: dict[str, tuple[str, Callable[[Organisation, int], Any]]] = {
    "topics": ("/topics", a_topic),
    "services": ("/services", a_service),
    "accounts": ("/accounts", an_account),
    "campaigns": ("/campaigns", a_campaign),
    "people": ("/people", a_person),
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


def test_messages_that_are_no_longer_kept_say_so(alice: Person) -> None:
    run = a_run(alice.organisation, 1)
    Run.objects.filter(pk=run.pk).update(retired_at=clock.now())

    assert "These messages are no longer kept" in alice.see(f"/campaigns/{run.campaign_id}/deliveries")
