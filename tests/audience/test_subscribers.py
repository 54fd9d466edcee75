from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Address, Consent, Import, ImportRejection, Subscription, Topic
from outreach.audience.people import search
from outreach.audience.subscribers import (
    AddressData,
    ConsentData,
    SubscriberData,
    change_subscriber,
    export_subscriber,
    truncated_ip,
    upsert_subscriber,
)
from outreach.audience.subscriptions import set_measurement, subscribe, unsubscribe
from outreach.audience.suppression import is_suppressed, reason_of, suppress
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Invalid
from outreach.core.models import AuditEntry, Organisation
from outreach.core.vocabulary import SubscriptionState, SuppressionReason

MARIA = SubscriberData(
    addresses=[AddressData(channel="email", value="Maria@Example.bg"), AddressData(channel="sms", value="0888123456")],
    name="Мария Иванова",
    kind="citizen",
    attributes={"city": "Пловдив"},
    topics=["e-services"],
    consent=ConsentData(source="form", text_version="2026-01", at=datetime(2026, 5, 1, tzinfo=UTC), ip="192.0.2.77"),
)


def states(topic: Topic) -> list[tuple[str, str]]:
    return list(Subscription.objects.filter(topic=topic).order_by("channel").values_list("channel", "state"))


def test_upsert_takes_a_person_in_with_topics_and_consent(actor: Actor, topic: Topic) -> None:
    subscriber, is_new = upsert_subscriber(actor, MARIA)

    assert is_new
    assert list(subscriber.addresses.order_by("channel").values_list("channel", "value", "normalised")) == [
        ("email", "Maria@Example.bg", "maria@example.bg"),
        ("sms", "0888123456", "+359888123456"),
    ]
    assert states(topic) == [("email", "subscribed"), ("sms", "subscribed")]
    assert (
        list(Consent.objects.values_list("source", "text_version", "action", "evidence"))
        == [("form", "2026-01", "given", {"ip": "192.0.2.0/24"})] * 2
    )


def test_an_export_says_in_which_language_the_text_was_and_on_what_it_rests(actor: Actor, topic: Topic) -> None:
    consent = ConsentData(source="form", text_version="v2", language="en")
    subscriber, _new = upsert_subscriber(actor, replace(MARIA, consent=consent))

    told = export_subscriber(subscriber)["consents"]

    assert {(one["text_version"], one["language"], one["lawful_basis"]) for one in told} == {
        ("v2", "en", "consent of the person: GDPR, article 6(1)(a)")
    }


def test_upsert_again_changes_nothing_and_audits_nothing(actor: Actor, topic: Topic) -> None:
    first, _new = upsert_subscriber(actor, MARIA)

    again, is_new = upsert_subscriber(actor, MARIA)

    assert (again, is_new) == (first, False)
    assert Consent.objects.count() == 2
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["subscriber.created"]


def test_upsert_merges_attributes_and_none_removes(actor: Actor, topic: Topic) -> None:
    upsert_subscriber(actor, MARIA)

    same, _new = upsert_subscriber(
        actor,
        SubscriberData(addresses=MARIA.addresses[:1], attributes={"city": None, "age": 40}),
    )

    same.refresh_from_db()
    assert (same.name, same.attributes) == ("Мария Иванова", {"age": 40})


def test_upsert_does_not_undo_a_later_withdrawal(actor: Actor, topic: Topic) -> None:
    subscriber, _new = upsert_subscriber(actor, MARIA)
    assert unsubscribe(subscriber, topics=None, source="one_click") == 2

    upsert_subscriber(actor, MARIA)

    assert states(topic) == [("email", "unsubscribed"), ("sms", "unsubscribed")]
    subscribe(subscriber, topic, ["email"], source="preferences")
    assert states(topic) == [("email", "subscribed"), ("sms", "unsubscribed")]


def test_upsert_names_each_bad_field(actor: Actor, topic: Topic) -> None:
    bad = SubscriberData(
        addresses=[AddressData(channel="email", value="nobody"), AddressData(channel="pigeon", value="x")],
        kind="alien", language="xx", timezone="Mars/Base", topics=["e-services", "none"], attributes={"a": [1]},
    )  # fmt: skip

    with pytest.raises(Invalid) as caught:
        upsert_subscriber(actor, bad)

    assert sorted(caught.value.fields) == [
        "addresses/0/value", "addresses/1/channel", "attributes/a", "kind", "language", "timezone", "topics/1",
    ]  # fmt: skip


def test_upsert_refuses_addresses_of_two_people(actor: Actor, topic: Topic) -> None:
    upsert_subscriber(actor, SubscriberData(addresses=[AddressData(channel="email", value="a@example.bg")]))
    upsert_subscriber(actor, SubscriberData(addresses=[AddressData(channel="sms", value="0888111222")]))

    with pytest.raises(Invalid) as caught:
        upsert_subscriber(
            actor,
            SubscriberData(
                addresses=[
                    AddressData(channel="email", value="a@example.bg"),
                    AddressData(channel="sms", value="0888111222"),
                ]
            ),
        )

    assert list(caught.value.fields) == ["addresses/1/value"]


