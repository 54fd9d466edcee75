"""The people's tables have no foreign keys: what they point at cannot go while they do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

from outreach.audience.models import Address, Consent, Subscriber, Subscription, Topic
from outreach.core.models import Organisation


@pytest.fixture
def person(ministry: Organisation) -> Subscriber:
    return Subscriber.objects.create(organisation=ministry, name="Ана")


POINTERS: dict[str, Callable[[Subscriber, Topic], object]] = {
    "outreach_subscriber": lambda person, _topic: Address.objects.create(
        organisation=person.organisation, subscriber=person, channel="email", value="a@b.bg", normalised="a@b.bg"
    ),
    "outreach_topic": lambda person, topic: Subscription.objects.create(
        subscriber=person, topic=topic, channel="email"
    ),
}


@pytest.mark.parametrize("table", POINTERS)
def test_what_rows_point_at_cannot_be_deleted(person: Subscriber, topic: Topic, table: str) -> None:
    POINTERS[table](person, topic)
    gone = {"outreach_subscriber": person.pk, "outreach_topic": topic.pk}[table]

    with pytest.raises(IntegrityError, match="still points at it"), transaction.atomic():
        _delete(table, gone)


def test_an_organisation_with_people_cannot_be_deleted(person: Subscriber) -> None:
    with pytest.raises(IntegrityError, match="still points at it"), transaction.atomic():
        _delete("outreach_organisation", person.organisation_id)


def test_what_nothing_points_at_can_be_deleted(person: Subscriber, topic: Topic) -> None:
    _delete("outreach_subscriber", person.pk)
    _delete("outreach_topic", topic.pk)

    assert (Subscriber.objects.count(), Topic.objects.count()) == (0, 0)


def test_the_orm_deletes_a_person_with_all_that_is_his(person: Subscriber, topic: Topic) -> None:
    for point in POINTERS.values():
        point(person, topic)
    Consent.objects.create(subscriber=person, topic=topic, action="given", source="form", at=person.created_at)

    person.delete()

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert [model.objects.count() for model in (Subscriber, Address, Subscription, Consent)] == [0, 0, 0, 0]


def _delete(table: str, key: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [key])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
