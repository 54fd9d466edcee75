"""Being told by a mailbox that something came (RFC 2177), on a connection for each folder; nothing is read here."""

from __future__ import annotations

import select
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from imaplib import IMAP4
from typing import Any

from imap_tools import BaseMailBox, ImapToolsError

from outreach.events.mailbox import capabilities_of, folders_of, logged_in


class CannotIdle(Exception):
    """The server does not tell by itself when something comes: it has to be asked."""


@contextmanager
def idling(mailboxes: Iterable[Mapping[str, Any]], *, allow_private: Iterable[str] = ()) -> Iterator[list[BaseMailBox]]:
    """Connections that wait in every folder of these mailboxes.

    Raises:
        CannotIdle: one of the servers does not offer it.
        Beside that, what `mailbox.read_mailbox` raises.
    """
    with ExitStack() as stack:
        boxes = []
        for mailbox in mailboxes:
            for folder in folders_of(mailbox):
                box = stack.enter_context(logged_in(mailbox, tuple(allow_private)))
                if b"IDLE" not in capabilities_of(box):
                    raise CannotIdle
                box.folder.set(folder, readonly=True)
                _idle(box).start()
                stack.callback(_stop, box)
                boxes.append(box)
        yield boxes


def wait_for_news(boxes: Sequence[BaseMailBox], *, seconds: float) -> bool:
    """Wait until one of the folders tells of a new message; False where none did in this time.

    Raises:
        OSError, imaplib.IMAP4.error: a server is gone.
    """
    poller = select.poll()
    by_number = {box.client.socket().fileno(): box for box in boxes}
    for number in by_number:
        poller.register(number, select.POLLIN)
    told = [_has_news(by_number[number]) for number, _event in poller.poll(seconds * 1000)]
    return any(told)


def renew(boxes: Iterable[BaseMailBox]) -> None:
    """Begin to wait anew: servers end a wait of half an hour, and only an answer shows that they are still there."""
    for box in boxes:
        _idle(box).stop()
        _idle(box).start()


def _has_news(box: BaseMailBox) -> bool:
    told: list[bytes] = _idle(box).poll(timeout=0)
    if not told:  # the server closed the connection, or its encryption said something of its own
        renew([box])
        return True
    return any(b"EXISTS" in line for line in told)


def _idle(box: BaseMailBox) -> Any:
    """Its part that waits, which has no types."""
    return box.idle


def _stop(box: BaseMailBox) -> None:
    try:
        _idle(box).stop()
    except (OSError, IMAP4.error, ImapToolsError):
        box.client.shutdown()  # it is gone, and so is the log-out
