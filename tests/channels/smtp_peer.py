"""A mail server by script: it says, drops or keeps silent as it is told to, and writes down all that it got."""

from __future__ import annotations

import base64
import hmac
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from channels.base import Account

#: Instead of a reply: close the connection, or say nothing until the test ends.
DROP = "<drop>"
STALL = "<stall>"
#: A letter of the reply now and then, and never its end; and a reply of one endless line.
DRIP = "<drip>"
ENDLESS = "<endless>"


@dataclass(kw_only=True)
class MailServer:
    """What it offers, and what it got. `answer` takes one mapping a message: step -> reply, DROP or STALL."""

    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
    banner: str = "220 peer ESMTP"
    password: str = ""
    #: Messages that one connection takes before it says 421.
    most_messages: int = 1_000_000
    attempts: list[str] = field(default_factory=list)
    #: Most recipients of one message.
    most_at_once: int = 0
    #: (recipient, content as received without the final dot and unstuffed)
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        self._answers: deque[Mapping[str, str]] = deque()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._opened: list[socket.socket] = []
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.port = self._socket.getsockname()[1]
        self.account = self.account_with()
        self._run(self._accept)

    def account_with(self, **settings: Any) -> Account:
        base = {"host": "127.0.0.1", "port": str(self.port), "security": "none", "sender": "News <news@example.org>"}
        allowed = (f"127.0.0.1:{self.port}",)
        return Account(id="s", adapter="smtp", name="Mail", settings={**base, **settings}, allow_private=allowed)

    def answer(self, *answers: Mapping[str, str]) -> None:
        self._answers.extend(answers)

    def stop(self) -> None:
        self._closing.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for opened in self._opened:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(5)
        for opened in self._opened:
            opened.close()

    def drop_kept_connections(self) -> None:
        """As after an idle timeout on the server."""
        for opened in self._opened:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def _run(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                opened, _ = self._socket.accept()
            except OSError:
                return
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._opened.append(opened)
            self._run(self._serve, opened)

    def _serve(self, opened: socket.socket) -> None:
        with suppress(OSError, ValueError, ConnectionError):
            self.dialogue(opened).run()
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)

    def dialogue(self, opened: socket.socket) -> Dialogue:
        return Dialogue(self, opened)

    def next_answers(self) -> Mapping[str, str]:
        return self._answers.popleft() if self._answers else {}

    def is_closing(self, *, after: float) -> bool:
        return self._closing.wait(after)

    def wait_for_end(self) -> None:
        self._closing.wait(30)


class Dialogue:
    """One connection."""

    def __init__(self, server: MailServer, opened: socket.socket) -> None:
        self._server = server
        self._socket = opened
        self._lines: BinaryIO = opened.makefile("rb")
        self._answers: Mapping[str, str] = {}
        self._sender_refused = False
        #: Of the last RCPT, and where that was taken, of the message.
        self._named = ""
        self._recipient = ""
        self._served = 0
        self._recipients = 0

    def run(self) -> None:
        with self._lines:
            if not self._say(self._server.banner):
                return
            while line := self._lines.readline():
                command = line.decode().rstrip("\r\n")
                self._server.commands.append(command)
                if not self._handle(command):
                    return

    def _handle(self, command: str) -> bool:
        verb = command[:4].upper()
        if verb == "EHLO":
            return self._say("\r\n".join([f"250-{word}" for word in ("peer", *self._server.extensions)] + ["250 HELP"]))
        if verb == "AUTH":
            return self._log_in()
        if verb == "MAIL":
            self._answers, self._recipient, self._recipients = self._server.next_answers(), "", 0
            if self._served >= self._server.most_messages:
                self._say("421 4.7.0 too many messages on one connection")
                return False
            return self._transaction("MAIL", "250 2.1.0 ok")
        if verb == "RCPT":
            self._named = command.partition("<")[2].partition(">")[0]
            self._server.attempts.append(self._named)
            self._recipients += 1
            self._server.most_at_once = max(self._server.most_at_once, self._recipients)
            return self._transaction("RCPT", "503 5.5.1 no sender" if self._sender_refused else "250 2.1.5 ok")
        if verb == "DATA":
            default = "354 go on" if self._recipient or self._answers.get("DATA") else "554 5.5.1 no valid recipients"
            return self._transaction("DATA", default) and (not self._in_data or self._take_content())
        if verb == "QUIT":
            self._say("221 bye")
            return False
        return self._say("250 ok") if verb in ("RSET", "NOOP") else self._say("502 5.5.2 what?")

    def _log_in(self) -> bool:
        """CRAM-MD5 for the user `ana`."""
        challenge = b"<1.2@peer>"
        self._say(f"334 {base64.b64encode(challenge).decode()}")
        name, _, digest = base64.b64decode(self._lines.readline()).decode().partition(" ")
        expected = hmac.new(self._server.password.encode(), challenge, "md5").hexdigest()
        return self._say("235 2.7.0 in" if (name, digest) == ("ana", expected) else "535 5.7.8 wrong password")

    def _transaction(self, step: str, default: str) -> bool:
        reply = self._answers.get(step, default)
        if step == "MAIL":
            self._sender_refused = not reply.startswith("2")
        if step == "RCPT" and reply.startswith("2"):
            self._recipient = self._named
        self._in_data = step == "DATA" and reply.startswith("354")
        return self._say(reply)

    def _take_content(self) -> bool:
        if self._answers.get("CONTENT") == DROP:
            self._lines.read(10)
            return False
        content: list[bytes] = []
        while (line := self._lines.readline()) != b".\r\n":
            if not line:
                return False
            content.append(line.removeprefix(b"."))
        reply = self._answers.get("END", "250 2.0.0 Ok: queued as Q1" if self._recipient else "554 5.5.1 no recipients")
        if reply.startswith("2") or reply in (DROP, STALL, DRIP, ENDLESS):
            self._server.messages.append((self._recipient, b"".join(content)))
        self._served += 1
        return self._say(reply)

    def _say(self, reply: str) -> bool:
        if reply == DROP:
            return False
        if reply == STALL:
            self._server.wait_for_end()
            return False
        if reply in (DRIP, ENDLESS):
            self._socket.sendall(b"250 ")
            while not self._server.is_closing(after=0.05 if reply == DRIP else 0):
                self._socket.sendall(b"x" if reply == DRIP else b"x" * 65536)
            return False
        self._socket.sendall(reply.encode() + b"\r\n")
        return True


@contextmanager
def mail_server(**options: Any) -> Iterator[MailServer]:
    server = MailServer(**options)
    try:
        yield server
    finally:
        server.stop()
