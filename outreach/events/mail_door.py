"""SMTP and LMTP for mail that comes to us: kept before it is confirmed, and nobody else's mail is taken.

Whatever is refused is refused within the conversation, so that no message of ours ever answers a forged sender, and
nothing is handed on to anybody.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, AnyStr, Final, TypeVar

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections

from outreach.events.mail_data import begin_data, read_data
from outreach.events.reception import Mailboxes, receive

logger = logging.getLogger(__name__)

#: Recipients of one message (RFC 5321, 4.5.3.1.8, asks for a hundred).
MOST_RECIPIENTS: Final = 100
#: Unknown recipients after which a conversation ends: somebody guesses.
MOST_UNKNOWN: Final = 10
#: Connections at once, in all and from one address.
MOST_CONNECTIONS: Final = 200
MOST_OF_ONE: Final = 20
#: Seconds of silence after which a conversation ends.
SILENCE: Final = 60.0
#: Octets that a conversation holds unread.
PIECE: Final = 64 * 1024
#: Messages that are taken in at once.
THREADS: Final = 4

_TOO_LARGE: Final = "552 5.3.4 The message is too large"
_AWAY: Final = "451 4.3.0 Cannot be kept just now, try again"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one peer may do."""

    #: Octets of a message.
    largest: int
    #: Messages from one address in a minute; 0 for no limit.
    per_minute: int


@dataclass(kw_only=True)
class Doorkeeper:
    """Counts connections, and messages of the last minute, by the peer's address."""

    bounds: Bounds
    clock: Callable[[], float] = monotonic
    _open: Counter[str] = field(default_factory=Counter)
    _lately: dict[str, deque[float]] = field(default_factory=dict)

    def lets_in(self, peer: str) -> bool:
        """Whether one more connection is taken; each that was has to be told of with `left`."""
        if self._open.total() >= MOST_CONNECTIONS or self._open[peer] >= MOST_OF_ONE:
            return False
        self._open[peer] += 1
        return True

    def left(self, peer: str) -> None:
        self._open[peer] -= 1
        if self._open[peer] <= 0:
            del self._open[peer]

    def lets_write(self, peer: str) -> bool:
        """Whether one more message is taken now; counts it."""
        now = self.clock()
        for old in [name for name, moments in self._lately.items() if moments[-1] <= now - 60]:
            del self._lately[old]
        moments = self._lately.setdefault(peer, deque())
        while moments and moments[0] <= now - 60:
            moments.popleft()
        if self.bounds.per_minute and len(moments) >= self.bounds.per_minute:
            return False
        moments.append(now)
        return True


class Handler:
    """What is answered at each step; blocking work is done by threads."""

    def __init__(self, keeper: Doorkeeper) -> None:
        self.keeper = keeper
        self._mailboxes = Mailboxes()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mail")

    async def handle_MAIL(  # noqa: N802 -- its name in aiosmtpd, as those below
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self.keeper.lets_write(_peer(session)):
            return "451 4.7.1 Too many messages, come back in a minute"
        envelope.mail_from, envelope.mail_options = address, options
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        if getattr(session, "strangers", 0) >= MOST_UNKNOWN:
            return "421 4.7.0 Too many unknown recipients"
        try:
            account = await self._apart(lambda: self._mailboxes.account_for(address))
        except DatabaseTrouble:
            logger.exception("addresses cannot be read", extra={"action": "mail.recipient"})
            return _AWAY
        if account is None:
            session.strangers = getattr(session, "strangers", 0) + 1  # type: ignore[attr-defined] # its own notes
            return "550 5.1.1 There is no such mailbox here"
        envelope.rcpt_tos.append(address)
        envelope.accounts = {**getattr(envelope, "accounts", {}), address: account}  # type: ignore[attr-defined] # ours
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content, sender = envelope.original_content or b"", (envelope.mail_from or "").strip("<>")
        accounts = envelope.accounts  # type: ignore[attr-defined] # ours
        try:
            await self._apart(lambda: receive(content, sender, accounts))
        except DatabaseTrouble:
            logger.exception("a message cannot be kept", extra={"action": "mail.take"})
            return _AWAY
        return "250 2.0.0 Kept"

    async def _apart(self, work: Callable[[], T]) -> T:
        """Let a thread do it, with a database connection of its own."""

        def do() -> T:
            close_old_connections()
            try:
                return work()
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._threads, do)


def _peer(session: Session) -> str:
    """The address of who speaks to us; one word for all who come by a socket of this machine."""
    return str((session.peer or ("local",))[0])


class SmtpDoor(SMTP):
    """One conversation with a mail server, which the doorkeeper knows of."""

    line_length_limit = PIECE
    _guest = ""

    def __init__(self, handler: Handler, **settings: Any) -> None:
        self._keeper = handler.keeper
        super().__init__(handler, **settings)

    def connection_made(self, transport: Any) -> None:
        peer = str((transport.get_extra_info("peername") or ("local",))[0])
        is_second = transport.get_extra_info("sslcontext") is not None  # the same conversation, encrypted from now on
        if not is_second and not self._keeper.lets_in(peer):
            transport.write(b"421 4.7.0 Too many connections\r\n")
            transport.close()
            return
        self._guest = self._guest or peer
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._guest:
            self._keeper.left(self._guest)
            self._guest = ""
            super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 -- its name in aiosmtpd
        """As there, but bounded in memory whatever comes, and as slow as the peer likes as long as something comes."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if arg or not self.envelope or not self.envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Name a recipient first")
            return
        begin_data(self._reader)
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await read_data(self._reader, largest=self.data_size_limit or 0, note=self._reset_timeout)
        self.envelope.original_content = content
        status = _TOO_LARGE if content is None else str(await self._call_handler_hook("DATA"))
        self._set_post_data_state()  # type: ignore[no-untyped-call] # has no types there
        await self.push(status)


class LmtpDoor(SmtpDoor, LMTP):
    """One conversation with a mail server of one's own house (RFC 2033): an answer for each recipient."""

    _recipients = 0

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        self._recipients = len(self.envelope.rcpt_tos) if self.envelope else 0
        try:
            await super().smtp_DATA(arg)
        finally:
            self._recipients = 0

    async def push(self, status: AnyStr) -> None:
        is_last = self._recipients and not status.startswith("354" if isinstance(status, str) else b"354")
        for _ in range(self._recipients if is_last else 1):
            await super().push(status)


def opening(
    protocol: str, handler: Handler, *, hostname: str, tls: ssl.SSLContext | None = None
) -> Callable[[], asyncio.Protocol]:
    """What makes the conversations of one address that is listened to; `protocol` is `smtp` or `lmtp`.

    All addresses share the handler, so that a peer may do no more at two of them than at one.
    """
    door = LmtpDoor if protocol == "lmtp" else SmtpDoor

    def make() -> asyncio.Protocol:
        return door(
            handler,
            data_size_limit=handler.keeper.bounds.largest,
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident="Outreach",
            tls_context=tls,
            timeout=SILENCE,
            loop=asyncio.get_running_loop(),
        )

    return make
