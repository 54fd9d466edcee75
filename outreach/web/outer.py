"""The outer application: a bare ASGI door for what readers' programs call; the rest goes to the site behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from outreach.web.public import feeds
from outreach.web.tracking.tracker import Tracker
from outreach.web.tracking.wire import Answer, App, Receive, Scope, Send, respond

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]


class Outer:
    """Routes by the first letters of the path; everything it does not know goes to `site`, where there is one."""

    def __init__(self, site: App | None, tracker: Tracker | None = None) -> None:
        self.site = site
        self.tracker = tracker or Tracker()
        #: (methods, prefix, endpoint): first match wins.
        self.routes: tuple[tuple[frozenset[str], str, Endpoint], ...] = (
            (_READING, "/o/", self.tracker.open),
            (_READING, "/c/", self.tracker.click),
            (frozenset({"POST"}), "/u/", self._unsubscribe),
            (_READING, feeds.PREFIX, feeds.send_feed),
            (_READING, "/healthz", _say_healthy),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            endpoint = self._endpoint_of(scope)
            await endpoint(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def _endpoint_of(self, scope: Scope) -> Endpoint:
        for methods, prefix, endpoint in self.routes:
            if scope["method"] in methods and str(scope["path"]).startswith(prefix):
                return endpoint
        return self.site or _say_not_found

    async def _unsubscribe(self, scope: Scope, receive: Receive, send: Send) -> None:
        again = await self.tracker.post_unsubscribe(scope, receive, send, has_page=self.site is not None)
        if again is not None and self.site is not None:
            await self.site(scope, again, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                self.tracker.ingest.start()
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self.tracker.ingest.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


_READING: Final = frozenset({"GET", "HEAD"})
_PLAIN: Final = {"content-type": "text/plain; charset=utf-8"}


async def _say_healthy(scope: Scope, receive: Receive, send: Send) -> None:
    """The process lives and its loop turns; whether it can work is `/readyz`."""
    await respond(scope, send, Answer(headers=_PLAIN, body=b"ok\n"))


async def _say_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(scope, send, Answer(status=404, headers=_PLAIN, body=b"Not found.\n"))
