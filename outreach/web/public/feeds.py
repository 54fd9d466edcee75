"""`/feeds/TOPIC.(rss|atom|json)` outside Django: readers of feeds ask often and mostly hear that nothing is new."""

from __future__ import annotations

from urllib.parse import parse_qs

from outreach.events.threads import in_thread
from outreach.feeds.serving import Answer as FeedAnswer
from outreach.feeds.serving import serve_feed
from outreach.web.tracking.wire import Answer, Receive, Scope, Send, headers_of, respond

PREFIX = "/feeds/"


async def send_feed(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a topic's feed, or 304 to who has it."""
    name, _, format_name = str(scope["path"]).removeprefix(PREFIX).rpartition(".")
    query = parse_qs(scope["query_string"].decode("latin-1"))
    headers = headers_of(scope)

    def read() -> FeedAnswer:
        return serve_feed(
            name,
            format_name=format_name,
            language=query.get("language", [""])[0],
            if_none_match=headers.get("if-none-match", ""),
            if_modified_since=headers.get("if-modified-since", ""),
        )

    answer = await in_thread(read)
    await respond(scope, send, Answer(status=answer.status, headers=_lower(answer.headers), body=answer.body))


def _lower(headers: dict[str, str]) -> dict[str, str]:
    """Search engines may read feeds, unlike everything else here."""
    return {"x-robots-tag": "all", **{name.lower(): value for name, value in headers.items()}}
