from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import channels
from channels.base import (
    Account,
    AccountProblem,
    Message,
    OutcomeKind,
    OutcomeUnknown,
    PermanentFailure,
    TemporaryFailure,
    UnsupportedContent,
)
from channels.memory import Answer, Memory
from tests.channels.contract import Case, Recorded


class MemoryPeer:
    def __init__(self) -> None:
        adapter = channels.get("memory")
        assert isinstance(adapter, Memory)
        adapter.forget()
        self.account = Account(id="memory-1", adapter="memory", name="Memory")
        self._box = adapter.box(self.account.id)
        self.attempts = self._box.attempts
        self.most_at_once = 1

    def answer(self, *answers: Answer) -> None:
        self._box.answer(*answers)

    def stop(self) -> None:
        raise NotImplementedError("Nothing listens for this adapter.")


@contextmanager
def memory_peer() -> Iterator[MemoryPeer]:
    yield MemoryPeer()


CASE = Case(
    adapter="memory",
    peer=memory_peer,
    message=Message(id="m", to="ana@example.org", subject="Здравей", text="Текст"),
    recorded=(
        Recorded(name="accepts", answer=None, kind=OutcomeKind.ACCEPTED),
        Recorded(
            name="temporary",
            answer=TemporaryFailure(reason="rate_limited", retry_after=5.0),
            kind=OutcomeKind.TEMPORARY,
            reason="rate_limited",
            retry_after=5.0,
        ),
        Recorded(
            name="permanent",
            answer=PermanentFailure(reason="unknown_recipient"),
            kind=OutcomeKind.PERMANENT,
            reason="unknown_recipient",
        ),
        Recorded(name="account", answer=AccountProblem(), kind=OutcomeKind.ACCOUNT),
        Recorded(name="unsupported", answer=UnsupportedContent(), kind=OutcomeKind.UNSUPPORTED),
        Recorded(name="unknown", answer=OutcomeUnknown(), kind=OutcomeKind.UNKNOWN),
    ),
    networked=False,
)
