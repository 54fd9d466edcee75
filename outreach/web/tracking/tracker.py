"""What a reader's click, a picture's load and a mail program's one-click call get: never an error, never a foreign URL.

A token is verified without a query; a request is answered when its event is durable. Tokens: `delivery.tokens`.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import OrderedDict
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation.trans_real import parse_accept_lang_header

from outreach.core import clock
from outreach.core.errors import OutreachError
from outreach.core.vocabulary import Language
from outreach.delivery import links, tokens
from outreach.delivery.links import Target
from outreach.delivery.templating import OWN_VIEW
from outreach.delivery.tokens import Token, TokenKind
from outreach.events import evidence, optout
from outreach.events.ingest import Ingest, journal_folder
from outreach.events.journal import OptOut
from outreach.events.networks import is_hosted
from outreach.events.threads import in_thread
from outreach.web.public.pages import render_page
from outreach.web.tracking.seen import JUDGED, LONGEST_TOLD, Seen, see
from outreach.web.tracking.wire import Answer, Receive, Scope, Send, address_of, headers_of, read_start, respond

logger = logging.getLogger(__name__)

#: A transparent picture of one pixel.
PIXEL: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
#: What RFC 8058, section 3.1 has the mail program post.
ONE_CLICK: Final = b"List-Unsubscribe=One-Click"
#: Links whose address is kept in memory.
KNOWN_LINKS: Final = 10_000
#: Requests whose meaning is kept in memory.
REMEMBERED: Final = 4096
#: What a program gets that followed the link which no reader sees; a person would only come by it from the source text.
NOTHING: Final = Answer(
    headers={"content-type": "text/plain; charset=utf-8"},
    body="Тук няма нищо: тази връзка различава програмите от хората.\n"
    "Nothing is here: this link tells programs from people.\n".encode(),
)
PICTURE: Final = Answer(headers={"content-type": "image/gif"}, body=PIXEL)

_DATABASE_AWAY: Final = (OperationalError, InterfaceError)


class Tracker:
    """The bare endpoints of one process."""

    def __init__(self, ingest: Ingest | None = None) -> None:
        self.ingest = ingest or Ingest(journal_folder(), opt_out=_opt_out_later, notice=evidence.take_signs_of_life)
        #: The answer to a click on a link, or what to make one of; one that cannot be found is looked for again.
        self._links: OrderedDict[tuple[int, str, str, int], Answer | Target] = OrderedDict()
        self._see = lru_cache(maxsize=REMEMBERED)(see)

    async def open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/o/TOKEN`: count an open, answer the pixel; also to a token that is not ours."""
        if seen := self._seen(scope, TokenKind.OPEN):
            await self._count(seen)
        await respond(scope, send, PICTURE)

    async def click(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/c/TOKEN`: count a click, redirect to the address that stood in the message; else a page that explains."""
        seen = self._seen(scope, TokenKind.CLICK)
        if seen and seen.is_honeypot:
            await self._count(seen)
            await respond(scope, send, NOTHING)
            return
        try:
            answer = await self._answer_to(seen.token, scope) if seen else None
        except _DATABASE_AWAY:
            if seen:
                await self._count(seen)
            await respond(scope, send, await _page(scope, "link_later", status=503))
            return
        if seen is None or answer is None:
            await respond(scope, send, await _page(scope, "link_unknown", status=404))
            return
        await self._count(seen)
        await respond(scope, send, _own_view(scope) or answer)

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

    def _seen(self, scope: Scope, kind: TokenKind) -> Seen | None:
        told = tuple([(name, value[:LONGEST_TOLD]) for name, value in scope["headers"] if name in JUDGED])
        return self._see(_token_text(scope), kind, scope["method"], told, is_hosted(address_of(scope)))

    async def _count(self, seen: Seen) -> None:
        try:
            await self.ingest.take(seen.happening.again())
        except OSError:
            # Neither database nor disk: the reader still gets what he asked for, and the log has said it.
            logger.warning("an event is lost", extra={"action": "tracking.lost", "run": seen.token.run})

    async def _answer_to(self, token: Token, scope: Scope) -> Answer | None:
        key = (token.run, token.channel, token.language, token.link)
        if key in self._links:
            self._links.move_to_end(key)
            return _answer(self._links[key], scope)
        target = await in_thread(lambda: _look_up(token))
        if target is None:
            return None
        self._links[key] = known = target if target.parameter else _redirect(target.url)
        if len(self._links) > KNOWN_LINKS:
            self._links.popitem(last=False)
        return _answer(known, scope)


def _answer(known: Answer | Target, scope: Scope) -> Answer:
    """The same for everybody, unless the service asks for the click's token."""
    return known if isinstance(known, Answer) else _redirect(known.for_click(_token_text(scope)))


def _redirect(url: str) -> Answer:
    return Answer(status=302, headers={"location": _quoted(url)})


def _own_view(scope: Scope) -> Answer | None:
    """Where a link of a digest leads: its reader's own message, if a token of ours for one stands behind the link."""
    query = str(scope.get("query_string", b""), "latin-1")
    text = query.removeprefix(OWN_VIEW[1:])
    if text == query or tokens.read(text, TokenKind.VIEW) is None:
        return None
    return Answer(status=302, headers={"location": f"{settings.BASE_URL}/v/{text}"})


_PLAIN: Final = {"content-type": "text/plain; charset=utf-8"}
_PAGE: Final = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'",
}


def _look_up(token: Token) -> Target | None:
    try:
        target = links.target_of(token)
    except OutreachError:
        logger.warning("a link cannot be found again", extra={"action": "tracking.link", "run": token.run})
        return None
    return target if target and target.url.startswith(("http://", "https://")) else None


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
