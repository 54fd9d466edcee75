"""The few words of ASGI that the bare endpoints speak: read a bounded body, send a whole answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from outreach.web.visitor import visitor_address

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole HTTP answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def wire_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers as they are sent, made once for an answer that is given often."""
        headers = {**COMMON, **self.headers, "content-length": str(len(self.body))}
        return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


#: No bare answer may be kept by a cache, read by a search engine, or tell the next site where the reader came from.
COMMON: Final = {
    "cache-control": "no-store, private, max-age=0",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}


def headers_of(scope: Scope) -> dict[str, str]:
    """Request headers with lower-case names; the last of a repeated one counts."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def address_of(scope: Scope) -> str:
    """Who asks, as far as trusted proxies tell it; '' for nobody known."""
    peer = scope.get("client")
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return visitor_address(str(peer[0]) if peer else "", b",".join(lines).decode("latin-1") if lines else "")


async def respond(scope: Scope, send: Send, answer: Answer) -> None:
    """Send an answer; to HEAD without its body."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.wire_headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


async def read_start(receive: Receive, *, limit: int) -> tuple[bytes, Receive]:
    """The first `limit` bytes of the body (or all of it), and a `receive` that gives the whole body again."""
    seen: list[Event] = []
    size, more = 0, True
    while more and size < limit:
        event = await receive()
        seen.append(event)
        size += len(event.get("body", b""))
        more = event["type"] == "http.request" and bool(event.get("more_body"))

    async def again() -> Event:
        return seen.pop(0) if seen else await receive()

    return b"".join(event.get("body", b"") for event in seen), again
