"""An SMTP peer that misbehaves by plan, and writes down what it took and whom it left without an answer.

What happens to a recipient's n-th message is drawn from (seed, recipient, n), so a seed repeats it however the
connections are scheduled. A plan is data: `Fault(step="END", reply=STALL, share=0.02)`.
"""

from __future__ import annotations

import random
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.channels.smtp_peer import DROP, STALL, Dialogue, MailServer

DELIVERY: Final = re.compile(rb"^X-Outreach-Delivery: *(\d+-\d+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong at one step, for some of those who come by."""

    #: GREETING (by connection), or MAIL, RCPT, DATA, CONTENT, END (by message).
    step: str
    #: What is said instead of the usual; DROP closes the connection, STALL falls silent.
    reply: str
    share: float = 1.0
    #: So often at most.
    most: int = 1_000_000
    #: Only at a recipient's first try: what a greylist does.
    first_only: bool = False
    #: For ever at the same recipients: an address that does not exist.
    is_lasting: bool = False


@dataclass(kw_only=True)
class FaultyPeer(MailServer):
    """A MailServer with a plan. Change `faults` at any time; connections that stand keep what they drew."""

    seed: int = 0
    faults: tuple[Fault, ...] = ()
    #: PEM of key and certificate: offers STARTTLS with it.
    certificate: Path | None = None
    #: Breaks off the TLS handshake with words that are none.
    garbles_tls: bool = False
    #: Recipients of messages whose content was at least begun, and that got no answer; one a connection.
    left: list[str] = field(default_factory=list)
    #: Messages after which the gate closes by itself; 0 for none: whoever looks from outside comes too late.
    closes_after: int = 0
    #: How often each fault struck.
    struck: Counter[Fault] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._tries: Counter[str] = Counter()
        self.is_down = False
        #: Open: content is read and answered. Closed: it waits.
        self.gate = threading.Event()
        self.gate.set()
        if self.certificate is not None:
            self.extensions += ("STARTTLS",)
        super().__post_init__()

    def dialogue(self, opened: socket.socket) -> Dialogue:
        """A connection that follows the plan."""
        return _FaultyDialogue(self, opened)

    def close_in_time(self) -> None:
        """Close the gate where its messages have come."""
        if self.closes_after and len(self.messages) >= self.closes_after:
            self.closes_after = 0
            self.gate.clear()

    def let_the_cut_off_go(self) -> None:
        """Open the gate, and wait until nobody who was killed at it can still hand a message over."""
        self.gate.set()
        for thread in self._threads[1:]:  # the first listens
            thread.join(30)

    def strike(self, step: str, *, of: str, count: int = 0) -> str | None:
        """What goes wrong for this recipient (or connection) at this step; None if nothing."""
        for fault in self.faults:
            if fault.step != step or (fault.first_only and count > 1):
                continue
            draw = random.Random(f"{self.seed} {fault} {of} {'' if fault.is_lasting else count}").random()
            with self._lock:
                if draw < fault.share and self.struck[fault] < fault.most:
                    self.struck[fault] += 1
                    return fault.reply
        return None

    def count_up(self, of: str) -> int:
        with self._lock:
            self._tries[of] += 1
            return self._tries[of]

    def tries(self) -> Counter[str]:
        """Recipient -> RCPT commands."""
        return Counter({to: count for to, count in self._tries.items() if "@" in to})

    def taken(self, run: int) -> list[str]:
        """`RUN-ID` of each message that was completed here, of one run."""
        found = [DELIVERY.search(content) for _, content in list(self.messages)]
        ids = [match[1].decode() for match in found if match is not None]
        return [id_ for id_ in ids if id_.startswith(f"{run}-")]

    # --- down ---

    def go_down(self) -> None:
        """Drop every connection and refuse new ones; what waits at the gate is left without an answer."""
        self.is_down = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.drop_kept_connections()

    def come_up(self) -> None:
        """Listen again, on the same port."""
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self.is_down = False
        self._run(self._accept)


class _FaultyDialogue(Dialogue):
    _server: FaultyPeer

    def __init__(self, server: FaultyPeer, opened: socket.socket) -> None:
        super().__init__(server, opened)
        self._to = ""
        self._count = 0

    def run(self) -> None:
        greeting = self._server.strike("GREETING", of="connection", count=self._server.connections)
        try:
            if greeting is None:
                super().run()
            else:
                self._say(greeting)
        finally:
            self._lines.close()
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.close()

    def _handle(self, command: str) -> bool:
        if command.upper() == "STARTTLS" and self._server.certificate is not None:
            return self._start_tls(self._server.certificate)
        return super()._handle(command)

    def _start_tls(self, certificate: Path) -> bool:
        self._say("220 2.0.0 go on")
        if self._server.garbles_tls:
            self._socket.recv(64)
            self._say("454 4.7.0 what a pity")
            return False
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        self._socket = context.wrap_socket(self._socket, server_side=True)
        self._lines = self._socket.makefile("rb")
        return True

    def _transaction(self, step: str, default: str) -> bool:
        if step == "MAIL":
            self._to, self._count = "a sender", self._server.count_up("a sender")
        elif step == "RCPT":
            self._to, self._count = self._named, self._server.count_up(self._named)
        self._draw(step)
        return super()._transaction(step, default)

    def _take_content(self) -> bool:
        self._server.gate.wait(30)
        drawn = None if self._server.is_down else self._draw("CONTENT") or self._draw("END")
        if drawn in (DROP, STALL):
            self._server.left.append(self._to)
        is_answered = False
        try:
            is_answered = not self._server.is_down and super()._take_content()
            self._server.close_in_time()
        finally:
            if self._server.is_down and not is_answered and drawn not in (DROP, STALL):
                self._server.left.append(self._to)
        return is_answered

    def _draw(self, step: str) -> str | None:
        reply = self._server.strike(step, of=self._to, count=self._count)
        if reply is not None:
            self._answers = {**self._answers, step: reply}
        return reply

    def _say(self, reply: str) -> bool:
        return super()._say(reply) and not reply.startswith("421")


@contextmanager
def faulty_peer(*faults: Fault, seed: int = 0, **options: Any) -> Iterator[FaultyPeer]:
    """A peer with these faults for as long as the context lasts."""
    server = FaultyPeer(faults=faults, seed=seed, **options)
    try:
        yield server
    finally:
        server.gate.set()
        server.stop()
