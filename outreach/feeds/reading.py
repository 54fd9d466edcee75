"""What the reader of feeds makes of a file or URL, for `outreach inspect feed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

from channels.base import ChannelError
from channels.sources import FEED_BYTES, Feed, read_feed, read_source


def inspect_feed(place: str) -> dict[str, Any]:
    """`{title, language, entries: [{id, title, link, published}], problems}` of a file or an http(s) URL."""
    try:
        feed = _read(place)
    except (ChannelError, OSError) as error:
        return {"title": "", "language": "", "entries": [], "problems": [str(error)]}
    return {
        "title": feed.title,
        "language": feed.language,
        "entries": [
            {
                "id": entry.id,
                "title": entry.title,
                "link": entry.link,
                "published": entry.published.isoformat() if entry.published else None,
            }
            for entry in feed.entries
        ],
        "problems": list(feed.problems),
    }


def _read(place: str) -> Feed:
    if place.startswith(("http://", "https://")):
        return read_source(place, allow_private=settings.ALLOW_PRIVATE)
    with Path(place).open("rb") as file:
        return read_feed(file.read(FEED_BYTES + 1))
