"""What the HTTP adapters share above the door: a session over an SDK, what refusals mean, redaction, the check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import ClassVar, Final, Self, TypeVar

import requests

from channels.base import (
    Account,
    AccountProblem,
    AccountWideFailure,
    ChannelError,
    Field,
    Message,
    Outcome,
    OutcomeKind,
    OutcomeUnknown,
    PermanentFailure,
    Problem,
    TemporaryFailure,
    UnsupportedContent,
)

#: What an SDK may raise over an answer that is not what its provider promised. The request had left by then.
_SDK_STUMBLES: Final = (requests.RequestException, ValueError, LookupError, TypeError, AttributeError)


Item = TypeVar("Item")
Told = TypeVar("Told")


class Connected(ABC):
    """A session over one provider's kept connections; no secret gets into what it tells."""

    def __init__(self, connections: requests.Session, *, secrets: Iterable[str]) -> None:
        self._connections = connections
        self._secrets = tuple(secrets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.close()

    @abstractmethod
    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        """As `channels.base.Session` says."""

    def _redacted(self, outcome: Outcome) -> Outcome:
        return replace(outcome, detail=redact(outcome.detail, self._secrets)[:500])


class HttpSession(Connected):
    """A session with one call a message, over an SDK client or plain: every error becomes an Outcome."""

    #: Requests under way at once; the adapter's window bounds it.
    at_once: ClassVar[int] = 1

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        return hand_over(messages, self._send_one, at_once=self.at_once)

    @abstractmethod
    def post(self, message: Message) -> str:
        """Make the one call that sends `message`; return the provider's id of it.

        Raises:
            ChannelError: the provider did not take it, or did not say.
        """

    def _send_one(self, message: Message) -> Outcome:
        return self._tell([message], lambda: self.post(message))[0]

    def _tell(self, messages: Sequence[Message], post: Callable[[], str]) -> list[Outcome]:
        """Make the one call that sends these messages; the outcome of each."""
        try:
            provider_id = post()
            outcomes = [Outcome(id=one.id, kind=OutcomeKind.ACCEPTED, provider_id=provider_id) for one in messages]
        except ChannelError as err:
            outcomes = [err.outcome(one.id) for one in messages]
        except _SDK_STUMBLES as err:
            stumble = OutcomeUnknown(f"The answer makes no sense: {type(err).__name__}: {err}", reason="no_answer")
            outcomes = [stumble.outcome(one.id) for one in messages]
        return [self._redacted(outcome) for outcome in outcomes]


def hand_over(items: Iterable[Item], send_one: Callable[[Item], Told], *, at_once: int) -> Iterator[Told]:
    """Send messages, or groups of them, with up to `at_once` requests under way; outcomes come as they become known.

    One is pulled only when there is room for its request. `send_one` makes an Outcome of every error.
    """
    under_way: set[Future[Told]] = set()
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="hand-over") as pool:
        for item in items:
            under_way.add(pool.submit(send_one, item))
            if len(under_way) >= at_once:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in as_completed(under_way))


#: Refusals that mean the same with every provider. Where the status alone decides:
#: - 404 and 405 mean a wrong base URL or account, not a wrong message: no message may be lost over a setting;
#: - 503 says that the service did not take the request up. 500, 502 and 504 can come after the provider queued the
#:   message (a gateway's timeout does not stop what is behind it), so a second POST could send it twice.
_BY_STATUS: Final[Mapping[int, tuple[type[ChannelError], str]]] = {
    401: (AccountProblem, "account_problem"),
    402: (AccountProblem, "account_problem"),
    403: (AccountProblem, "account_problem"),
    404: (AccountProblem, "account_problem"),
    405: (AccountProblem, "account_problem"),
    408: (TemporaryFailure, "temporary"),
    413: (UnsupportedContent, "unsupported"),
    425: (TemporaryFailure, "temporary"),
    429: (AccountWideFailure, "rate_limited"),
    503: (AccountWideFailure, "temporary"),
}


def refusal(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> ChannelError:
    """The error that a provider's status means after a call that sends; never call it for an understood success."""
    kind, reason = _BY_STATUS.get(status) or _by_class(status)
    text = f"{status}: {detail}" if detail else f"The provider answered {status}."
    return kind(text, reason=reason, status=status, retry_after=retry_after(headers or {}))


def _by_class(status: int) -> tuple[type[ChannelError], str]:
    return (PermanentFailure, "refused") if 400 <= status < 500 else (OutcomeUnknown, "no_answer")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asked us to wait: Retry-After as seconds or date, or X's x-rate-limit-reset."""
    lowered = {name.lower(): value for name, value in headers.items()}
    asked, reset = lowered.get("retry-after", ""), lowered.get("x-rate-limit-reset", "")
    with suppress(ValueError, OverflowError, TypeError):
        if asked:
            return max(0.0, float(asked) if asked.replace(".", "", 1).isdigit() else _until(asked))
        if reset:
            return max(0.0, float(reset) - datetime.now(UTC).timestamp())
    return None


def _until(date: str) -> float:
    return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets, also where they stand encoded as for HTTP's basic authentication."""
    for secret in sorted({value for value in secrets if len(value) > 3}, key=len, reverse=True):
        text = text.replace(secret, "***").replace(b64encode(secret.encode()).decode(), "***")
    return text


def secrets_of(account: Account, fields: Iterable[Field]) -> tuple[str, ...]:
    return tuple(str(account.settings.get(field.name) or "") for field in fields if field.secret)


def find_missing(account: Account, fields: Iterable[Field]) -> list[Problem]:
    """A problem for each required setting that is empty."""
    return [
        Problem(
            severity="error",
            code="setting_missing",
            message=f"{field.label} is missing.",
            remedy=field.help or "Fill it in.",
            field=field.name,
        )
        for field in fields
        if field.required and not field.default and not str(account.settings.get(field.name) or "").strip()
    ]


def probe(
    ask: Callable[[], None], *, remedies: Mapping[type[ChannelError], str], secrets: Iterable[str]
) -> list[Problem]:
    """Make one call that sends nothing; a failure becomes the one problem it means."""
    try:
        ask()
    except ChannelError as err:
        remedy = next((text for kind, text in remedies.items() if isinstance(err, kind)), "Try again later.")
        code = "account" if isinstance(err, AccountProblem) else "unreachable"
        return [Problem(severity="error", code=code, message=redact(err.detail, secrets)[:500], remedy=remedy)]
    except _SDK_STUMBLES as err:
        message = f"The provider's answer makes no sense: {type(err).__name__}"
        return [Problem(severity="error", code="answer", message=message, remedy="Correct the base URL.")]
    return []
