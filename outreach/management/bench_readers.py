"""Readers' programs, as fast as one process can play them: kept connections, each with one request under way.

Standard library only, so that it starts at once and takes little of the processor it shares with what it measures.
Reads one JSON object from standard input, writes one to standard output: see `Load` and `Answers`.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import cycle
from typing import Final

#: Seconds without an answer after which a connection is given up.
PATIENCE: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked, of whom and for how long."""

    port: int
    seconds: float
    connections: int
    #: Whole requests, sent in turn.
    requests: list[str]


@dataclass(kw_only=True)
class Answers:
    """What came back."""

    answers: int = 0
    #: Status -> answers.
    statuses: dict[str, int] = field(default_factory=dict)
    #: Requests that nobody answered.
    lost: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    longest_ms: float = 0.0
    #: Processor time of this process an answer.
    cpu_us: float = 0.0


def play(load: Load) -> Answers:
    """Ask until the time is over, then wait for what is under way."""
    begun, spent = time.monotonic(), time.process_time()
    with ExitStack() as stack:
        doors = [socket.create_connection(("127.0.0.1", load.port)) for _ in range(load.connections)]
        for each in doors:
            stack.enter_context(each)
        took, statuses, lost = _ask(load, doors, until=begun + load.seconds)
    seconds = time.monotonic() - begun
    took.sort()
    count = len(took)
    if not count:
        return Answers(lost=lost, seconds=seconds)
    return Answers(
        answers=count,
        statuses={status.decode(): number for status, number in statuses.items()},
        lost=lost,
        seconds=round(seconds, 3),
        p50_ms=round(took[count // 2] * 1e3, 2),
        p99_ms=round(took[count * 99 // 100] * 1e3, 2),
        longest_ms=round(took[-1] * 1e3, 1),
        cpu_us=round((time.process_time() - spent) / count * 1e6, 1),
    )


def _ask(load: Load, sockets: list[socket.socket], *, until: float) -> tuple[list[float], Counter[bytes], int]:
    texts = cycle([request.encode("latin-1") for request in load.requests])
    clock = time.monotonic
    poll = select.epoll()
    took: list[float] = []
    statuses: Counter[bytes] = Counter()
    waiting: dict[int, float] = {}
    by_number = {each.fileno(): each for each in sockets}
    pieces: dict[int, bytes] = dict.fromkeys(by_number, b"")
    for number, each in by_number.items():
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(number, select.EPOLLIN)
        waiting[number] = clock()
        each.sendall(next(texts))
    lost = 0
    while waiting:
        ready = poll.poll(PATIENCE)
        if not ready:
            return took, statuses, lost + len(waiting)
        for number, _ in ready:
            came = by_number[number].recv(65536)
            if not came:
                poll.unregister(number)
                lost += waiting.pop(number, None) is not None  # else it had answered all it was asked
                continue
            answer = pieces[number] + came
            if not _is_whole(answer):
                pieces[number] = answer
                continue
            pieces[number] = b""
            now = clock()
            took.append(now - waiting[number])
            statuses[answer[9:12]] += 1
            if now < until:
                waiting[number] = now
                by_number[number].sendall(next(texts))
            else:
                del waiting[number]
    return took, statuses, lost


def _is_whole(answer: bytes) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = answer.find(b"content-length: ")
    length = int(answer[at + 16 : answer.index(b"\r", at)]) if 0 <= at < end else 0
    return len(answer) >= end + 4 + length


def answer_at_once(connections: Iterable[socket.socket], body: bytes) -> None:
    """The cheapest of servers, by which the players are measured alone; ends when all have gone."""
    poll = select.epoll()
    by_number = {each.fileno(): each for each in connections}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    waiting = deque(by_number)
    while waiting:
        for number, _ in poll.poll():
            if by_number[number].recv(65536):
                by_number[number].sendall(answer)
            else:
                poll.unregister(number)
                by_number[number].close()
                waiting.remove(number)


if __name__ == "__main__":
    print(json.dumps(asdict(play(Load(**json.load(sys.stdin))))))
