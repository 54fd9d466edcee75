"""A feed written as RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1. Pure: the same feed gives the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from lxml import etree

from outreach.feeds.entries import Entry, Feed

ATOM: Final = "http://www.w3.org/2005/Atom"
CONTENT: Final = "http://purl.org/rss/1.0/modules/content/"
DUBLIN_CORE: Final = "http://purl.org/dc/elements/1.1/"

#: Characters that XML 1.0 cannot hold, not even as references (section 2.2).
NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: A feed without entries has this date, so that it is the same each time.
NEVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class FeedFormat:
    """How one kind of feed is written."""

    content_type: str
    #: (feed, its own URL, the site's URL) -> bytes
    write: Callable[[Feed, str, str], bytes]


def _text(parent: etree._Element, tag: str, text: str, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, tag, attributes)
    element.text = NOT_XML.sub("", text)
    return element


def _xml(root: etree._Element) -> bytes:
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True)
    return document


def _rss(feed: Feed, own_url: str, site_url: str) -> bytes:
    root = etree.Element("rss", {"version": "2.0"}, nsmap={"atom": ATOM, "content": CONTENT, "dc": DUBLIN_CORE})
    channel = etree.SubElement(root, "channel")
    _text(channel, "title", feed.title)
    _text(channel, "link", site_url)
    _text(channel, "description", feed.description)
    _text(channel, "language", feed.language)
    etree.SubElement(channel, f"{{{ATOM}}}link", {"rel": "self", "type": "application/rss+xml", "href": own_url})
    _text(channel, "lastBuildDate", format_datetime((feed.updated or NEVER).astimezone(UTC), usegmt=True))
    _text(channel, "ttl", "15")
    for entry in feed.entries:
        item = etree.SubElement(channel, "item")
        _text(item, "title", entry.title)
        _text(item, "link", entry.link)
        _text(item, "guid", tag_uri(entry, site_url), isPermaLink="false")
        _text(item, "pubDate", format_datetime(entry.published.astimezone(UTC), usegmt=True))
        _text(item, f"{{{DUBLIN_CORE}}}creator", feed.publisher)
        _text(item, "description", entry.text)
        _text(item, f"{{{CONTENT}}}encoded", entry.html)
    return _xml(root)


def _atom(feed: Feed, own_url: str, site_url: str) -> bytes:
    root = etree.Element("feed", {"{http://www.w3.org/XML/1998/namespace}lang": feed.language}, nsmap={None: ATOM})
    _text(root, "id", own_url)
    _text(root, "title", feed.title)
    _text(root, "subtitle", feed.description)
    _text(root, "updated", (feed.updated or NEVER).astimezone(UTC).isoformat(timespec="seconds"))
    etree.SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": own_url})
    etree.SubElement(root, "link", {"rel": "alternate", "href": site_url})
    _text(etree.SubElement(root, "author"), "name", feed.publisher)
    for entry in feed.entries:
        item = etree.SubElement(root, "entry")
        _text(item, "id", tag_uri(entry, site_url))
        _text(item, "title", entry.title)
        etree.SubElement(item, "link", {"rel": "alternate", "href": entry.link})
        moment = entry.published.astimezone(UTC).isoformat(timespec="seconds")
        _text(item, "published", moment)
        _text(item, "updated", moment)
        _text(item, "summary", entry.text)
        _text(item, "content", entry.html, type="html")
    return _xml(root)


def _json(feed: Feed, own_url: str, site_url: str) -> bytes:
    document: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.description,
        "home_page_url": site_url,
        "feed_url": own_url,
        "language": feed.language,
        "authors": [{"name": feed.publisher}],
        "items": [
            {
                "id": tag_uri(entry, site_url),
                "url": entry.link,
                "title": entry.title,
                "content_html": entry.html,
                "content_text": entry.text,
                "date_published": entry.published.astimezone(UTC).isoformat(timespec="seconds"),
                "language": entry.language,
            }
            for entry in feed.entries
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


FORMATS: Final[dict[str, FeedFormat]] = {
    "rss": FeedFormat(content_type="application/rss+xml; charset=utf-8", write=_rss),
    "atom": FeedFormat(content_type="application/atom+xml; charset=utf-8", write=_atom),
    "json": FeedFormat(content_type="application/feed+json; charset=utf-8", write=_json),
}


def tag_uri(entry: Entry, site_url: str) -> str:
    """An id that stays the same if the site moves (RFC 4151)."""
    return f"tag:{urlsplit(site_url).hostname},{entry.published.astimezone(UTC):%Y-%m-%d}:{entry.id}"
