"""A message centre by script, written against SMPP 3.4 with `struct` alone: it shares no code with the adapter."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from channels.base import Account

BIND_RECEIVER, BIND_TRANSMITTER, SUBMIT_SM, DELIVER_SM, UNBIND = 1, 2, 4, 5, 6
BIND_TRANSCEIVER, ENQUIRE_LINK, RESPONSE = 9, 0x15, 0x80000000
BINDS: Final = {BIND_RECEIVER: "receiver", BIND_TRANSMITTER: "transmitter", BIND_TRANSCEIVER: "transceiver"}
THROTTLED: Final = 0x58

#: Instead of a status: hang up, keep silent, drip, lie about the length, say something else, stop in the middle, leave.
DROP, STALL, DRIP, HUGE, GARBAGE, SHORT, LEAVE = "drop", "stall", "drip", "huge", "garbage", "short", "leave"


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """A `submit_sm` as it came."""

    source: tuple[int, int, str]
    destination: tuple[int, int, str]
    esm_class: int
    registered_delivery: int
    data_coding: int
    octets: bytes


@dataclass(frozen=True, kw_only=True)
class Nack:
    """An answer by `generic_nack` instead of `submit_sm_resp`."""

    status: int


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A `deliver_sm` to hand out."""

    source: str
    octets: bytes
    esm_class: int = 0
    data_coding: int = 0
    tlvs: bytes = b""
    source_ton: int = 1

    def body(self) -> bytes:
        head = b"\0" + bytes((self.source_ton, 1)) + self.source.encode() + b"\0" + bytes((3, 0)) + b"1620\0"
        tail = bytes((self.esm_class, 0, 0)) + b"\0\0" + bytes((0, 0, self.data_coding, 0, len(self.octets)))
        return head + tail + self.octets + self.tlvs


