"""Reading an account's inbound mailbox over IMAP, each message once; where the reading stands is kept by the caller.

Messages stay where they are and unread: people may use the mailbox too.
"""

from __future__ import annotations

import imaplib
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from imap_tools import BaseMailBox

from channels.addresses import connect_to
from channels.certificates import trust_besides
from outreach.core.errors import OutreachError

#: Seconds that the server may take for one answer.
PATIENCE: Final = 20.0
#: Messages taken in one visit; the next visit goes on.
MOST_AT_ONCE: Final = 500
#: Of a larger one the beginning is read: the author's words stand there, and the files behind them are not kept.
LARGEST: Final = 25 * 1024 * 1024

_PORTS: Final = {"tls": 993, "starttls": 143, "none": 143}


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where the reading stands: all up to `uid` were read, as long as the mailbox keeps its `validity`."""

    validity: int = 0
    uid: int = 0
    #: HIGHESTMODSEQ of a mailbox of which nothing was left to be read (RFC 7162); 0 where the server tells none.
    modseq: int = 0


def folders_of(settings: Mapping[str, Any]) -> list[str]:
    """The folders of a mailbox that are read, as its settings name them."""
    return [name.strip() for name in str(settings.get("folder") or "").split(",") if name.strip()] or ["INBOX"]


def read_mailbox(
    settings: Mapping[str, Any], position: Position, *, folder: str, allow_private: Iterable[str] = ()
) -> Iterator[tuple[Position, bytes]]:
    """Yield a folder's messages that came after `position`, oldest first, each with the position behind it.

    One that a person took away meanwhile is b''. A folder that was made anew is read from its beginning: who takes the
    messages knows those that he had. What the server does not hand out is not passed over: the reading ends there.

    Raises:
        ChannelError: the server's address is one of a private network that is not in `allow_private`, or is silent.
        OSError, imaplib.IMAP4.error, imap_tools.errors.ImapToolsError: the server does not answer or refuses us, or its
            certificate is not to be trusted.
        OutreachError: it cannot be reached with these settings at all.
    """
    with logged_in(settings, tuple(allow_private)) as box:
        if {b"ENABLE", b"CONDSTORE"} <= capabilities_of(box):
            box.client.enable("CONDSTORE")  # some tell HIGHESTMODSEQ only then
        box.folder.set(folder, readonly=True)
        validity, modseq = _told(box, "UIDVALIDITY"), _told(box, "HIGHESTMODSEQ")
        is_known = validity == position.validity
        if is_known and modseq and modseq == position.modseq:
            return
        last = position.uid if is_known else 0
        # `n:*` always names the newest message, also where it is older than n.
        fresh = sorted(uid for uid in map(int, box.uids(f"UID {last + 1}:*")) if uid > last)
        for uid in fresh[:MOST_AT_ONCE]:
            is_last = uid == fresh[-1]
            yield Position(validity=validity, uid=uid, modseq=modseq if is_last else 0), _fetch(box, uid)


class _Client(imaplib.IMAP4):
    """Connects to where the guard of outgoing connections lets it."""

    def __init__(self, host: str, port: int, allow_private: tuple[str, ...]) -> None:
        self._allow_private = allow_private
        super().__init__(host, port, PATIENCE)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return connect_to(self.host, self.port, self._allow_private, seconds=timeout or PATIENCE)


class _TlsClient(_Client):
    """Speaks TLS from the first byte."""

    def __init__(self, host: str, port: int, allow_private: tuple[str, ...], context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(host, port, allow_private)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = super()._create_socket(timeout)
        try:
            return self._context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


class _Box(BaseMailBox):
    """A mailbox over a connection that is there already."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._connected = client
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return self._connected


@contextmanager
def logged_in(settings: Mapping[str, Any], allow_private: tuple[str, ...]) -> Iterator[BaseMailBox]:
    """A mailbox over a connection of its own, which is closed behind it. Raises as `read_mailbox` does."""
    box = _Box(_connect(settings, allow_private))
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


def _connect(settings: Mapping[str, Any], allow_private: tuple[str, ...]) -> imaplib.IMAP4:
    security = str(settings.get("security") or "tls")
    host, port = str(settings["host"]), int(settings.get("port") or _PORTS[security])
    if security == "tls":
        return _TlsClient(host, port, allow_private, _context(settings))
    if security == "starttls" and port == _PORTS["tls"]:
        raise OutreachError("Port 993 speaks TLS from the first byte, not STARTTLS.")
    client = _Client(host, port, allow_private)
    if security == "starttls":
        try:
            client.starttls(_context(settings))
        except BaseException:
            with suppress(OSError):  # the handshake may have closed it
                client.shutdown()
            raise
    return client


def _context(settings: Mapping[str, Any]) -> ssl.SSLContext:
    """One that verifies: what the standard library takes where it is given none does not."""
    context = ssl.create_default_context()
    trust_besides(context, str(settings.get("trusted") or ""))
    return context


def capabilities_of(box: BaseMailBox) -> set[bytes]:
    """What the server offers to who is logged in."""
    told: list[bytes] = box.client.capability()[1]
    return set(told[-1].upper().split())


def _told(box: BaseMailBox, name: str) -> int:
    """A number that the server said when the folder was opened (RFC 3501, 2.3.1.1; RFC 7162, 3.1.2); 0 where none."""
    told = box.client.response(name)[1]
    return int(told[-1]) if told and told[-1] else 0


def _fetch(box: BaseMailBox, uid: int) -> bytes:
    """The message as it lies there, without marking it as read; b'' for one that just went."""
    _, answer = box.client.uid("FETCH", str(uid), f"(BODY.PEEK[]<0.{LARGEST}>)")
    content = next((piece[1] for piece in answer or [] if isinstance(piece, tuple)), None)
    if content is None and str(uid) in box.uids(f"UID {uid}"):
        raise imaplib.IMAP4.error(f"The mailbox does not hand out message {uid}: {answer!r}")
    return content or b""
