"""What an adapter contributes to the shared contract suite: one `Case`, with its table of recorded answers.

A new adapter adds `tests/channels/case_<name>.py` with a `CASE = Case(...)`; `test_contract.py` finds it by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import channels
from channels.base import Account, Adapter, Hook, Message, OutcomeKind, ProviderEvent


class Peer(Protocol):
    """A provider's stand-in on a loopback socket, running while its context is open."""

    #: An account that points at the peer, with `allow_private` opened for it.
    account: Account
    #: Recipient of each message (`Message.to`, or its text for a post) that reached the peer, whatever it answered.
    attempts: list[str]

    def answer(self, *answers: Any) -> None:
        """Queue the next answers (`Recorded.answer`), one a message; afterwards the peer accepts."""

    def stop(self) -> None:
        """Close the socket, so that nobody listens there any more."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A provider's answer and what it means."""

    #: Shown as the test's name.
    name: str
    #: Whatever the case's peer takes: a status and a body, lines of a protocol, an exception.
    answer: Any
    kind: OutcomeKind
    reason: str = ""
    retry_after: float | None = None
    scope: str = "message"


@dataclass(frozen=True, kw_only=True)
class RecordedHook:
    """A provider's genuine call-back and the events that it tells."""

    name: str
    account: Account
    hook: Hook
    events: tuple[ProviderEvent, ...]
    #: The same call with something changed after it was signed; by default one byte of the body.
    forged: Hook | None = None

    def tampered(self) -> Hook:
        return self.forged or replace(self.hook, body=self.hook.body + b" ")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One adapter's part of the suite."""

    adapter: str
    #: Opens a fresh peer.
    peer: Callable[[], AbstractContextManager[Peer]]
    #: A message that the peer accepts.
    message: Message
    recorded: Sequence[Recorded] = ()
    #: Messages that must be refused as UNSUPPORTED before anything is handed over.
    unsupported: Sequence[Message] = ()
    hooks: Sequence[RecordedHook] = ()
    #: False where no socket is involved: nothing can be down, and no network is private.
    networked: bool = True

    def copies(self, count: int) -> list[Message]:
        """The message several times, each with an id of its own."""
        return [replace(self.message, id=f"{self.message.id}-{n}") for n in range(count)]

    def open_adapter(self) -> Adapter:
        return channels.get(self.adapter)


def all_cases() -> list[Case]:
    """The case of each built-in adapter and double that has one, found by its name."""
    modules = [f"tests.channels.case_{name}" for name in (*channels.BUILT_IN, *channels.DOUBLES)]
    found = [import_module(module).CASE for module in modules if find_spec(module) is not None]
    assert all(isinstance(case, Case) for case in found)
    return found
