from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from outreach.audience.models import Topic
from outreach.campaigns.models import Campaign
from outreach.core import clock
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Role
from outreach.feeds.models import Source, SourceItem
from outreach.feeds.sources import EVERY, add_source, next_reading, poll_sources, without_expressions

pytestmark = pytest.mark.django_db

ITEM = """<item><guid isPermaLink="false">{0}</guid><title>{1}</title><link>https://gov.example/{0}</link>
<description>{2}</description></item>"""


class FeedServer:
    """A real HTTP server with one feed that a test writes; answers conditional GETs."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str, str]] = []
        self.status = 200
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                etag = f'"{len(server.items)}"'
                server.asked.append(self.headers.get("If-None-Match", ""))
                unchanged = self.headers.get("If-None-Match") == etag
                body = b"" if unchanged else server.document()
                self.send_response(304 if unchanged else server.status)
                self.send_header("ETag", etag)
                self.send_header("Content-Type", "application/rss+xml; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/feed.rss"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def document(self) -> bytes:
        items = "".join(ITEM.format(*item) for item in reversed(self.items))
        return f'<rss version="2.0"><channel><title>Новини</title>{items}</channel></rss>'.encode()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    running = FeedServer()
    yield running
    running.stop()


@pytest.fixture
def actor() -> Actor:
    return product_itself(Organisation.objects.create(slug="council", name={"bg": "Съвет"}))


@pytest.fixture
def topic(actor: Actor) -> Topic:
    return Topic.objects.create(organisation=actor.organisation, slug="health", name={"bg": "Здраве"})


def make_due() -> None:
    Source.objects.update(next_at=clock.now() - timedelta(seconds=1))


def test_each_new_item_becomes_one_draft(server: FeedServer, actor: Actor, topic: Topic) -> None:
    server.items = [("1", "Стара новина", "Отдавна."), ("2", "Нова карта", "Вече е онлайн.")]
    add_source(actor, name="Правителство", url=server.url, topic=topic)

    first = poll_sources()
    make_due()
    server.items.append(("3", "Трета", "Текст."))
    second = poll_sources()
    make_due()
    third = poll_sources()

    assert (first, second, third) == (1, 1, 0)
    assert server.asked == ["", '"2"', '"3"']
    assert list(Campaign.objects.order_by("pk").values_list("name", "state", "source_link")) == [
        ("Нова карта", "draft", "https://gov.example/2"),
        ("Трета", "draft", "https://gov.example/3"),
    ]
    assert sorted(SourceItem.objects.values_list("guid", flat=True)) == ["1", "2", "3"]
    contents = Campaign.objects.get(name="Трета").contents.order_by("channel")
    assert [(content.channel, content.subject, content.body) for content in contents] == [
        ("email", "Трета", "Текст.\n\n[Прочетете повече](https://gov.example/3)"),
        ("feed", "Трета", "Текст.\n\n[Прочетете повече](https://gov.example/3)"),
    ]


def test_a_feed_that_fails_is_asked_less_often_and_says_why(server: FeedServer, actor: Actor, topic: Topic) -> None:
    server.status = 503
    source = add_source(actor, name="Счупена", url=server.url, topic=topic)

    poll_sources()
    source.refresh_from_db()

    assert (source.failures, source.trouble) == (1, "The address answered 503 instead of a feed.")
    assert source.next_at - clock.now() > EVERY


def test_an_address_that_nobody_answers_is_a_trouble_not_an_error(actor: Actor, topic: Topic, free_port: int) -> None:
    source = add_source(actor, name="Няма я", url=f"http://127.0.0.1:{free_port}/", topic=topic)

    assert poll_sources() == 0
    source.refresh_from_db()
    assert source.trouble != ""


def test_foreign_text_cannot_become_a_template_expression(server: FeedServer, actor: Actor, topic: Topic) -> None:
    server.items = [("1", "{{ subscriber.name }}", "{% for x in y %}{# no #}")]
    add_source(actor, name="Чужда", url=server.url, topic=topic)

    poll_sources()

    content = Campaign.objects.get().contents.get(channel="email")
    assert (content.subject, content.body.splitlines()[0]) == (
        "{ { subscriber.name }}",
        "{ % for x in y %}{ # no #}",
    )
    assert without_expressions("a { b } c") == "a { b } c"


@pytest.mark.parametrize("url", ["", "ftp://gov.example/feed", "not an address", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(actor: Actor, topic: Topic, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        add_source(actor, name="Грешка", url=url, topic=topic)

    assert set(refused.value.fields) == {"url"}
    assert Source.objects.count() == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1:8080", "[fd00::1]"])
def test_a_private_network_is_refused(actor: Actor, topic: Topic, host: str) -> None:
    with pytest.raises(Invalid) as refused:
        add_source(actor, name="Вътрешна", url=f"http://{host}/feed", topic=topic)

    assert "private network" in refused.value.facts["fields"]["url"][0]
    assert Source.objects.count() == 0


def test_the_same_feed_is_not_read_twice(actor: Actor, topic: Topic) -> None:
    add_source(actor, name="Една", url="https://gov.example/feed", topic=topic)

    with pytest.raises(Invalid):
        add_source(actor, name="Две", url="https://gov.example/feed", topic=topic)


def test_an_analyst_may_not_add_a_feed(actor: Actor, topic: Topic) -> None:
    with pytest.raises(Forbidden):
        add_source(
            Actor(organisation=actor.organisation, roles=frozenset({Role.ANALYST})),
            name="Не",
            url="https://gov.example/feed",
            topic=topic,
        )


def test_waiting_doubles_up_to_a_day() -> None:
    assert [next_reading(failures) / EVERY for failures in (0, 1, 2, 50)] == [1, 2, 4, 96]
