"""Another record of the same person: proposed, compared, made one."""

from __future__ import annotations

import pytest

from outreach.audience.models import Subscriber
from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from tests.web.console.conftest import Person


def make(alice: Person, value: str, city: str) -> Subscriber:
    address = AddressData(channel="email" if "@" in value else "sms", value=value)
    data = SubscriberData(addresses=[address], name="Ana Petrova", attributes={"city": city})
    return upsert_subscriber(alice.actor, data)[0]


@pytest.fixture
def pair(alice: Person) -> tuple[Subscriber, Subscriber]:
    return make(alice, "ana@example.org", "Varna"), make(alice, "0888123456", "Sofia")


def test_two_records_are_compared_and_made_one(alice: Person, pair: tuple[Subscriber, Subscriber]) -> None:
    mine, other = pair
    proposed, found = alice.see(f"/people/{mine.pk}/doubles"), alice.see(f"/people/{mine.pk}/doubles?text=0888123456")
    compared = alice.see(f"/people/{mine.pk}/doubles/{other.pk}")
    answer = alice.post(f"/people/{mine.pk}/doubles/{other.pk}", taken=["attributes/city", "nonsense"])
    mine.refresh_from_db()

    link = f"/people/{mine.pk}/doubles/{other.pk}"
    assert [link in page for page in (proposed, found)] == [True, True]
    assert [word for word in ("Varna", "Sofia", "+359888123456", "cannot be undone") if word not in compared] == (
        ["+359888123456"] if "0888123456" in compared else []
    )
    assert (answer["Location"], mine.attributes, mine.addresses.count()) == (f"/people/{mine.pk}", {"city": "Sofia"}, 2)
    assert alice.client.get(f"/people/{other.pk}")["Location"] == f"/people/{mine.pk}"


def test_strangers_and_readers_make_nothing_one(
    alice: Person, bob: Person, charlie: Person, pair: tuple[Subscriber, Subscriber]
) -> None:
    path = f"/people/{pair[0].pk}/doubles/{pair[1].pk}"

    assert [person.post(path).status_code for person in (bob, charlie)] == [403, 404]
    assert alice.client.get(f"/people/{pair[0].pk}/doubles/{pair[0].pk}").status_code == 404
