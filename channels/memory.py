"""A double behind the real contract: it keeps messages instead of sending them, and answers by script.

For tests of the ledger and for the simulation. Not offered to people; no message of it reaches anybody.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Self

from channels.base import (
    Account,
    Capabilities,
    ChannelError,
    Field,
    ForgedHook,
    Hook,
    Message,
    Outcome,
    OutcomeKind,
    OutcomeUnknown,
    Problem,
    ProviderEvent,
)

#: None accepts; a ChannelError becomes the Outcome. Any other exception is raised, as by a dying worker.
Answer = BaseException | None


@dataclass
class Box:
    """What one account's peer got, and what it will answer."""

    #: Messages that the peer has: the accepted, and those whose outcome stayed unknown.
    messages: list[Message] = field(default_factory=list)
    #: Recipient of each message that was handed over, whatever became of it.
    attempts: list[str] = field(default_factory=list)
    #: Decides where no answer is queued; accepts everything as it stands.
    decide: Callable[[Message], Answer] = lambda _: None
    _queued: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))

    def answer(self, *answers: Answer, to: str = "") -> None:
        """Queue the next answers, for one recipient or for whoever comes."""
        self._queued[to].extend(answers)

    def take(self, message: Message) -> Outcome:
        """Hand over one message: keep it where the answer says that the peer has it."""
        self.attempts.append(message.to)
        answer = self._next_answer(message)
        if answer is None or not isinstance(answer, ChannelError) or isinstance(answer, OutcomeUnknown):
            self.messages.append(message)
        if answer is None:
            return Outcome(id=message.id, kind=OutcomeKind.ACCEPTED, provider_id=f"memory-{len(self.messages)}")
        if isinstance(answer, ChannelError):
            return answer.outcome(message.id)
        raise answer

    def _next_answer(self, message: Message) -> Answer:
        for key in (message.to, ""):
            if self._queued[key]:
                return self._queued[key].popleft()
        return self.decide(message)


class Memory:
    """Keeps one Box an account."""

    name: ClassVar[str] = "memory"
    kind: ClassVar[str] = "email"
    label: ClassVar[str] = "Memory"
    can: ClassVar[Capabilities] = Capabilities(window=100, unknown_policy="resend", subject=True, html=True, files=True)
    account_fields: ClassVar[tuple[Field, ...]] = ()

    def __init__(self) -> None:
        self._boxes: dict[str, Box] = defaultdict(Box)

    def box(self, account_id: str) -> Box:
        """The box of this account; made when asked for first."""
        return self._boxes[account_id]

    def forget(self) -> None:
        """Throw all boxes away, between two tests."""
        self._boxes.clear()

    def open(self, account: Account) -> MemorySession:
        return MemorySession(self.box(account.id))

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        raise ForgedHook(f"Nobody reports to {account.name!r}; a call of {hook.kind!r} is not genuine.")

    def check(self, account: Account) -> list[Problem]:
        return []


class MemorySession:
    """Hands each message to the box as it is pulled."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        for message in messages:
            yield self._box.take(message)
