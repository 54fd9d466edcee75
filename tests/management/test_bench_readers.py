"""The players of `outreach bench track` count each answer once, and say what nobody answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from outreach.management.bench_readers import Load, answer_at_once, play

REQUEST = "GET /o/token HTTP/1.1\r\nhost: x\r\n\r\n"


def played(serve: Callable[[list[socket.socket]], None], *, seconds: float) -> tuple[int, int, dict[str, int]]:
    """Answers, requests lost, and answers by status, of three connections that `serve` answers."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        answering = threading.Thread(target=lambda: serve([door.accept()[0] for _ in range(3)]))
        answering.start()
        load = Load(port=door.getsockname()[1], seconds=seconds, connections=3, requests=[REQUEST])
        found = play(load)
        answering.join()
    return found.answers, found.lost, found.statuses


def test_each_answer_is_counted_once() -> None:
    answers, lost, statuses = played(lambda taken: answer_at_once(taken, b"picture"), seconds=0.05)
    assert answers >= 3
    assert (lost, statuses) == (0, {"200": answers})


def test_an_answer_may_come_in_pieces() -> None:
    def answer_slowly(taken: list[socket.socket]) -> None:
        for each in taken:
            each.recv(1000)
            for piece in (b"HTTP/1.1 302 Found\r\ncontent-le", b"ngth: 3\r\n\r\n", b"abc"):
                each.sendall(piece)
            each.close()

    assert played(answer_slowly, seconds=0.0) == (3, 0, {"302": 3})


def test_who_hangs_up_leaves_a_request_lost() -> None:
    def hang_up(taken: list[socket.socket]) -> None:
        for each in taken:
            each.recv(1000)
            each.close()

    assert played(hang_up, seconds=0.05) == (0, 3, {})
