"""What a reader's click, a picture's load and a mail program's one-click call get: never an error, never a foreign URL.

A token is verified without a query; a request is answered when its event is durable. Tokens: `delivery.tokens`.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import OrderedDict
from typing import Final
from urllib.parse import quote

from django.db import InterfaceError, OperationalError
from django.utils.translation.trans_real import parse_accept_lang_header

from outreach.core import clock
from outreach.core.errors import OutreachError
from outreach.core.vocabulary import EventKind, Language
from outreach.delivery import links, tokens
from outreach.delivery.tokens import Token, TokenKind
from outreach.events import evidence, optout
from outreach.events.ingest import Ingest, journal_folder
from outreach.events.journal import OptOut
from outreach.events.record import Happening
from outreach.events.threads import in_thread
from outreach.events.verdict import judge
from outreach.web.public.pages import render_page
from outreach.web.tracking.wire import Answer, Receive, Scope, Send, headers_of, read_start, respond

logger = logging.getLogger(__name__)

#: A transparent picture of one pixel.
PIXEL: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
#: What RFC 8058, section 3.1 has the mail program post.
ONE_CLICK: Final = b"List-Unsubscribe=One-Click"
#: Links whose address is kept in memory.
KNOWN_LINKS: Final = 10_000

_DATABASE_AWAY: Final = (OperationalError, InterfaceError)


class Tracker:
    """The bare endpoints of one process."""

    def __init__(self, ingest: Ingest | None = None) -> None:
        self.ingest = ingest or Ingest(journal_folder(), opt_out=_opt_out_later, notice=evidence.take_signs_of_life)
        self._links: OrderedDict[tuple[int, str, str, int], str] = OrderedDict()

    async def open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/o/TOKEN`: count an open, answer the pixel; also to a token that is not ours."""
        token = tokens.read(_token_text(scope), TokenKind.OPEN)
        if token is not None:
            await self._count(EventKind.OPENED, token, scope)
        await respond(scope, send, Answer(headers={"content-type": "image/gif"}, body=PIXEL))

    async def click(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/c/TOKEN`: count a click, redirect to the address that stood in the message; else a page that explains."""
        token = tokens.read(_token_text(scope), TokenKind.CLICK)
        try:
            url = await self._address_of(token) if token else None
        except _DATABASE_AWAY:
            if token:
                await self._count(EventKind.CLICKED, token, scope)
            await respond(scope, send, await _page(scope, "link_later", status=503))
            return
        if token is None or url is None:
            await respond(scope, send, await _page(scope, "link_unknown", status=404))
            return
        await self._count(EventKind.CLICKED, token, scope)
        await respond(scope, send, Answer(status=302, headers={"location": _quoted(url)}))

    async def post_unsubscribe(self, scope: Scope, receive: Receive, send: Send, *, has_page: bool) -> Receive | None:
        """`POST /u/TOKEN`: do what a mail program asks; hand back `receive` where it is the page's form instead."""
        body, again = await read_start(receive, limit=4096)
        if ONE_CLICK not in body and has_page:
            return again
        text = _token_text(scope)
        if tokens.read(text, TokenKind.PERSON) is None:
            await respond(scope, send, Answer(status=404, headers=_PLAIN, body=b"This link is not one of ours.\n"))
            return None
        await self._opt_out(text)
        await respond(scope, send, Answer(headers=_PLAIN, body=b"You are unsubscribed.\n"))
        return None

    async def _opt_out(self, text: str) -> None:
        wish = OptOut(token=text, at=clock.now())
        try:
            await in_thread(lambda: _opt_out_later(wish))
        except _DATABASE_AWAY:
            await self.ingest.keep(wish)

    async def _count(self, kind: EventKind, token: Token, scope: Scope) -> None:
        judgement = judge(kind, method=scope["method"], headers=headers_of(scope))
        happening = Happening(
            kind=kind,
            run=token.run,
            delivery=token.delivery,
            channel=token.channel,
            language=token.language,
            link=token.link if kind == EventKind.CLICKED else None,
            verdict=judgement.verdict,
            reason=judgement.reason,
            source="redirect" if kind == EventKind.CLICKED else "pixel",
        )
        try:
            await self.ingest.take(happening)
        except OSError:
            # Neither database nor disk: the reader still gets what he asked for, and the log has said it.
            logger.warning("an event is lost", extra={"action": "tracking.lost", "run": token.run})

    async def _address_of(self, token: Token) -> str | None:
        key = (token.run, token.channel, token.language, token.link)
        if key in self._links:
            self._links.move_to_end(key)
            return self._links[key]
        url = await in_thread(lambda: _look_up(token))
        if url is not None:
            self._links[key] = url
            if len(self._links) > KNOWN_LINKS:
                self._links.popitem(last=False)
        return url


_PLAIN: Final = {"content-type": "text/plain; charset=utf-8"}
_PAGE: Final = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'",
}


def _look_up(token: Token) -> str | None:
    try:
        url = links.url_of(token)
    except OutreachError:
        logger.warning("a link cannot be found again", extra={"action": "tracking.link", "run": token.run})
        return None
    return url if url and url.startswith(("http://", "https://")) else None


def _opt_out_later(wish: OptOut) -> None:
    """Apply a one-click wish, now or from the journal; once is as good as twice."""
    token = tokens.read(wish.token, TokenKind.PERSON)
    person = optout.find_person(token) if token else None
    if person is not None:
        optout.opt_out(person, source="one_click", evidence={"at": wish.at.isoformat()})


async def _page(scope: Scope, template: str, *, status: int) -> Answer:
    language = _language_of(headers_of(scope).get("accept-language", ""))

    retry = {"retry-after": "30"} if status == 503 else {}
    body = (await asyncio.to_thread(render_page, template, language=language)).encode()
    return Answer(status=status, headers={**_PAGE, **retry, "content-language": language}, body=body)


def _language_of(accepted: str) -> str:
    """The reader's language, Bulgarian where he names none of ours."""
    offered = (code[:2] for code, _ in parse_accept_lang_header(accepted))
    return next((code for code in offered if code in Language.values), Language.BULGARIAN)


def _token_text(scope: Scope) -> str:
    return str(scope["path"])[3:].removesuffix(".gif")


def _quoted(url: str) -> str:
    """The address as a header may carry it; what is encoded already stays."""
    return quote(url, safe="%/:=&?~#+!$,;'@()*[]")
