"""Runs the local peers together in one process, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from types import FrameType

from outreach.sandbox.imap import ImapPeer
from outreach.sandbox.mailbox import Mailbox
from outreach.sandbox.phone import PhonePeer
from outreach.sandbox.sendgrid_peer import SendGridPeer
from outreach.sandbox.social import SocialPeer
from outreach.sandbox.store import MessageStore


def serve(
    *,
    database_url: str,
    smtp_port: int,
    phone_port: int,
    social_port: int,
    sendgrid_port: int,
    imap_port: int | None = None,
    stop: threading.Event | None = None,
    base_url: str = "",
) -> None:
    """Serve on these ports of 127.0.0.1 until `stop` is set, or SIGTERM or SIGINT comes where there is none.

    Without an `imap_port` nobody can read the mailbox over IMAP. `base_url` is the product's own address, which the
    phone's status call-backs may go to beside loopback.

    Raises:
        OSError: a port is taken.
    """
    stop = stop or _stop_on_signals()
    with ExitStack() as running:
        store = running.enter_context(MessageStore(database_url))
        running.enter_context(Mailbox(smtp_port, store))
        if imap_port is not None:
            running.enter_context(ImapPeer(imap_port, store))
        running.enter_context(PhonePeer(phone_port, store, base_url=base_url))
        running.enter_context(SocialPeer(social_port, store))
        running.enter_context(SendGridPeer(sendgrid_port, store))
        stop.wait()


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop
