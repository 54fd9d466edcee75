"""Calls into an ASGI application without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from outreach.web.tracking.wire import App


@dataclass(frozen=True, kw_only=True)
class Got:
    """A whole answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def call(app: App, method: str, url: str, *, body: bytes = b"", **headers: str) -> Got:
    """One request; header names with `_` for `-`."""
    place = urlsplit(url)
    sent: list[Any] = []
    incoming = [{"type": "http.request", "body": body, "more_body": False}]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": place.path,
        "raw_path": place.path.encode(),
        "query_string": place.query.encode(),
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("outreach.test", 80),
    }

    async def receive() -> Any:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    await app(scope, receive, send)
    return Got(
        status=sent[0]["status"],
        headers={name.decode(): value.decode() for name, value in sent[0]["headers"]},
        body=b"".join(event.get("body", b"") for event in sent[1:]),
    )


@pytest.fixture(autouse=True)
def short_lived_connections() -> Iterator[None]:
    """Threads of an event loop that ends with its test leave no connection behind."""
    from django.db import connections

    settings = connections["default"].settings_dict
    before, settings["CONN_MAX_AGE"] = settings["CONN_MAX_AGE"], 0
    yield
    settings["CONN_MAX_AGE"] = before


@pytest.fixture
def ask() -> Callable[..., Got]:
    """`ask(app, method, url)` on an event loop of its own; the application's writer is stopped after it."""

    def ask_once(outer: Any, method: str, url: str, **more: Any) -> Got:
        async def road() -> Got:
            try:
                return await call(outer, method, url, **more)
            finally:
                await outer.tracker.ingest.stop()

        return asyncio.run(road())

    return ask_once