def test_change_replaces_addresses_and_topics(actor: Actor, topic: Topic) -> None:
    subscriber, _new = upsert_subscriber(actor, MARIA)

    changed = change_subscriber(
        actor, subscriber, name="Мария Петрова", addresses=[AddressData(channel="email", value="m@p.bg")], topics=[]
    )

    assert changed.name == "Мария Петрова"
    assert list(changed.addresses.values_list("normalised", flat=True)) == ["m@p.bg"]
    assert {state for _channel, state in states(topic)} == {SubscriptionState.UNSUBSCRIBED}


def test_a_list_of_topics_brings_nobody_back_who_left(actor: Actor, topic: Topic) -> None:
    subscriber, _ = upsert_subscriber(actor, MARIA)
    unsubscribe(subscriber, topics=[topic], channels=["sms"], source="page")

    change_subscriber(actor, subscriber, topics=["e-services"])
    kept = states(topic)
    unsubscribe(subscriber, topics=[topic], source="page")
    with pytest.raises(Invalid) as refused:
        change_subscriber(actor, subscriber, topics=["e-services"])

    assert kept == [("email", "subscribed"), ("sms", "unsubscribed")]
    assert list(refused.value.fields) == ["topics/0"]
    assert states(topic) == [("email", "unsubscribed"), ("sms", "unsubscribed")]
    assert Consent.objects.filter(subscriber=subscriber, action="given").count() == 2


def test_no_other_number_inherits_the_consent_of_one_that_goes(actor: Actor, topic: Topic) -> None:
    subscriber, _ = upsert_subscriber(actor, replace(MARIA, preferred_channel="sms"))

    changed = change_subscriber(actor, subscriber, addresses=MARIA.addresses[:1])
    wished = changed.preferred_channel
    change_subscriber(
        actor, subscriber, addresses=[*MARIA.addresses[:1], AddressData(channel="sms", value="0888999999")]
    )

    assert (wished, states(topic)) == ("", [("email", "subscribed"), ("sms", "unsubscribed")])
    last = Consent.objects.filter(subscriber=subscriber, channel="sms").latest("pk")
    assert (last.action, last.evidence) == ("withdrawn", {"reason": "no_address"})


def test_a_further_topic_of_a_known_person_is_audited(actor: Actor, topic: Topic, ministry: Organisation) -> None:
    upsert_subscriber(actor, replace(MARIA, topics=[]))

    upsert_subscriber(actor, MARIA)

    told = AuditEntry.objects.filter(action="subscriber.changed").values_list("facts", flat=True)
    assert list(told) == [{"fields": [], "addresses": 0, "subscriptions": 2}]


def test_what_a_person_decided_takes_the_place_of_what_was_found_out(ministry: Organisation) -> None:
    after = {}
    for first in SuppressionReason.values:
        for second in SuppressionReason.values:
            address = f"{first}-{second}@example.bg"
            suppress(ministry, "email", address, first)
            suppress(ministry, "email", address, second)
            if (kept := reason_of(ministry, "email", address)) != first:
                after[first, second] = kept

    strong = {"hard_bounce": ["stop", "complaint", "erased"], "soft_bounces": ["stop", "complaint", "erased"]}
    strong["manual"] = ["complaint", "erased"]
    assert after == {(first, second): second for first, seconds in strong.items() for second in seconds}


@pytest.mark.django_db(transaction=True)
def test_who_is_erased_meanwhile_is_taken_in_as_somebody_new(actor: Actor, topic: Topic) -> None:
    subscriber, _ = upsert_subscriber(actor, MARIA)
    has_erased, may_commit = threading.Event(), threading.Event()

    def erase() -> None:
        with transaction.atomic():
            erase_subscriber(actor, subscriber)
            has_erased.set()
            may_commit.wait(30)
        connection.close()

    def release_once_waited_for() -> None:
        with psycopg.connect(**connection_parameters(), autocommit=True) as link:
            while not link.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]:  # type: ignore[index]
                time.sleep(0.01)
        may_commit.set()

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(erase)]
        has_erased.wait(30)
        done.append(pool.submit(release_once_waited_for))
        taken, is_new = upsert_subscriber(actor, MARIA)
        for one in done:
            one.result(30)

    subscriber.refresh_from_db()
    assert (is_new, taken.pk != subscriber.pk) == (True, True)
    assert (subscriber.name, subscriber.attributes, subscriber.addresses.count()) == ("", {}, 0)


