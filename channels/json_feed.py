"""JSON Feed (https://www.jsonfeed.org/version/1.1/), which feedparser does not read, in feedparser's own form."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from time import struct_time
from typing import Any

from feedparser import FeedParserDict

_VERSION_PREFIX = "https://jsonfeed.org/version/"


def parse_json_feed(content: bytes) -> FeedParserDict | None:
    """What feedparser would have made of it; None where it is not JSON Feed at all."""
    document = _load(content)
    if not str(document.get("version") or "").startswith(_VERSION_PREFIX):
        return None
    items = document.get("items")
    return FeedParserDict(
        version="json1",
        bozo=not isinstance(items, list),
        bozo_exception="there is no list of items",
        feed=FeedParserDict(title_detail=_plain(document.get("title")), language=document.get("language")),
        entries=[_as_entry(item) for item in items if isinstance(item, dict)] if isinstance(items, list) else [],
    )


def _load(content: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        document = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
        return document if isinstance(document, dict) else {}
    return {}


def _as_entry(item: dict[str, Any]) -> FeedParserDict:
    body = _plain(item.get("summary") or item.get("content_text")) or _html(item.get("content_html"))
    return FeedParserDict(
        id=str(item.get("id") or ""),
        link=item.get("url") or item.get("external_url"),
        title_detail=_plain(item.get("title")),
        summary_detail=body,
        published_parsed=_time(item.get("date_published") or item.get("date_modified")),
    )


def _plain(value: Any) -> dict[str, str]:
    return {"type": "text/plain", "value": value} if isinstance(value, str) and value else {}


def _html(value: Any) -> dict[str, str]:
    return {"type": "text/html", "value": value} if isinstance(value, str) and value else {}


def _time(value: Any) -> struct_time | None:
    """RFC 3339; a time without an offset is no moment, and is left out."""
    with suppress(TypeError, ValueError, OverflowError):
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC).timetuple() if moment.tzinfo else None
    return None
