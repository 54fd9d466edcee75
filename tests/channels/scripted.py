"""An HTTP provider on a loopback socket that answers what a test wrote, and counts what reached it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from channels.base import Account
from tests.channels.contract import Situation

#: Special answers.
DROP = object()  # close the connection after the whole request was read
STALL = object()  # answer nothing until the peer stops
BREAK_OFF = object()  # begin an answer and close
ENDLESS = object()  # an answer that never ends
DRIP = object()  # a letter of the answer's head now and then, and never its end


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def identity(self) -> tuple[str, ...]:
        """All of it that a provider's documents speak of."""
        content_type, is_signed = self.headers.get("content-type", ""), "authorization" in self.headers
        return self.method, self.path, self.body.decode("latin-1"), content_type, str(is_signed)


#: Whom a request that sends is for: one person, or several.
Recipients = Callable[[Request], str | list[str]]


@dataclass(frozen=True)
class Http:
    """An answer; a body that is not bytes is sent as JSON."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_bytes(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"Content-Length": str(len(body)), "Content-Type": "application/json", **self.headers}
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {value}" for name, value in headers.items() if value)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


#: How an HTTP peer makes each trouble after the request left.
HTTP_TROUBLES: Mapping[Situation, Any] = {
    Situation.DROPPED: DROP,
    Situation.SILENT: STALL,
    Situation.SLOW: DRIP,
    Situation.HUGE: ENDLESS,
    Situation.NOT_UNDERSTOOD: Http(200, b"<html>Log in to this network</html>"),
    Situation.CUT_SHORT: BREAK_OFF,
}


class ScriptedPeer:
    """Answers requests in the order of the script, then with `usual`; connections are kept open."""

    def __init__(self, usual: Callable[[Request], Any], *, provider: str, recipient: Recipients | None = None) -> None:
        self.account = Account(id="none", adapter="none", name="None")
        #: Whose documents every request is held against in the end; '' for nobody's, which every test has to say.
        self.provider = provider
        #: Each different request that was taken, whatever a test does with `requests`.
        self.taken: dict[tuple[str, ...], Request] = {}
        self.requests: list[Request] = []
        self.attempts: list[str] = []
        self.most_at_once = 0
        self.connections = 0
        self._usual = usual
        self._recipient = recipient or (lambda request: request.path)
        self._script: list[Any] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def answer(self, *answers: Any) -> None:
        self._script.extend(answers)

    def stop(self) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as lines:
            while (request := _read(lines)) is not None:
                if not self._reply(connection, self._choose(request)):
                    return

    def _choose(self, request: Request) -> Any:
        with self._lock:
            self.requests.append(request)
            self.taken[request.identity] = request
            if request.method == "POST":
                named = self._recipient(request)
                self.attempts += [named] if isinstance(named, str) else named
                self.most_at_once = max(self.most_at_once, 1 if isinstance(named, str) else len(named))
            if self._script and (request.method == "POST" or not self.attempts):
                return self._script.pop(0)
            return self._usual(request)

    def _reply(self, connection: socket.socket, answer: Any) -> bool:
        """Whether the conversation goes on."""
        if answer is STALL:
            self._stopped.wait(30)
            return False
        if answer is BREAK_OFF:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
            return False
        if answer is ENDLESS:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            while not self._stopped.is_set():
                connection.sendall(b"x" * 65536)
            return False
        if answer is DRIP:
            for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 600:
                connection.sendall(bytes([letter]))
                if self._stopped.wait(0.05):
                    break
            return False
        if answer is DROP:
            return False
        connection.sendall(answer if isinstance(answer, bytes) else answer.as_bytes())
        return not isinstance(answer, bytes)


def _read(lines: Any) -> Request | None:
    first = lines.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := lines.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = lines.read(int(headers.get("content-length", "0")))
    return Request(method=first[0], path=first[1], headers=headers, body=body)


@contextmanager
def running(peer: ScriptedPeer) -> Iterator[ScriptedPeer]:
    """The peer while it listens; afterwards every request that reached it must be one that the provider documents."""
    try:
        yield peer
    finally:
        peer.stop()
    assert find_faults(peer) == []


def find_faults(peer: ScriptedPeer) -> list[str]:
    """What the provider's documents have against the requests, where this machine has the documents."""
    if not peer.provider:
        return []
    from tests.contract_checks import contracts_folder, find_request_faults

    folder = contracts_folder(peer.provider)
    if folder is None:
        return []
    return [
        fault
        for request in peer.taken.values()
        for fault in find_request_faults(
            folder,
            peer.provider,
            method=request.method,
            path=request.path,
            body=request.body,
            headers=request.headers,
        )
    ]