def test_an_erasure_finds_an_address_however_a_rejected_row_wrote_it(actor: Actor, topic: Topic) -> None:
    address = AddressData(channel="email", value="ана@пример.бг")
    subscriber, _ = upsert_subscriber(actor, replace(MARIA, addresses=[*MARIA.addresses, address]))
    job = Import.objects.create(organisation=actor.organisation, topic=topic, file_name="people.csv")
    gone = [
        "Мария;0888 123 456;Варна",
        "Мария;00359 (0) 888/123-456;Варна",
        '{"phone": "+359888123456", "name": "Мария"}',
        "MARIA@example.BG;Варна",
        "<maria@example.bg>, Мария",
        "ана@xn--e1afmkfd.xn--90ae;Ана",
    ]
    stay = ["ana.maria@example.bg;Ана", "maria@example.bg.com;М", "+359 888 123 4567;И", "10888123456;И", "1;2;0888"]
    for place, raw in enumerate([*gone, *stay]):
        ImportRejection.objects.create(job=job, line=place, reason="x", raw=raw)

    erase_subscriber(actor, subscriber)

    assert [row.raw for row in ImportRejection.objects.order_by("line")] == [""] * len(gone) + stay


def connection_parameters() -> dict[str, Any]:
    found = connection.get_connection_params()
    return {name: found[name] for name in ("host", "port", "user", "password", "dbname") if found.get(name)}


def test_erasure_leaves_nothing_but_digests(actor: Actor, topic: Topic, ministry: Organisation) -> None:
    subscriber, _new = upsert_subscriber(actor, MARIA)

    erase_subscriber(actor, subscriber)

    assert export_subscriber(subscriber) | {"created_at": "", "erased_at": "", "consents": []} == {
        "id": str(subscriber.pk), "organisation": "ministry", "kind": "citizen", "name": "", "language": "bg",
        "timezone": "", "preferred_channel": "", "region": "", "attributes": {}, "is_measured": False,
        "paused_until": None, "quiet_hours": None,
        "created_at": "", "erased_at": "",
        "addresses": [], "former_addresses": [], "subscriptions": [], "consents": [],
    }  # fmt: skip
    assert set(Consent.objects.values_list("evidence__ip", flat=True)) == {None}
    assert Address.objects.count() == 0
    assert reason_of(ministry, "email", "maria@example.bg") == "erased"
    assert search(ministry) == ([], None)
    assert ImportRejection.objects.count() == 0


def test_suppression_holds_below_the_organisation_and_not_beside(actor: Actor, topic: Topic) -> None:
    child = Organisation.objects.create(slug="child", name={"bg": "Дете"}, parent=actor.organisation)
    stranger = Organisation.objects.create(slug="stranger", name={"bg": "Друг"})
    subscriber, _new = upsert_subscriber(actor, MARIA)
    erase_subscriber(actor, subscriber)

    seen = [is_suppressed(node, "email", "maria@example.bg") for node in (actor.organisation, child, stranger)]

    assert seen == [True, True, False]


def test_measurement_is_recorded_once(actor: Actor, topic: Topic) -> None:
    subscriber, _new = upsert_subscriber(actor, MARIA)

    changes = [set_measurement(subscriber, True, source="preferences") for _time in range(2)]

    assert changes == [True, False]
    assert Consent.objects.filter(purpose="measurement").count() == 1


def test_search_pages_in_bulgarian_order_within_the_organisation(actor: Actor, topic: Topic) -> None:
    for place, name in enumerate(["Яна Петрова", "Ана Иванова", "Борис Петров"]):
        upsert_subscriber(
            actor,
            SubscriberData(addresses=[AddressData(channel="email", value=f"p{place}@example.bg")], name=name),
        )
    stranger = Organisation.objects.create(slug="stranger", name={"bg": "Друг"})

    first, cursor = search(actor.organisation, limit=2)
    rest, end = search(actor.organisation, limit=2, after=cursor)

    assert [row.name for row in first + rest] == ["Ана Иванова", "Борис Петров", "Яна Петрова"]
    assert end is None
    assert [row.name for row in search(actor.organisation, "петр")[0]] == ["Борис Петров", "Яна Петрова"]
    assert [row.name for row in search(actor.organisation, "p1@")[0]] == ["Ана Иванова"]
    assert search(product_itself(stranger).organisation, "ана") == ([], None)
    with pytest.raises(Invalid):
        search(actor.organisation, after="not-a-cursor")


def test_search_asks_three_queries_however_many_are_found(
    actor: Actor, topic: Topic, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for place in range(3):
        address = AddressData(channel="email", value=f"p{place}@example.bg")
        upsert_subscriber(actor, SubscriberData(addresses=[address], name="Ана", topics=["e-services"]))

    for limit in (1, 3):
        with django_assert_num_queries(3):
            rows, _cursor = search(actor.organisation, "ана", limit=limit)
            assert [[str(row.topic) for row in person.subscriptions.all()] for person in rows] == [
                ["E-services"]
            ] * limit


def test_truncated_ip() -> None:
    assert [truncated_ip(ip) for ip in ("192.0.2.77", "2001:db8:1:2::3", "x")] == [
        "192.0.2.0/24",
        "2001:db8:1::/48",
        "",
    ]