@dataclass(kw_only=True)
class Centre:
    """What it will say, and what it got. `answer` takes a status, a word of trouble or a Nack a `submit_sm`."""

    password: str = "geheim"
    context: ssl.SSLContext | None = None
    #: Status of the next log-ins.
    bind_statuses: deque[int] = field(default_factory=deque)
    #: Handed out to the next session that may receive, as soon as it is bound; and after the first message.
    waiting: list[Delivered] = field(default_factory=list)
    between: list[Delivered] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    submitted: list[Submitted] = field(default_factory=list)
    binds: list[tuple[str, str, str, str]] = field(default_factory=list)
    #: Status of each `deliver_sm_resp`, and the commands that came besides.
    confirmed: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    most_at_once: int = 1
    asks_first: bool = False
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        self._answers: deque[Any] = deque()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._opened: list[socket.socket] = []
        self._closing = threading.Event()
        self.settled = threading.Condition()
        self.port = self._socket.getsockname()[1]
        self.account = self.account_with()
        threading.Thread(target=self._accept, daemon=True).start()

    def account_with(self, **settings: Any) -> Account:
        own = {"host": "127.0.0.1", "port": str(self.port), "system_id": "outreach", "password": self.password}
        base = {**own, "sender": "1620", "security": "none"}
        allowed = (f"127.0.0.1:{self.port}",)
        return Account(id="9", adapter="smpp", name="SMS", settings={**base, **settings}, allow_private=allowed)

    def answer(self, *answers: Any) -> None:
        self._answers.extend(answers)

    def stop(self) -> None:
        self._closing.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.drop_kept_sessions()

    def drop_kept_sessions(self) -> None:
        for opened in self._opened:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                opened, _ = self._socket.accept()
            except OSError:
                return
            self._opened.append(opened)
            threading.Thread(target=self._serve, args=(opened,), daemon=True).start()

    def _serve(self, opened: socket.socket) -> None:
        with suppress(OSError, struct.error), self._secured(opened) as sock:
            self._converse(sock)

    def _secured(self, opened: socket.socket) -> socket.socket:
        return self.context.wrap_socket(opened, server_side=True) if self.context else opened

    def _converse(self, sock: socket.socket) -> None:
        while (pdu := read_pdu(sock)) is not None:
            command, _status, sequence, body = pdu
            self.heard.append(command)
            if command in BINDS:
                self._let_in(sock, command, sequence, body)
            elif command == SUBMIT_SM:
                if not self._take(sock, sequence, read_submitted(body)):
                    return
            elif command == UNBIND:
                write_pdu(sock, UNBIND | RESPONSE, 0, sequence)
                return
            elif command == DELIVER_SM | RESPONSE:
                with self.settled:
                    self.confirmed.append(_status)
                    self.settled.notify_all()

    def _let_in(self, sock: socket.socket, command: int, sequence: int, body: bytes) -> None:
        system_id, password, system_type = (part.decode() for part in body.split(b"\0")[:3])
        self.binds.append((BINDS[command], system_id, password, system_type))
        status = self.bind_statuses.popleft() if self.bind_statuses else 0 if password == self.password else 0x0E
        write_pdu(sock, command | RESPONSE, status, sequence, b"" if status else b"centre\0")
        if status == 0 and command != BIND_TRANSMITTER:
            if self.asks_first:
                write_pdu(sock, ENQUIRE_LINK, 0, 4000)
            handed, self.waiting = self.waiting, []
            for number, delivered in enumerate(handed):
                write_pdu(sock, DELIVER_SM, 0, 5000 + number, delivered.body())

    def _take(self, sock: socket.socket, sequence: int, submitted: Submitted) -> bool:
        """Whether the conversation goes on."""
        self.submitted.append(submitted)
        self.attempts.append(f"+{submitted.destination[2]}")
        answer = self._answers.popleft() if self._answers else 0
        handed, self.between = self.between, []
        for number, delivered in enumerate(handed):
            write_pdu(sock, DELIVER_SM, 0, 6000 + number, delivered.body())
        if isinstance(answer, Nack):
            write_pdu(sock, RESPONSE, answer.status, sequence)
        elif isinstance(answer, int):
            body = b"" if answer else f"id-{len(self.submitted)}".encode() + b"\0"
            write_pdu(sock, SUBMIT_SM | RESPONSE, answer, sequence, body)
        else:
            return self._trouble(sock, str(answer), sequence)
        return True

    def _trouble(self, sock: socket.socket, trouble: str, sequence: int) -> bool:
        if trouble == STALL:
            self._closing.wait(30)
        elif trouble == DRIP:
            for octet in struct.pack(">LLLL", 60_000, SUBMIT_SM | RESPONSE, 0, sequence) + bytes(60_000):
                sock.sendall(bytes((octet,)))
                if self._closing.wait(0.05):
                    break
        elif trouble == HUGE:
            sock.sendall(struct.pack(">LLLL", 0x7FFFFFFF, SUBMIT_SM | RESPONSE, 0, sequence))
            while not self._closing.is_set():
                sock.sendall(bytes(65_536))
        elif trouble == GARBAGE:
            sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n<html>Log in to this network</html>")
            self._closing.wait(30)
        elif trouble == SHORT:
            sock.sendall(struct.pack(">LLLL", 40, SUBMIT_SM | RESPONSE, 0, sequence) + b"id-")
        elif trouble == LEAVE:
            write_pdu(sock, UNBIND, 0, 7000)
            self._closing.wait(30)
        return False


def read_pdu(sock: socket.socket) -> tuple[int, int, int, bytes] | None:
    head = _read(sock, 16)
    if len(head) < 16:
        return None
    length, command, status, sequence = struct.unpack(">LLLL", head)
    return command, status, sequence, _read(sock, length - 16)


def write_pdu(sock: socket.socket, command: int, status: int, sequence: int, body: bytes = b"") -> None:
    sock.sendall(struct.pack(">LLLL", 16 + len(body), command, status, sequence) + body)


def _read(sock: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size and (piece := sock.recv(size - len(octets))):
        octets += piece
    return octets


def read_submitted(body: bytes) -> Submitted:
    """4.4.1: service_type, source, destination, then the flags and the text."""
    _service, _, rest = body.partition(b"\0")
    source, rest = _read_address(rest)
    destination, rest = _read_address(rest)
    esm_class, rest = rest[0], rest[3:]
    _schedule, _, rest = rest.partition(b"\0")
    _validity, _, rest = rest.partition(b"\0")
    registered, _replace, coding, _default, length = rest[:5]
    return Submitted(
        source=source,
        destination=destination,
        esm_class=esm_class,
        registered_delivery=registered,
        data_coding=coding,
        octets=rest[5 : 5 + length],
    )


def _read_address(octets: bytes) -> tuple[tuple[int, int, str], bytes]:
    address, _, rest = octets[2:].partition(b"\0")
    return (octets[0], octets[1], address.decode()), rest


@contextmanager
def message_centre(**facts: Any) -> Iterator[Centre]:
    centre = Centre(**facts)
    try:
        yield centre
    finally:
        centre.stop()
