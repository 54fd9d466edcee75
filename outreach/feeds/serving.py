"""Answers to readers of feeds: validators first, the body only to those who do not have it (RFC 9110, section 13)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from django.conf import settings

from outreach.audience.consent_proof import PUBLISHED_AS
from outreach.audience.models import Topic
from outreach.core.vocabulary import Language
from outreach.feeds.consent_roots import read_roots
from outreach.feeds.entries import Feed, read_feed
from outreach.feeds.formats import FORMATS, NEVER

#: Seconds that a reader or proxy may keep an answer.
FRESH_FOR: Final = 300


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer, for whichever server gives it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


NO_SUCH_FEED: Final = Answer(
    status=404, headers={"Content-Type": "text/plain; charset=utf-8"}, body=b"There is no such feed.\n"
)


def serve_feed(
    slug: str, *, format_name: str, language: str = "", if_none_match: str = "", if_modified_since: str = ""
) -> Answer:
    """The feed of a topic, or of the record of consents; 304 for a reader who has it, 404 where there is none."""
    feed_format = FORMATS.get(format_name)
    is_language = not language or language in Language.values
    feed = _read(slug, language) if feed_format and is_language and "\0" not in slug else None
    if feed_format is None or feed is None:
        return NO_SUCH_FEED
    own_url = feed_url(slug, format_name, language=language)
    body = feed_format.write(feed, own_url, settings.BASE_URL)
    updated = (feed.updated or NEVER).replace(microsecond=0)
    headers = {
        "Content-Type": feed_format.content_type,
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        "Last-Modified": format_datetime(updated, usegmt=True),
        "Cache-Control": f"public, max-age={FRESH_FOR}",
        "Content-Language": feed.language,
        "Access-Control-Allow-Origin": "*",
    }
    if _has_it(headers, if_none_match=if_none_match, if_modified_since=if_modified_since):
        return Answer(status=304, headers=headers)
    return Answer(status=200, headers=headers, body=body)


def _read(slug: str, language: str) -> Feed | None:
    if slug == PUBLISHED_AS:
        return read_roots(language or Language.BULGARIAN.value)
    topic = Topic.objects.select_related("organisation").filter(slug=slug).first()
    return read_feed(topic, language or topic.organisation.language) if topic else None


def feed_url(slug: str, format_name: str, *, language: str = "") -> str:
    return f"{settings.BASE_URL}/feeds/{slug}.{format_name}" + (f"?language={language}" if language else "")


def _has_it(headers: dict[str, str], *, if_none_match: str, if_modified_since: str) -> bool:
    """If-None-Match alone counts where it is given; a date that cannot be read is ignored."""
    if if_none_match:
        offered = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return "*" in offered or headers["ETag"] in offered
    try:
        since = parsedate_to_datetime(if_modified_since)
        return parsedate_to_datetime(headers["Last-Modified"]) <= since
    except (TypeError, ValueError):
        return False
