"""The local mailbox: takes any e-mail over SMTP, keeps it, and refuses the addresses that tests and demonstrations
use for it: `bounce…` and `refused…` do not exist, `later…` is busy the first time.
"""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from typing import Final, Self

import psycopg
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from outreach.core.vocabulary import Channel
from outreach.sandbox.listener import LOOPBACK
from outreach.sandbox.store import Arrival, MessageStore

NO_SUCH_MAILBOX: Final = ("bounce", "refused")
BUSY_AT_FIRST: Final = "later"
_LARGEST_MESSAGE: Final = 32 << 20


class Mailbox:
    """An SMTP server on a port of loopback; a context manager."""

    def __init__(self, port: int, store: MessageStore) -> None:
        self._controller = Controller(
            _Handler(store),
            hostname=LOOPBACK,
            port=port,
            ready_timeout=20,
            data_size_limit=_LARGEST_MESSAGE,
            enable_SMTPUTF8=True,
            ident="Outreach sandbox",
        )

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class _Handler:
    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._asked_before: set[str] = set()

    async def handle_EHLO(  # noqa: N802 -- the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        # Commands are read from one stream in order, so those that come ahead of our answers are kept.
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", *responses[-1:]]

    async def handle_RCPT(  # noqa: N802 -- the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        local = address.partition("@")[0].lower()
        if local.startswith(NO_SUCH_MAILBOX):
            return f"550 5.1.1 <{address}>: there is no such mailbox"
        if local.startswith(BUSY_AT_FIRST) and address not in self._asked_before:
            self._asked_before.add(address)
            return f"450 4.2.1 <{address}>: the mailbox is busy, try again later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 -- the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        arrivals = read_mail(content, sender=envelope.mail_from or "", recipients=envelope.rcpt_tos)
        try:
            await asyncio.wrap_future(self._store.keep(*arrivals))
        except psycopg.Error:
            return "451 4.3.0 The message could not be kept, try again later"
        return "250 2.0.0 Kept"


def read_mail(content: bytes, *, sender: str, recipients: list[str]) -> list[Arrival]:
    """The message once for each recipient of its envelope."""
    message = message_from_bytes(content)
    subject, body = find_header(message, "Subject"), _find_text(message)
    message_id = find_header(message, "Message-ID").strip("<> \t\r\n")
    return [
        Arrival(
            channel=Channel.EMAIL.value,
            recipient=recipient,
            sender=sender,
            subject=subject,
            body=body,
            raw=content,
            provider_id=message_id,
        )
        for recipient in recipients
    ]


def find_header(message: Message, name: str) -> str:
    """The first header of this name as people read it: encoded words and bare UTF-8 alike; '' where there is none."""
    for found, value in message.raw_items():
        if found.lower() == name.lower():
            return _decode_words(str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return ""


def _decode_words(text: str) -> str:
    """As it stands where it was encoded wrongly."""
    try:
        return str(make_header(decode_header(text))) if "=?" in text else " ".join(text.split())
    except (HeaderParseError, UnicodeError, LookupError, ValueError):
        return text


def find_part(message: Message, content_type: str) -> str:
    """The text of the first part of this type; '' where there is none."""
    for part in message.walk():
        if part.get_content_type() == content_type:
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                return _decode(payload, part.get_content_charset() or "utf-8")
    return ""


def _find_text(message: Message) -> str:
    return find_part(message, "text/plain") or find_part(message, "text/html")


def _decode(payload: bytes, charset: str) -> str:
    try:
        return payload.decode(charset, "replace")
    except LookupError:
        return payload.decode("utf-8", "replace")
