"""What an adapter contributes to the shared contract suite: one `Case`, with its table of recorded answers.

A new adapter adds `tests/channels/case_<name>.py` with a `CASE = Case(...)`; `test_contract.py` finds it by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import channels
from channels.base import Account, Adapter, Hook, Message, OutcomeKind, ProviderEvent


class Situation(StrEnum):
    """What every networked adapter must have met; the suite counts them."""

    #: Of answers: told by what the recorded ones mean.
    OK = "ok"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    REFUSED = "refused"
    RATE_LIMITED = "rate limited, with the time to wait"
    BAD_CREDENTIALS = "bad credentials"
    UNSUPPORTED = "unsupported content"
    #: Of trouble after the bytes left: `Case.troubles` says how the peer makes them.
    DROPPED = "the connection is dropped"
    SILENT = "no answer comes"
    SLOW = "the answer drips, and does not end"
    HUGE = "the answer is huge"
    NOT_UNDERSTOOD = "the answer is in no language of the provider"
    CUT_SHORT = "the answer is shorter than it says"


#: What a peer does to the bytes; the outcome of each is unknown.
TROUBLES: frozenset[Situation] = frozenset(list(Situation)[list(Situation).index(Situation.DROPPED) :])


class Peer(Protocol):
    """A provider's stand-in on a loopback socket, running while its context is open."""

    #: An account that points at the peer, with `allow_private` opened for it.
    account: Account
    #: Recipient of each message (`Message.to`, or its text for a post) that reached the peer, whatever it answered.
    attempts: list[str]
    #: Most recipients that one request named.
    most_at_once: int

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

    @property
    def situation(self) -> Situation | None:
        """Which of the situations that every adapter must know it plays."""
        if self.kind is OutcomeKind.TEMPORARY and self.reason == "rate_limited":
            return Situation.RATE_LIMITED
        if self.kind is OutcomeKind.PERMANENT:
            return Situation.REFUSED if self.reason in {"refused", "policy"} else Situation.PERMANENT
        return _BY_KIND.get(self.kind)


_BY_KIND: Mapping[OutcomeKind, Situation] = {
    OutcomeKind.ACCEPTED: Situation.OK,
    OutcomeKind.TEMPORARY: Situation.TEMPORARY,
    OutcomeKind.ACCOUNT: Situation.BAD_CREDENTIALS,
    OutcomeKind.UNSUPPORTED: Situation.UNSUPPORTED,
}


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
    #: How the peer makes each trouble after the bytes left.
    troubles: Mapping[Situation, Any] = field(default_factory=dict)
    #: Situations that cannot be on this channel, each with the reason.
    impossible: Mapping[Situation, str] = field(default_factory=dict)
    #: Constants of waiting (`module.NAME`) that a test of trouble shortens.
    waits: Sequence[str] = ("channels.client.READ_SECONDS", "channels.client.CONNECT_SECONDS")
    #: False where no socket is involved: nothing can be down, and no network is private.
    networked: bool = True

    def copies(self, count: int) -> list[Message]:
        """The message several times, each with an id of its own."""
        return [replace(self.message, id=f"{self.message.id}-{n}") for n in range(count)]

    def situations(self) -> set[Situation]:
        """What the case plays."""
        answered = {recorded.situation for recorded in self.recorded} - {None}
        refused = {Situation.UNSUPPORTED} if self.unsupported else set()
        return {*(found for found in answered if found), *refused, *self.troubles}

    def open_adapter(self) -> Adapter:
        return channels.get(self.adapter)


def all_cases() -> list[Case]:
    """The case of each adapter that has one, built-in, double or installed, found by its name."""
    modules = [f"tests.channels.case_{name}" for name in dict.fromkeys((*channels.names(), *channels.DOUBLES))]
    found = [import_module(module).CASE for module in modules if find_spec(module) is not None]
    assert all(isinstance(case, Case) for case in found)
    return found
