from __future__ import annotations

from typing import Any

import pytest

from outreach.audience.models import Subscriber, Subscription, Topic
from outreach.audience.topics import change_topic, create_topic, topics_open_to, topics_with_counts
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Organisation


def test_create_topic_names_each_bad_field(actor: Actor) -> None:
    with pytest.raises(Invalid) as caught:
        create_topic(actor, slug="Two Words", name={"bg": " "}, description={"de": "x"})

    assert sorted(caught.value.fields) == ["description/de", "name", "slug"]


def test_create_topic_refuses_a_taken_slug(actor: Actor, topic: Topic) -> None:
    with pytest.raises(Invalid) as caught:
        create_topic(actor, slug="e-services", name={"bg": "Още веднъж"})

    assert list(caught.value.fields) == ["slug"]


def test_an_analyst_may_not_create_topics(ministry: Organisation) -> None:
    with pytest.raises(Forbidden):
        create_topic(Actor(organisation=ministry, roles=frozenset({"analyst"})), slug="x", name={"bg": "х"})


def test_change_topic_keeps_the_slug(actor: Actor, topic: Topic) -> None:
    changed = change_topic(actor, topic, name={"bg": "Ново"})

    changed.refresh_from_db()
    assert (changed.slug, changed.name) == ("e-services", {"bg": "Ново"})


def test_counts_are_of_people_who_still_want_it(actor: Actor, topic: Topic, ministry: Organisation) -> None:
    stays, left = (Subscriber.objects.create(organisation=ministry) for _person in range(2))
    for channel in ("email", "sms"):
        Subscription.objects.create(subscriber=stays, topic=topic, channel=channel)
    Subscription.objects.create(subscriber=left, topic=topic, channel="email", state="unsubscribed")

    rows: Any = topics_with_counts(ministry)

    assert [(row.slug, row.subscribers) for row in rows] == [("e-services", 1)]


def test_topics_of_nodes_above_are_open_and_of_others_not(topic: Topic, ministry: Organisation) -> None:
    child = Organisation.objects.create(slug="child", name={"bg": "Дете"}, parent=ministry)
    stranger = Organisation.objects.create(slug="stranger", name={"bg": "Друг"})

    assert [list(topics_open_to(node)) for node in (child, stranger)] == [[topic], []]
    assert product_itself(child).organisation == child
