"""Two records of one person become one: nothing of either is lost, and what was sent stays as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from outreach.audience.chain_check import check_chain
from outreach.audience.consent_proof import prove
from outreach.audience.erasure import erase_subscriber
from outreach.audience.merging import all_ids, kept_id, merge, propose
from outreach.audience.models import Address, Consent, Subscriber, Subscription, Topic
from outreach.audience.subscribers import AddressData, ConsentData, SubscriberData, export_subscriber, upsert_subscriber
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid, StateConflict
from outreach.core.models import AuditEntry, Organisation
from outreach.core.vocabulary import Role
from outreach.delivery.models import Delivery
from outreach.effectiveness.timeline import timeline
from outreach.events.models import Reply
from outreach.events.optout import opt_out, person_of


@pytest.fixture
def actor(sent: Any) -> Actor:
    return product_itself(sent.organisation)


@pytest.fixture
def twin(actor: Actor, sent: Any) -> Subscriber:
    """Another record of Ivana, known by her telephone only."""
    data = SubscriberData(
        addresses=[AddressData(channel="sms", value="0888123456")],
        name="Ивана Петрова",
        region="Пловдив",
        attributes={"city": "Пловдив", "born": 1980},
        topics=["taxes"],
        consent=ConsentData(source="form", text_version="2026-1"),
    )
    return upsert_subscriber(actor, data)[0]


def states(person: Subscriber) -> list[tuple[str, str, str]]:
    rows = Subscription.objects.filter(subscriber=person).order_by("topic__slug", "channel")
    return list(rows.values_list("topic__slug", "channel", "state"))


def test_what_both_said_is_kept_and_what_was_sent_stays(sent: Any, actor: Actor, twin: Subscriber) -> None:
    Reply.objects.create(organisation=sent.organisation, account=sent.account, subscriber=sent.subscriber, kind="human",
                         channel="email", external_id="1", received_at=clock.now())  # fmt: skip
    merged = merge(actor, twin, sent.subscriber)

    merged.refresh_from_db()
    assert (merged.name, merged.region, merged.attributes) == (
        "Ивана Петрова", "BG-16", {"city": "Пловдив", "born": 1980},
    )  # fmt: skip
    assert sorted(merged.addresses.values_list("channel", flat=True)) == ["email", "sms"]
    assert states(merged) == [
        ("schools", "email", "subscribed"), ("taxes", "email", "subscribed"), ("taxes", "sms", "subscribed"),
    ]  # fmt: skip
    delivery = Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery)
    assert (delivery.target, delivery.subscriber_id) == (f"s:{sent.subscriber.pk}", sent.subscriber.pk)
    assert {entry.kind for entry in timeline(merged)} == {"delivery", "reply", "consent"}
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.facts) == (
        "subscriber.merged",
        {"other": sent.subscriber.pk, "addresses": 1, "taken": []},
    )


def test_record_that_goes_is_nameless_and_points_at_the_other(sent: Any, actor: Actor, twin: Subscriber) -> None:
    merge(actor, sent.subscriber, twin, taken=["attributes/city"])

    twin.refresh_from_db()
    assert (twin.name, twin.attributes, twin.erased_at is None, twin.addresses.count()) == ("", {}, False, 0)
    assert (kept_id(twin.pk), all_ids(sent.subscriber)) == (sent.subscriber.pk, [sent.subscriber.pk, twin.pk])


def test_old_unsubscribe_links_go_on_working(sent: Any, actor: Actor, twin: Subscriber) -> None:
    merge(actor, twin, sent.subscriber)
    person = person_of(Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery))
    assert person is not None
    opt_out(person, source="one_click")

    assert (person.subscriber, [row for row in states(twin) if row[:2] == ("taxes", "email")]) == (
        twin,
        [("taxes", "email", "unsubscribed")],
    )


@pytest.mark.parametrize(("is_later", "state"), [(True, "unsubscribed"), (False, "subscribed")])
def test_later_wish_about_a_topic_counts(sent: Any, actor: Actor, twin: Subscriber, is_later: bool, state: str) -> None:
    at = clock.now() + timedelta(hours=1 if is_later else -1)
    Subscription.objects.create(subscriber=twin, topic=sent.topic, channel="email", state="unsubscribed")
    Subscription.objects.filter(subscriber=twin, channel="email").update(changed_at=at)

    merge(actor, sent.subscriber, twin)

    assert ("taxes", "email", state) in states(sent.subscriber)


def test_chosen_values_are_taken_of_the_other(sent: Any, actor: Actor, twin: Subscriber) -> None:
    Subscriber.objects.filter(pk=sent.subscriber.pk).update(name="Ивана", attributes={"city": "Варна", "x": 1})
    until = clock.now() + timedelta(days=7)
    Subscriber.objects.filter(pk=twin.pk).update(paused_until=until, quiet_from=1320, quiet_to=420)

    merged = merge(actor, sent.subscriber, twin, taken=["name", "attributes/city"])

    assert (merged.paused_until, merged.quiet_from, merged.quiet_to) == (until, 1320, 420)
    assert (merged.name, merged.attributes) == ("Ивана Петрова", {"city": "Пловдив", "x": 1, "born": 1980})


def test_erasing_the_person_erases_both_records(sent: Any, actor: Actor, twin: Subscriber) -> None:
    merge(actor, sent.subscriber, twin)
    before = len(export_subscriber(sent.subscriber)["consents"])
    proof = prove(sent.subscriber)
    erase_subscriber(actor, sent.subscriber)

    said = Consent.objects.exclude(salt=None).exclude(purpose="erasure")
    assert (len(proof["consents"]), proof["merged_records"]) == (1, [str(twin.pk)])
    assert (before, said.count(), Address.objects.count()) == (1, 0, 0)
    assert check_chain().holds


def test_message_on_its_way_keeps_them_apart(sent: Any, actor: Actor, twin: Subscriber) -> None:
    Delivery.objects.filter(run_id=sent.run.pk, id=sent.delivery).update(state="planned")
    with pytest.raises(StateConflict):
        merge(actor, twin, sent.subscriber)
    sent.subscriber.refresh_from_db()

    assert (sent.subscriber.erased_at, twin.addresses.count()) == (None, 1)


def test_what_cannot_be_one_person_is_refused(sent: Any, actor: Actor, twin: Subscriber) -> None:
    elsewhere = Organisation.objects.create(slug="elsewhere")
    Topic.objects.create(organisation=elsewhere, slug="other", name={"en": "Other"})
    data = SubscriberData(addresses=[AddressData(channel="email", value="ivana@example.bg")])
    foreign, _new = upsert_subscriber(product_itself(elsewhere), data)

    refused = []
    for other, taken in ((sent.subscriber, []), (foreign, []), (twin, ["attributes/shoes"])):
        with pytest.raises(Invalid) as error:
            merge(actor, sent.subscriber, other, taken=taken)
        refused += list(error.value.fields)
    with pytest.raises(Forbidden):
        merge(Actor(organisation=sent.organisation, roles=frozenset({Role.ANALYST})), sent.subscriber, twin)

    assert refused == ["other", "other", "taken"]


def test_doubles_are_proposed_by_mailbox_and_by_name(sent: Any, actor: Actor, twin: Subscriber) -> None:
    def make(name: str, address: str) -> Subscriber:
        data = SubscriberData(name=name, addresses=[AddressData(channel="email", value=address)])
        return upsert_subscriber(actor, data)[0]

    tagged, _other = make("I. P.", "ivana+news@example.bg"), make("I. P.", "ivana+news@example.org")
    Subscriber.objects.filter(pk=sent.subscriber.pk).update(sort_key=twin.sort_key)
    sent.subscriber.refresh_from_db()

    assert (propose(sent.subscriber), propose(tagged)) == ([tagged, twin], [sent.subscriber, _other])
