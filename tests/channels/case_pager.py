from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from channels.base import Account, Message, OutcomeKind
from tests.channels.contract import Case, Recorded, Situation

ENDLESS, DRIP, SILENCE = "<endless>", "<drip>", "<silence>"


class Gateway:
    """Reads a line from each connection and answers by script, then OK."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self.most_at_once = 1
        self._answers: list[str] = []
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        settings = {"host": "127.0.0.1", "port": str(port), "password": "open sesame"}
        allowed = (f"127.0.0.1:{port}",)
        self.account = Account(id="p", adapter="pager", name="Pager", settings=settings, allow_private=allowed)
        threading.Thread(target=self._serve, daemon=True).start()

    def answer(self, *answers: str) -> None:
        self._answers.extend(answers)

    def stop(self) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                opened, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(opened,), daemon=True).start()

    def _talk(self, opened: socket.socket) -> None:
        with suppress(OSError), opened:
            page = opened.recv(1000).decode()
            if not page:
                return
            self.attempts.append(page.removeprefix("open sesame ").split()[0])
            answer = self._answers.pop(0) if self._answers else "OK\n"
            if answer not in (ENDLESS, DRIP, SILENCE):
                opened.sendall(answer.encode())
                return
            while not self._stopped.wait(0.05):
                opened.sendall({ENDLESS: b"x" * 1000, DRIP: b"x", SILENCE: b""}[answer])


@contextmanager
def gateway() -> Iterator[Gateway]:
    running = Gateway()
    try:
        yield running
    finally:
        running.stop()


CASE = Case(
    adapter="pager",
    peer=gateway,
    message=Message(id="m", to="12", text="Come down"),
    recorded=(
        Recorded(name="taken", answer="OK\n", kind=OutcomeKind.ACCEPTED),
        Recorded(name="busy", answer="BUSY\n", kind=OutcomeKind.TEMPORARY, reason="temporary"),
        Recorded(name="nobody", answer="NOBODY\n", kind=OutcomeKind.PERMANENT, reason="unknown_recipient"),
        Recorded(name="foreign-word", answer="PERHAPS\n", kind=OutcomeKind.UNKNOWN, reason="no_answer"),
        Recorded(name="barred", answer="NO this pager is barred\n", kind=OutcomeKind.PERMANENT, reason="refused"),
        Recorded(name="who", answer="WHO are you\n", kind=OutcomeKind.ACCOUNT, reason="account_problem"),
        Recorded(
            name="slower",
            answer="WAIT 5\n",
            kind=OutcomeKind.TEMPORARY,
            reason="rate_limited",
            retry_after=5.0,
            scope="account",
        ),
    ),
    troubles={
        Situation.DROPPED: "",
        Situation.SILENT: SILENCE,
        Situation.SLOW: DRIP,
        Situation.HUGE: ENDLESS,
        Situation.NOT_UNDERSTOOD: "<html>\n",
        Situation.CUT_SHORT: "O",
    },
    waits=("outreach_pager.ANSWER_SECONDS", "outreach_pager.CONNECT_SECONDS"),
    unsupported=(Message(id="two-lines", to="12", text="a\nb"),),
)
