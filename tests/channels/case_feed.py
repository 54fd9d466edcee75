from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from channels.base import Account, Message
from tests.channels.contract import Case


class Readers:
    """Nobody listens behind a feed; its readers come to the ledger."""

    def __init__(self) -> None:
        self.account = Account(id="feed-1", adapter="feed", name="News", settings={"site": "https://example.org/"})
        self.attempts: list[str] = []
        self.most_at_once = 0

    def answer(self, *answers: object) -> None:
        raise NotImplementedError(f"A feed gets no answers: {answers}")

    def stop(self) -> None:
        raise NotImplementedError("Nothing listens behind a feed.")


@contextmanager
def readers() -> Iterator[Readers]:
    yield Readers()


CASE = Case(
    adapter="feed",
    peer=readers,
    message=Message(id="f", to="", subject="Нова услуга", text="Текст", html="<p>Текст</p>"),
    networked=False,
)
