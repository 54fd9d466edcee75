"""One inbound message of any channel, and what an e-mail says of itself; nothing is asked of the database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final

from outreach.core import clock
from outreach.core.vocabulary import Channel, ReplyKind
from outreach.events import mail
from outreach.events.enclosures import Enclosure, enclosures_of, html_of
from outreach.events.keywords import asks_to_stop
from outreach.events.letters import header, sender_of
from outreach.events.matching import Match

#: A letter of an earlier one has a wrong clock, or a sender who wants to be the first of every list.
_FIRST_YEAR: Final = 1990


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """One inbound message of any channel."""

    #: The provider's or mailbox's id: unique in the account.
    external_id: str
    channel: str
    sender: str
    text: str
    kind: ReplyKind = ReplyKind.REPLY
    subject: str = ""
    received_at: datetime = field(default_factory=clock.now)
    source: str = ""
    match: Match | None = None
    #: Of an e-mail: its own Message-ID, its layout, its files.
    message_id: str = ""
    html: str = ""
    enclosures: tuple[Enclosure, ...] = ()
    #: What was made of an e-mail.
    reading: mail.Reading | None = None
    #: Whether the provider confirmed a STOP, START or HELP by itself.
    is_answered: bool = False


def understand(message: Message, content: bytes) -> Inbound:
    """Everything that the message itself says."""
    reading = mail.read(message)
    kind, subject = reading.kind, header(message, "Subject")
    if kind == ReplyKind.REPLY and asks_to_stop(subject, reading.text):
        kind = ReplyKind.STOP
    is_personal = kind in {ReplyKind.REPLY, ReplyKind.STOP}
    return Inbound(
        external_id=identify(message, content),
        channel=Channel.EMAIL,
        sender=sender_of(message),
        subject=subject,
        text=reading.text,
        kind=kind,
        received_at=_date_of(message),
        source="mail",
        message_id=header(message, "Message-ID"),
        html=html_of(message) if is_personal else "",
        enclosures=tuple(enclosures_of(message)) if is_personal else (),
        reading=reading,
    )


def unread(content: bytes) -> Inbound:
    """One of which nothing could be made, but that it came."""
    return Inbound(
        external_id=hashlib.sha256(content).hexdigest(),
        channel=Channel.EMAIL,
        sender="",
        text="",
        kind=ReplyKind.OTHER,
        source="mail",
    )


def identify(message: Message, content: bytes) -> str:
    """The same for the same message, by whichever way it came in and however often."""
    parts = [str(message.get(name, "")) for name in ("Message-ID", "Date", "From", "Subject")]
    body = content.partition(b"\n\n")[2] or content.partition(b"\r\n\r\n")[2]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace") + body.strip()).hexdigest()


def _date_of(message: Message) -> datetime:
    """When it came, by our own clock where its date is none, in the future, or older than e-mail as we know it."""
    try:
        said = parsedate_to_datetime(str(message.get("Date", "")))
    except (TypeError, ValueError, IndexError):
        return clock.now()
    return said if said.tzinfo and said.year >= _FIRST_YEAR and said <= clock.now() else clock.now()
