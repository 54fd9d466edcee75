from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.web.console.conftest import Person

pytestmark = pytest.mark.django_db

FEED = "https://news.example.org/feed.rss"


@pytest.fixture
def topic(alice: Person) -> int:
    from outreach.audience.models import Topic

    return int(Topic.objects.create(organisation=alice.organisation, slug="health", name={"en": "Health"}).pk)


def test_a_feed_is_read_from_its_topics_page(alice: Person, topic: int) -> None:
    from outreach.feeds.models import Source

    alice.post(f"/topics/{topic}/sources", url=FEED, name="News", language="bg")

    source = Source.objects.get()
    assert (source.url, source.name, source.topic_id, source.organisation) == (FEED, "News", topic, alice.organisation)
    assert FEED in alice.see(f"/topics/{topic}")

    alice.post(f"/sources/{source.pk}/remove")
    assert Source.objects.count() == 0


def test_what_is_no_feed_is_said_at_the_field(alice: Person, topic: int) -> None:
    from outreach.feeds.models import Source

    response = alice.post(f"/topics/{topic}/sources", url="ftp://x", name="", language="bg")

    assert "This is not the address of a feed" in response.content.decode()
    assert Source.objects.count() == 0


def test_a_stranger_finds_neither_topic_nor_feed(alice: Person, charlie: Person, topic: int) -> None:
    from outreach.feeds.models import Source

    alice.post(f"/topics/{topic}/sources", url=FEED, name="News", language="bg")

    assert charlie.post(f"/topics/{topic}/sources", url=FEED, name="x", language="bg").status_code == 404
    assert charlie.post(f"/sources/{Source.objects.get().pk}/remove").status_code == 404
    assert Source.objects.count() == 1
