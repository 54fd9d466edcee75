"""Reading an account's inbound mailbox over IMAP, each message once; where the reading stands is kept by the caller.

Messages stay where they are and unread: people may use the mailbox too.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from imap_tools import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted

from channels.certificates import trust_besides
from outreach.core.errors import OutreachError

#: Seconds that the server may take for one answer.
PATIENCE: Final = 20.0
#: Messages taken in one visit; the next visit goes on.
MOST_AT_ONCE: Final = 500
#: Larger ones are passed over: a reply with attachments of this size is no reply to read.
LARGEST: Final = 25 * 1024 * 1024

_ENCRYPTED: Final[Mapping[str, type[Any]]] = {"tls": MailBox, "starttls": MailBoxStartTls}
_PORTS: Final = {"tls": 993, "starttls": 143, "none": 143}


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where the reading stands: all up to `uid` were read, as long as the mailbox keeps its `validity`."""

    validity: int = 0
    uid: int = 0


def read_mailbox(settings: Mapping[str, Any], position: Position) -> Iterator[tuple[Position, bytes]]:
    """Yield messages that came after `position`, oldest first, each with the position behind it.

    A mailbox that was made anew is read from its beginning: who takes the messages knows those that he had.

    Raises:
        OSError, imaplib.IMAP4.error, imap_tools.errors.ImapToolsError: the server does not answer or refuses us, or its
            certificate is not to be trusted.
        OutreachError: it cannot be reached with these settings at all.
    """
    folder = str(settings.get("folder") or "INBOX")
    with _logged_in(settings) as box:
        box.folder.set(folder, readonly=True)
        validity = _validity(box)
        last = position.uid if validity == position.validity else 0
        # `n:*` always names the newest message, also where it is older than n.
        fresh = sorted(uid for uid in map(int, box.uids(f"UID {last + 1}:*")) if uid > last)
        for uid in fresh[:MOST_AT_ONCE]:
            yield Position(validity=validity, uid=uid), _fetch(box, uid)


@contextmanager
def _logged_in(settings: Mapping[str, Any]) -> Iterator[BaseMailBox]:
    try:
        box = _connect(settings)
    except ValueError as err:  # such as STARTTLS on the port where TLS begins with the first byte
        raise OutreachError(str(err)) from err
    username, password = str(settings.get("username") or ""), str(settings.get("password") or "")
    try:
        # LOGIN carries ASCII only (RFC 3501); AUTHENTICATE PLAIN any name and password (RFC 4616).
        log_in = box.login if f"{username}{password}".isascii() else box.login_utf8
        log_in(username, password, initial_folder=None)
    except BaseException:
        box.client.shutdown()
        raise
    with box:
        yield box


def _connect(settings: Mapping[str, Any]) -> BaseMailBox:
    security = str(settings.get("security") or "tls")
    host, port = str(settings["host"]), int(settings.get("port") or _PORTS[security])
    if security == "none":
        return MailBoxUnencrypted(host, port=port, timeout=PATIENCE)
    box: BaseMailBox = _ENCRYPTED[security](host, port=port, timeout=PATIENCE, ssl_context=_context(settings))
    return box


def _context(settings: Mapping[str, Any]) -> ssl.SSLContext:
    """One that verifies: what the standard library takes where it is given none does not."""
    context = ssl.create_default_context()
    trust_besides(context, str(settings.get("trusted") or ""))
    return context


def _validity(box: BaseMailBox) -> int:
    """What the server said when the folder was opened (RFC 3501, section 2.3.1.1); 0 where it says nothing."""
    told = box.client.response("UIDVALIDITY")[1]
    return int(told[-1]) if told and told[-1] else 0


def _fetch(box: BaseMailBox, uid: int) -> bytes:
    """The message as it lies there, without marking it as read; b'' for one that is too large or just went."""
    _, answer = box.client.uid("FETCH", str(uid), f"(BODY.PEEK[]<0.{LARGEST}>)")
    return next((piece[1] for piece in answer or [] if isinstance(piece, tuple)), b"")
