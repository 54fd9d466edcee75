"""One address of a person: added without a consent, corrected with what was consented, retired with what hung on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outreach.audience.models import Address, Consent, Subscriber, Subscription, Topic
from outreach.audience.person_addresses import add_address, correct_address, retire_address
from outreach.audience.subscribers import (
    AddressData,
    ConsentData,
    SubscriberData,
    export_subscriber,
    upsert_subscriber,
)
from outreach.core.access import Actor
from outreach.core.errors import Invalid, NotFound, StateConflict
from outreach.core.models import AuditEntry
from outreach.core.secrets import address_digest


@pytest.fixture
def ana(actor: Actor, topic: Topic) -> Subscriber:
    data = SubscriberData(
        addresses=[AddressData(channel="email", value="ana@b.bg"), AddressData(channel="sms", value="0888111222")],
        name="Ана",
        preferred_channel="sms",
        topics=[topic.slug],
        consent=ConsentData(source="form"),
    )
    return upsert_subscriber(actor, data)[0]


def subscribed(person: Subscriber) -> list[tuple[str, str]]:
    return list(Subscription.objects.filter(subscriber=person).order_by("channel").values_list("channel", "state"))


def test_an_address_is_added_and_nobody_consents_by_that(actor: Actor, ana: Subscriber) -> None:
    before = Consent.objects.count()

    address = add_address(actor, ana, "push", " https://push.example/1 ")

    address.refresh_from_db()
    assert (address.value, address.state, address.subscriber_id) == ("https://push.example/1", "active", ana.pk)
    assert (Consent.objects.count(), subscribed(ana)) == (before, [("email", "subscribed"), ("sms", "subscribed")])
    assert AuditEntry.objects.latest("pk").facts == {"channel": "push"}


def test_a_corrected_address_keeps_what_was_consented_and_forgets_what_returned(actor: Actor, ana: Subscriber) -> None:
    Address.objects.filter(subscriber=ana, channel="email").update(state="bouncing")
    key = Address.objects.get(subscriber=ana, channel="email").pk

    correct_address(actor, ana, key, "Ana@B.bg")
    same = Address.objects.get(pk=key)
    correct_address(actor, ana, key, "anna@b.bg")

    now = Address.objects.get(pk=key)
    assert (same.value, same.state) == ("Ana@B.bg", "bouncing")
    assert export_subscriber(ana)["former_addresses"] == [{"channel": "email", "normalised": "ana@b.bg"}]
    assert (now.normalised, now.state, bytes(now.digest)) == (
        "anna@b.bg", "active", address_digest("email", "anna@b.bg")
    )  # fmt: skip
    assert subscribed(ana) == [("email", "subscribed"), ("sms", "subscribed")]


def test_with_the_last_address_of_a_channel_its_subscriptions_end(actor: Actor, ana: Subscriber) -> None:
    phone = Address.objects.get(subscriber=ana, channel="sms")
    second = add_address(actor, ana, "sms", "0888333444")

    ended = [retire_address(actor, ana, phone.pk), retire_address(actor, ana, str(second.pk))]
    add_address(actor, ana, "sms", "0888555666")

    ana.refresh_from_db()
    last = Consent.objects.latest("pk")
    assert (ended, ana.preferred_channel) == ([0, 1], "")
    assert subscribed(ana) == [("email", "subscribed"), ("sms", "unsubscribed")]
    assert (last.action, last.channel, last.source, last.evidence) == (
        "withdrawn", "sms", "console", {"reason": "no_address"}
    )  # fmt: skip


def test_what_cannot_be_is_refused_at_its_field_and_changes_nothing(actor: Actor, ana: Subscriber) -> None:
    other = upsert_subscriber(actor, SubscriberData(addresses=[AddressData(channel="email", value="b@b.bg")]))[0]
    mine, theirs = Address.objects.get(subscriber=ana, channel="email"), Address.objects.get(subscriber=other)
    before = list(Address.objects.order_by("pk").values())

    def told(call: Callable[[], object]) -> dict[str, str]:
        with pytest.raises(Invalid) as caught:
            call()
        return {field: str(sentences[0]) for field, sentences in caught.value.fields.items()}

    assert told(lambda: add_address(actor, ana, "email", "b@b.bg")) == {
        "value": "This address belongs to somebody else."
    }
    assert told(lambda: add_address(actor, ana, "email", "ANA@b.bg")) == {
        "value": "The person has this address already."
    }
    assert told(lambda: correct_address(actor, ana, mine.pk, "x")) == {
        "value": "This is not an e-mail address such as name@example.org."
    }
    assert told(lambda: add_address(actor, ana, "pigeon", "x")) == {"channel": "There is no such channel."}
    with pytest.raises(StateConflict):
        retire_address(actor, other, theirs.pk)
    for key in (theirs.pk, "x", 0):
        with pytest.raises(NotFound):
            retire_address(actor, ana, key)
    assert list(Address.objects.order_by("pk").values()) == before
