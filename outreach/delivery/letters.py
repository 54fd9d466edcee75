"""What makes a rendered text an e-mail: its deterministic id and the headers that let people and machines stop it."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any, Final
from urllib.parse import quote, urlsplit

from channels.base import Part, UnsupportedContent
from channels.mime import Skeleton
from outreach.core.secrets import stamp
from outreach.delivery.compile import CompiledContent
from outreach.delivery.parts import parts_of

LONGEST_SUBJECT: Final = 900
#: What begins the subject of a mail that a program writes to unsubscribe; the Message-ID of ours follows.
UNSUBSCRIBE: Final = "unsubscribe:"
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,290}>")


def as_subject(text: str) -> str:
    """One line: whatever a person's data holds, no line end and no control character reaches a header."""
    printable = text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:LONGEST_SUBJECT]


def signature_of(public_id: str) -> str:
    """What makes a Message-ID one of ours: 16 hexadecimal digits."""
    return stamp("message-id").digest(public_id.encode())[:8].hex()


@dataclass(frozen=True, kw_only=True)
class Letterhead:
    """The part of an e-mail's headers that all messages of one content share."""

    run_id: int
    sender: str
    reply_to: str
    #: Domain of the Message-ID.
    host: str
    fixed: tuple[tuple[str, str], ...]
    #: Whether the account lets messages carry `X-Outreach-Delivery`.
    names_delivery: bool
    #: What goes with the texts: an entry for the calendar, pictures.
    parts: tuple[Part, ...] = ()
    #: Whether the message came by a topic, which the recipient can leave; a notice did not.
    has_way_out: bool = True
    #: For accounts that take the whole message ready made; None for those that assemble it themselves.
    skeleton: Skeleton | None

    def message_id(self, public_id: str) -> str:
        """The same for the same delivery, however often it is handed over."""
        return f"{public_id}.{signature_of(public_id)}@{self.host}"

    def header_lines(self, message_id: str, unsubscribe_url: str) -> bytes:
        """The Message-ID and `headers` as they stand in a message: plain ASCII of our own making."""
        return (self._lines % {"message_id": message_id, "url": unsubscribe_url}).encode()

    @functools.cached_property
    def _lines(self) -> str:
        own = (("Message-ID", "<%(message_id)s>"), *self.headers("%(url)s", "%(message_id)s"))
        return "".join([f"{name}: {value}\r\n" for name, value in own])

    @functools.cached_property
    def _mailbox(self) -> str:
        """Where people may write to leave, as a URI holds it; '' where nobody reads answers, or it needs escapes."""
        address = parseaddr(self.reply_to)[1]
        return address if address == quote(address, safe="@+") else ""

    def headers(self, unsubscribe_url: str, message_id: str) -> tuple[tuple[str, str], ...]:
        """Headers of one message that are not in `fixed`."""
        # For programs that know RFC 2369 alone; the signed id makes the mail that they write unmistakable.
        by_mail = f", <mailto:{self._mailbox}?subject={UNSUBSCRIBE}{message_id}>" if self._mailbox else ""
        way_out = (
            ("List-Unsubscribe", f"<{unsubscribe_url}>{by_mail}"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        )
        own = way_out if self.has_way_out else ()
        # The signed id whole: a bare number could be made up, and relays may give the message another Message-ID.
        return (*own, ("X-Outreach-Delivery", message_id)) if self.names_delivery else own


def thread_headers(data: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Of an answer: the message that it answers, so that mail programs show both together."""
    answered = str((data or {}).get("in_reply_to", ""))
    if not _MESSAGE_ID.fullmatch(answered):
        return ()
    return ("In-Reply-To", answered), ("References", answered)


def letterhead(
    frozen: Mapping[str, Any], *, run_id: int, base_url: str, sender: Mapping[str, Any], compiled: CompiledContent
) -> Letterhead:
    """The letterhead of a content, from the run's frozen plan and the facts of its account."""
    language = compiled.source.language
    address = str(sender.get("sender", ""))
    host = parseaddr(address)[1].rpartition("@")[2] or urlsplit(base_url).hostname or "localhost"
    host = host.encode("idna").decode() if not host.isascii() else host
    fixed = _fixed_headers(frozen, run_id=run_id, host=host)
    reply_to = str(sender.get("reply_address", ""))
    parts = parts_of(compiled, frozen, host=host, organiser=reply_to or address)
    return Letterhead(
        run_id=run_id,
        sender=address,
        reply_to=reply_to,
        host=host,
        fixed=fixed,
        parts=parts,
        names_delivery=bool(sender.get("delivery_header", True)),
        has_way_out="notice" not in frozen,
        skeleton=_skeleton(sender, reply_to, language, fixed, parts),
    )


def _fixed_headers(frozen: Mapping[str, Any], *, run_id: int, host: str) -> tuple[tuple[str, str], ...]:
    organisation = frozen["organisation"]["slug"]
    if frozen.get("notice", {}).get("confirms") == "answer":  # a person wrote it, to one who waits for it
        return (("Feedback-ID", f"{run_id}:answer:{organisation}:outreach"),)
    if "notice" in frozen:
        return ("Auto-Submitted", "auto-generated"), ("Feedback-ID", f"{run_id}:notice:{organisation}:outreach")
    list_name = next(iter(frozen.get("topic_slugs", {}).values()), "news")
    return (
        ("List-Id", f"<{list_name}.{organisation}.{host}>"),
        # RFC 3834: keeps holiday replies away from us.
        ("Precedence", "bulk"),
        ("Auto-Submitted", "auto-generated"),
        ("Feedback-ID", f"{run_id}:{frozen['campaign']['id']}:{organisation}:outreach"),
    )


def _skeleton(
    sender: Mapping[str, Any],
    reply_to: str,
    language: str,
    fixed: tuple[tuple[str, str], ...],
    parts: tuple[Part, ...],
) -> Skeleton | None:
    if sender.get("adapter") != "smtp" or not sender.get("sender"):
        return None
    try:
        return Skeleton(sender=str(sender["sender"]), reply_to=reply_to, language=language, headers=fixed, parts=parts)
    except UnsupportedContent:
        return None
