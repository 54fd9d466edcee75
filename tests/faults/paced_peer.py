"""An SMTP peer that takes its time, so that faults strike in mid-blast, and says when it has taken so many messages."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.channels.smtp_peer import Dialogue, MailServer

DELIVERY: Final = re.compile(rb"^X-Outreach-Delivery: *(\d+-\d+)", re.MULTILINE | re.IGNORECASE)


@dataclass(kw_only=True)
class PacedPeer(MailServer):
    """A MailServer whose every message takes `pace` seconds on its connection; `messages` is its record."""

    pace: float = 0.01

    def __post_init__(self) -> None:
        #: Closed: messages are taken, and answered when it opens.
        self.gate = threading.Event()
        self.gate.set()
        self._idle = threading.Event()
        #: `RUN-ID`s of the first of `messages`.
        self._read: list[str] = []
        super().__post_init__()

    def dialogue(self, opened: socket.socket) -> Dialogue:
        return _PacedDialogue(self, opened)

    def stop(self) -> None:
        self.gate.set()
        self._idle.set()
        super().stop()

    def take_time(self) -> None:
        """What a message costs."""
        self._idle.wait(self.pace)
        self.gate.wait()

    def taken(self, run: int) -> list[str]:
        """`RUN-ID` of each message that was completed here, of one run."""
        for _, content in self.messages[len(self._read) :]:
            match = DELIVERY.search(content)
            self._read.append(match[1].decode() if match else "")
        return [id_ for id_ in self._read if id_.startswith(f"{run}-")]


class _PacedDialogue(Dialogue):
    def _say(self, reply: str) -> bool:
        if reply.startswith("250 2.0.0"):
            assert isinstance(self._server, PacedPeer)
            self._server.take_time()
        return super()._say(reply)


@contextmanager
def paced_peer(*, pace: float = 0.01) -> Iterator[PacedPeer]:
    peer = PacedPeer(pace=pace)
    try:
        yield peer
    finally:
        peer.stop()
