from __future__ import annotations

import json
from datetime import UTC, datetime
from time import gmtime

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from outreach.feeds.entries import Entry, Feed
from outreach.feeds.formats import FORMATS

PUBLISHED = datetime(2026, 4, 8, 7, 30, tzinfo=UTC)
OWN, SITE = "https://news.example.org/feeds/health.rss", "https://news.example.org"


def feed(*titles: str, text: str = "Вижте картата си.") -> Feed:
    return Feed(
        slug="health",
        title="Електронно здраве",
        description="Новини за е-услугите в здравеопазването",
        publisher="Министерство на здравеопазването",
        language="bg",
        entries=tuple(
            Entry(
                id=f"12-{number}",
                title=title,
                html=f"<p>{text}</p>",
                text=text,
                link=f"{SITE}/v/abc{number}",
                language="bg",
                published=PUBLISHED,
            )
            for number, title in enumerate(titles)
        ),
    )


@pytest.mark.parametrize("name", ["rss", "atom"])
def test_a_reader_gets_what_was_written(name: str) -> None:
    parsed = feedparser.parse(FORMATS[name].write(feed("Здравната карта & рецептите", "Втора"), OWN, SITE))

    assert parsed.bozo is False
    assert (parsed.feed.title, parsed.feed.get("language")) == ("Електронно здраве", "bg")
    assert [(entry.id, entry.title, entry.link) for entry in parsed.entries] == [
        ("tag:news.example.org,2026-04-08:12-0", "Здравната карта & рецептите", f"{SITE}/v/abc0"),
        ("tag:news.example.org,2026-04-08:12-1", "Втора", f"{SITE}/v/abc1"),
    ]
    assert parsed.entries[0].published_parsed == gmtime(PUBLISHED.timestamp())
    assert parsed.entries[0].content[0].value == "<p>Вижте картата си.</p>"


def test_json_feed_says_the_same() -> None:
    document = json.loads(FORMATS["json"].write(feed("Здравната карта"), OWN, SITE))

    assert (document["version"], document["title"], document["language"]) == (
        "https://jsonfeed.org/version/1.1",
        "Електронно здраве",
        "bg",
    )
    assert document["items"] == [
        {
            "id": "tag:news.example.org,2026-04-08:12-0",
            "url": f"{SITE}/v/abc0",
            "title": "Здравната карта",
            "content_html": "<p>Вижте картата си.</p>",
            "content_text": "Вижте картата си.",
            "date_published": "2026-04-08T07:30:00+00:00",
            "language": "bg",
        }
    ]


def test_cyrillic_is_written_as_itself() -> None:
    assert "Електронно здраве".encode() in FORMATS["rss"].write(feed(), OWN, SITE)


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(text=st.text())
def test_any_text_gives_a_well_formed_feed(name: str, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    written = FORMATS[name].write(feed(text, text=text), OWN, SITE)

    if name == "json":
        assert json.loads(written)["items"][0]["title"] == text
    else:
        etree.fromstring(written)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_empty_feed_is_the_same_each_time(name: str) -> None:
    assert FORMATS[name].write(feed(), OWN, SITE) == FORMATS[name].write(feed(), OWN, SITE)
