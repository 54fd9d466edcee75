"""The channel `pager`: one line of text to a gateway in the same building, which answers with one line."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import ClassVar, Final, Self

from channels.addresses import check_host
from channels.base import (
    Account,
    AccountProblem,
    AccountWideFailure,
    Capabilities,
    ChannelError,
    Field,
    ForgedHook,
    Hook,
    Message,
    Outcome,
    OutcomeKind,
    OutcomeUnknown,
    PermanentFailure,
    Problem,
    ProviderEvent,
    TemporaryFailure,
    UnsupportedContent,
)
from channels.exchange import find_missing, probe

CONNECT_SECONDS: Final = 4.0
ANSWER_SECONDS: Final = 10.0

#: The first word of every answer but OK.
_REFUSALS: Final[Mapping[str, tuple[type[ChannelError], str]]] = {
    "BUSY": (TemporaryFailure, "temporary"),
    "WAIT": (AccountWideFailure, "rate_limited"),
    "NOBODY": (PermanentFailure, "unknown_recipient"),
    "NO": (PermanentFailure, "refused"),
    "WHO": (AccountProblem, "account_problem"),
}


class Pager:
    """Pages one person."""

    name: ClassVar[str] = "pager"
    kind: ClassVar[str] = "sms"
    label: ClassVar[str] = "Pager"
    can: ClassVar[Capabilities] = Capabilities(window=10, unknown_policy="resend", max_length=160)
    account_fields: ClassVar[tuple[Field, ...]] = (
        Field(name="host", label="Gateway", help="The name of the gateway."),
        Field(name="port", label="Port", kind="number", default="4444"),
        Field(name="password", label="Password", secret=True, help="The gateway's own."),
    )

    def open(self, account: Account) -> PagerSession:
        return PagerSession(account)

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        raise ForgedHook("The gateway never calls back.")

    def check(self, account: Account) -> list[Problem]:
        missing = find_missing(account, self.account_fields)
        if missing:
            return missing
        remedies = {ChannelError: "Look at the name of the gateway and its port."}
        return probe(lambda: _connect(account).close(), remedies=remedies, secrets=())


class PagerSession:
    """One connection a message: the gateway closes it after its answer."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        for message in messages:
            try:
                yield self._page(message)
            except ChannelError as err:
                yield err.outcome(message.id)

    def _page(self, message: Message) -> Outcome:
        if "\n" in message.text:
            raise UnsupportedContent("A page is one line.", reason="unsupported")
        with _connect(self._account) as gateway:
            try:
                gateway.sendall(f"{self._account.settings['password']} {message.to} {message.text}\n".encode())
                answer = _read_line(gateway)
            except OSError as err:
                raise OutcomeUnknown(f"No answer: {err}", reason="no_answer") from err
        if answer == "OK":
            return Outcome(id=message.id, kind=OutcomeKind.ACCEPTED)
        raise _refusal(answer)


def _connect(account: Account) -> socket.socket:
    """A connection to the gateway; nothing is said yet, so whatever goes wrong here is not unknown."""
    port = int(account.settings.get("port") or 4444)
    (host, *_) = check_host(str(account.settings["host"]), port, account.allow_private)
    try:
        return socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    except OSError as err:
        raise AccountWideFailure(f"The gateway cannot be reached: {err}", reason="temporary") from err


def _read_line(gateway: socket.socket) -> str:
    """The gateway's answer, whole and in time: half of one says nothing."""
    line, until = b"", time.monotonic() + ANSWER_SECONDS
    while not line.endswith(b"\n"):
        gateway.settimeout(max(0.001, until - time.monotonic()))
        piece = gateway.recv(100)
        line += piece
        if not piece or len(line) > 200:
            raise OutcomeUnknown("The gateway's answer has no end.", reason="no_answer")
    return line.decode("utf-8", "replace").strip()


def _refusal(answer: str) -> ChannelError:
    word, _, rest = answer.partition(" ")
    kind, reason = _REFUSALS.get(word, (OutcomeUnknown, "no_answer"))
    return kind(answer, reason=reason, retry_after=float(rest) if word == "WAIT" and rest.isdigit() else None)
