from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.base import AccountProblem, OutcomeUnknown
from channels.sources import Entry, Feed, read_feed, read_source
from tests.channels.scripted import Http, ScriptedPeer, running

LOOPBACK = ("127.0.0.0/8",)

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel>
  <title>Новини на общината</title><link>https://example.org/</link><language>bg-BG</language>
  <item><guid isPermaLink="false">n-1</guid><title>Нова &amp; услуга</title><link>https://example.org/1</link>
    <pubDate>Sun, 22 Nov 2026 12:00:00 +0200</pubDate>
    <description>&lt;p&gt;Първо&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;p&gt;Второ&lt;/p&gt;</description></item>
  <item><title>Без номер</title><link>javascript:alert(1)</link></item>
</channel></rss>"""

EXPECTED = Feed(
    title="Новини на общината",
    language="bg-BG",
    entries=(
        Entry(
            id="n-1",
            title="Нова & услуга",
            link="https://example.org/1",
            published=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
            summary="Първо\nВторо",
        ),
        Entry(
            id="made",
            title="Без номер",
            link="",
            published=None,
            summary="",
        ),
    ),
    problems=(),
    etag="",
    modified="",
    status=0,
)


@pytest.fixture
def peer() -> Iterator[ScriptedPeer]:
    with running(ScriptedPeer(lambda _: rss(), provider="")) as peer:
        yield peer


def rss(**headers: str) -> Http:
    return Http(200, RSS.encode(), {"Content-Type": "application/rss+xml", **headers})


def without_made_ids(feed: Feed) -> Feed:
    entries = (replace(e, id="made") if e.id.startswith("sha256:") else e for e in feed.entries)
    return replace(feed, entries=tuple(entries))


def test_feed_becomes_plain_text_and_safe_links() -> None:
    assert without_made_ids(read_feed(RSS.encode())) == EXPECTED


def test_made_id_is_the_same_at_every_reading() -> None:
    first, second = (read_feed(RSS.encode()).entries[1].id for _ in range(2))
    assert first == second
    assert first.startswith("sha256:")


def test_second_reading_is_conditional(peer: ScriptedPeer) -> None:
    peer.answer(rss(ETag='"v1"', **{"Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}), Http(304))
    first = read_source(f"{peer.url}/feed", allow_private=LOOPBACK)
    second = read_source(f"{peer.url}/feed", etag=first.etag, modified=first.modified, allow_private=LOOPBACK)

    assert (first.status, len(first.entries), first.problems) == (200, 2, ())
    assert second == Feed(
        title="",
        language="",
        entries=(),
        problems=(),
        etag='"v1"',
        modified="Sun, 22 Nov 2026 10:00:00 GMT",
        status=304,
    )
    asked = [(r.headers.get("if-none-match"), r.headers.get("if-modified-since")) for r in peer.requests]
    assert asked == [(None, None), ('"v1"', "Sun, 22 Nov 2026 10:00:00 GMT")]


def test_address_without_a_feed_keeps_what_was_known(peer: ScriptedPeer) -> None:
    peer.answer(Http(500, b"oops"))
    feed = read_source(f"{peer.url}/feed", etag='"v1"', allow_private=LOOPBACK)
    assert (feed.status, feed.etag, feed.problems) == (500, '"v1"', ("The address answered 500 instead of a feed.",))


def test_feed_in_a_private_network_is_not_read(peer: ScriptedPeer) -> None:
    with pytest.raises(AccountProblem):
        read_source(f"{peer.url}/feed")
    assert peer.requests == []


def test_feed_beyond_the_limit_is_not_parsed(peer: ScriptedPeer) -> None:
    peer.answer(Http(200, b"<rss>" + b" " * 5000))
    with pytest.raises(OutcomeUnknown):
        read_source(f"{peer.url}/feed", allow_private=LOOPBACK, limit=1000)
    assert read_feed(b" " * 1001, limit=1000).problems == ("The feed is longer than 1000 bytes.",)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"<html><body>Hello</body></html>", b"{}", b"<rss", "здравей".encode("cp1251")]
)
def test_what_is_no_feed_is_a_problem_not_an_error(content: bytes) -> None:
    feed = read_feed(content)
    assert feed.entries == ()
    assert feed.problems


def test_broken_feed_gives_what_can_be_read() -> None:
    feed = read_feed(RSS.replace("</channel></rss>", "<item><title>Край & ").encode())
    assert [entry.title for entry in feed.entries][:2] == ["Нова & услуга", "Без номер"]
    assert len(feed.problems) == 1
    assert feed.problems[0].startswith("The feed is not well-formed: ")


def test_entities_do_not_blow_up_and_read_no_files() -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a0 "{"a" * 1000}">{entities}]>'
    bomb += "<rss version='2.0'><channel><title>&a9;</title></channel></rss>"
    feed = read_feed(bomb.encode())
    assert len(feed.title) <= 500
    assert len(feed.problems) == 1

    thief = '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    thief += "<rss version='2.0'><channel><title>a&f;b</title></channel></rss>"
    assert "root:" not in read_feed(thief.encode()).title


def test_json_feed_is_read_like_the_others() -> None:
    items = [
        {
            "id": "n-1",
            "url": "https://example.org/1",
            "title": "Нова & услуга",
            "content_html": "<p>Първо</p><script>alert(1)</script><p>Второ</p>",
            "date_published": "2026-11-22T12:00:00+02:00",
        },
        {"title": "Без номер", "url": "javascript:alert(1)", "date_published": "2026-11-22T12:00:00"},
        "not an item",
    ]
    document = {"version": "https://jsonfeed.org/version/1.1", "title": "Новини на общината", "language": "bg-BG"}
    content = json.dumps(document | {"items": items}).encode()
    assert without_made_ids(read_feed(content)) == EXPECTED
    assert read_feed(b"\xef\xbb\xbf" + content) == read_feed(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"version": "https://jsonfeed.org/version/1.1"}', "The feed is not well-formed: there is no list of items"),
        (b'{"version": 1, "items": []}', None),
        (b"[" * 100_000, None),
    ],
)
def test_json_that_is_no_feed_is_a_problem(content: bytes, problem: str | None) -> None:
    feed = read_feed(content)
    assert feed.entries == ()
    assert problem in (None, *feed.problems)
    assert feed.problems


def test_windows_1251_is_read() -> None:
    content = RSS.replace("UTF-8", "windows-1251").encode("cp1251")
    assert read_feed(content).title == "Новини на общината"


def test_entry_that_stands_twice_is_told() -> None:
    twice = RSS.replace("<title>Без номер</title>", '<guid isPermaLink="false">n-1</guid><title>Пак</title>')
    assert read_feed(twice.encode()).problems == ("Ids that stand more than once: 1.",)


def test_feeds_of_the_field_are_judged_as_their_labels_say(contracts: Path) -> None:
    folder = contracts / "email-samples"
    labels = json.loads((folder / "feeds.labels.json").read_text("utf-8"))
    expected = {
        label["file"]: label["expected"]["expect"].startswith("not bozo")
        for label in labels
        if label.get("expected", {}).get("expect", "").startswith(("bozo", "not bozo"))
    }
    sound = {file: not read_feed((folder / file).read_bytes()).problems for file in expected}
    agreed = sum(1 for file in expected if sound[file] == expected[file])
    assert len(expected) > 200
    assert agreed / len(expected) > 0.97


def test_a_feed_that_is_the_name_of_a_file_opens_no_file(tmp_path: Path) -> None:
    file = tmp_path / "secret.xml"
    file.write_text(RSS)
    found = read_feed(str(file).encode())
    assert (found.title, found.entries) == ("", ())


def test_a_feed_that_names_outside_declarations_asks_nobody_for_them(peer: ScriptedPeer) -> None:
    outside = f'<!DOCTYPE rss SYSTEM "{peer.url}/dtd" [<!ENTITY % p SYSTEM "{peer.url}/p"> %p; '
    outside += f'<!ENTITY e SYSTEM "{peer.url}/e">]>'
    sheet = f'<?xml-stylesheet href="{peer.url}/xsl" type="text/xsl"?>'
    content = f'<?xml version="1.0"?>{sheet}{outside}<rss version="2.0"><channel><title>a&e;b</title></channel></rss>'
    assert read_feed(content.encode()).entries == ()
    assert peer.requests == []
