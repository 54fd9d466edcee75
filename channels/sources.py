"""The reader of outside feeds: one conditional GET through the door, then `feedparser` on what came, made safe.

What a feed says is foreign: it becomes plain text and http(s) links, and whatever is wrong with it becomes a problem in
words, never an exception.
"""

from __future__ import annotations

import calendar
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import unescape
from time import struct_time
from typing import Any, Final
from urllib.parse import urlsplit

import feedparser
import nh3

from channels.client import Answer, fetch
from channels.json_feed import parse_json_feed

#: Longest feed that is read, bytes; the parser needs about twenty times as much memory.
FEED_BYTES: Final = 8 << 20
#: Entries beyond these are older ones of a feed that keeps everything.
_MOST_ENTRIES: Final = 500
_LONGEST: Final = {"title": 500, "summary": 20_000, "id": 1_000, "link": 2_000}
_ACCEPT: Final = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.1"
_HTML: Final = re.compile(rb"<(?:!doctype\s+)?html\b", re.IGNORECASE)
_BLOCK_ENDS: Final = re.compile(r"<(?:br|/p|/li|/div|/h[1-6]|/tr)\b[^>]*>", re.IGNORECASE)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One item of a feed."""

    #: The feed's own id of it; made from link or content where it gives none. The same at every reading.
    id: str
    title: str
    #: http or https, or ''.
    link: str
    published: datetime | None
    #: Plain text.
    summary: str


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What the reader makes of a feed."""

    title: str
    #: BCP 47 tag, or ''.
    language: str
    #: In the feed's order.
    entries: tuple[Entry, ...]
    #: What is wrong with it, in words.
    problems: tuple[str, ...]
    #: For the next conditional GET.
    etag: str
    modified: str
    #: HTTP status; 304 means that nothing changed and there are no entries. 0 where it was read from a file.
    status: int


def read_source(
    url: str, *, etag: str = "", modified: str = "", allow_private: Iterable[str] = (), limit: int = FEED_BYTES
) -> Feed:
    """Read the feed at `url`, unless it still is what `etag` and `modified` of the last reading say.

    Raises:
        ChannelError: it could not be reached, may not be, or is longer than `limit`.
    """
    conditions = {"If-None-Match": etag, "If-Modified-Since": modified}
    headers = {"Accept": _ACCEPT, "User-Agent": "Outreach feed reader"}
    headers |= {name: value for name, value in conditions.items() if value}
    answer = fetch(url, headers=headers, allow_private=allow_private, limit=limit)
    if answer.status == 304:
        return _nothing(answer, etag=etag, modified=modified, problems=())
    if answer.status != 200:
        problem = f"The address answered {answer.status} instead of a feed."
        return _nothing(answer, etag=etag, modified=modified, problems=(problem,))
    return _read_answer(answer)


def read_feed(content: bytes, *, content_type: str = "", limit: int = FEED_BYTES) -> Feed:
    """Read a feed from bytes, as from a file; never raises for what is in them."""
    if len(content) > limit:
        problem = f"The feed is longer than {limit} bytes."
        return Feed(title="", language="", entries=(), problems=(problem,), etag="", modified="", status=0)
    return _parse(content, {"content-type": content_type} if content_type else {}, status=0)


def _nothing(answer: Answer, *, etag: str, modified: str, problems: tuple[str, ...]) -> Feed:
    return Feed(
        title="", language="", entries=(), problems=problems, etag=etag, modified=modified, status=answer.status
    )


def _read_answer(answer: Answer) -> Feed:
    passed_on = ("content-type", "content-location", "content-language", "etag", "last-modified")
    headers = {name: answer.headers[name] for name in passed_on if name in answer.headers}
    return _parse(answer.body, headers | {"content-location": answer.url}, status=answer.status)


def _parse(content: bytes, headers: Mapping[str, str], *, status: int) -> Feed:
    # As a stream: of bytes alone feedparser asks first whether they name a file of this machine, and reads that.
    parsed = parse_json_feed(content) or feedparser.parse(
        io.BytesIO(content), response_headers=dict(headers), sanitize_html=True, resolve_relative_uris=True
    )
    entries = tuple(_read_entry(entry) for entry in parsed.entries[:_MOST_ENTRIES])
    return Feed(
        title=_detail(parsed.feed.get("title_detail"), "title"),
        language=_language(parsed.feed.get("language")),
        entries=entries,
        problems=tuple(_find_problems(content, parsed, entries)),
        etag=headers.get("etag", ""),
        modified=headers.get("last-modified", ""),
        status=status,
    )


def _find_problems(content: bytes, parsed: Any, entries: tuple[Entry, ...]) -> Iterable[str]:
    if not (parsed.get("version") or entries) and (not parsed.feed or _HTML.search(content[:2000])):
        yield "This is not a feed."
    if parsed.get("bozo"):
        yield f"The feed is not well-formed: {_in_words(parsed.get('bozo_exception'))}"
    if len(parsed.entries) > len(entries):
        yield f"Only the first {len(entries)} of {len(parsed.entries)} entries were read."
    ids = [entry.id for entry in entries]
    if len(set(ids)) < len(ids):
        yield f"Ids that stand more than once: {len(ids) - len(set(ids))}."


def _in_words(problem: object) -> str:
    return " ".join(str(problem).split())[:300] or type(problem).__name__


def _read_entry(entry: Any) -> Entry:
    title = _detail(entry.get("title_detail"), "title")
    summary = _detail(entry.get("summary_detail"), "summary") or _detail(_first_content(entry), "summary")
    link = _web_link(entry.get("link"))
    return Entry(
        id=str(entry.get("id") or "").strip()[: _LONGEST["id"]] or _made_id(link, title, summary),
        title=title,
        link=link,
        published=_time(entry.get("published_parsed") or entry.get("updated_parsed")),
        summary=summary,
    )


def _first_content(entry: Any) -> Any:
    return next(iter(entry.get("content") or ()), None)


def _detail(detail: Any, field: str) -> str:
    """The text of a feedparser detail, which says whether it is markup."""
    value = str((detail or {}).get("value") or "")
    is_text = (detail or {}).get("type") == "text/plain"
    return _tidy(value if is_text else _without_markup(value))[: _LONGEST[field]]


def _without_markup(html: str) -> str:
    """`nh3` drops every tag, and what stands in scripts and styles with them; where a block ended a line ends."""
    return unescape(nh3.clean(_BLOCK_ENDS.sub("\n", html), tags=set()))


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in _CONTROLS.sub("", text).splitlines())
    return "\n".join(line for line in lines if line)


def _web_link(value: object) -> str:
    link = str(value or "").strip()
    try:
        is_web = urlsplit(link).scheme in ("http", "https") and bool(urlsplit(link).hostname)
    except ValueError:
        return ""
    return link if is_web and len(link) <= _LONGEST["link"] else ""


def _language(value: object) -> str:
    tag = str(value or "").strip().replace("_", "-")
    return tag if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag) else ""


def _time(parsed: struct_time | None) -> datetime | None:
    """feedparser gives UTC as a struct; years it could not believe are no time at all."""
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), tz=UTC) if parsed else None
    except (ValueError, OverflowError, OSError):
        return None


def _made_id(link: str, title: str, summary: str) -> str:
    return link or "sha256:" + sha256(f"{title}\n{summary}".encode("utf-8", "replace")).hexdigest()
