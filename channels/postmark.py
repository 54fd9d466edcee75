"""E-mail through Postmark: many messages in one request, each with an answer of its own, and its webhooks."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hmac import compare_digest
from itertools import islice
from typing import Any, ClassVar, Final

import requests

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
    UnsupportedContent,
)
from channels.client import CONNECT_SECONDS, READ_SECONDS, Answer, GuardedTransport, as_answer, guard
from channels.exchange import Connected, find_missing, probe, refusal, secrets_of
from channels.postmark_hooks import read_hook
from channels.postmark_mail import compose

_API: Final = "https://api.postmarkapp.com"
#: Messages in one request; Postmark takes 500, but so many are in doubt where its answer is lost.
_MOST: Final = 50
#: Error codes (https://postmarkapp.com/developer/api/overview#error-codes) of a message, or of the whole request.
_REFUSALS: Final[Mapping[int, tuple[type[ChannelError], str]]] = {
    10: (AccountProblem, "account_problem"),
    100: (AccountWideFailure, "temporary"),
    400: (AccountProblem, "account_problem"),
    401: (AccountProblem, "account_problem"),
    405: (AccountProblem, "account_problem"),
    406: (PermanentFailure, "suppressed"),
    412: (AccountProblem, "account_problem"),
    413: (AccountProblem, "account_problem"),
    429: (AccountWideFailure, "rate_limited"),
    1235: (AccountProblem, "account_problem"),
}
#: Code 300 stands for everything that may be wrong in a message; its words say what it is.
_INVALID: Final = 300
_INVALID_PARTS: Final[Mapping[str, tuple[type[ChannelError], str]]] = {
    "'to'": (PermanentFailure, "invalid_address"),
    "'from'": (AccountProblem, "account_problem"),
    "subject": (UnsupportedContent, "unsupported"),
    "body": (UnsupportedContent, "unsupported"),
    "header": (UnsupportedContent, "unsupported"),
    "size": (UnsupportedContent, "unsupported"),
}


class Postmark:
    name: ClassVar[str] = "postmark"
    kind: ClassVar[str] = "email"
    label: ClassVar[str] = "Postmark"
    can: ClassVar[Capabilities] = Capabilities(
        window=_MOST,
        unknown_policy="resend",
        subject=True,
        html=True,
        files=True,
        inbound=True,
        receipts=True,
        threads=True,
        timeout=CONNECT_SECONDS + READ_SECONDS,
    )
    account_fields: ClassVar[tuple[Field, ...]] = (
        Field(name="server_token", label="Server API token", secret=True, help="Shown under API Tokens of the server."),
        Field(name="sender", label="Sender", help="As in: Name <news@example.org>; a confirmed sender signature."),
        Field(
            name="message_stream",
            label="Message stream",
            default="broadcast",
            help="Newsletters must go through a broadcast stream.",
        ),
        Field(name="base_url", label="Base URL", kind="url", required=False, default=_API, help="Another API address."),
        Field(
            name="hook_password",
            label="Password of the webhooks",
            secret=True,
            required=False,
            help="Written into each webhook with the user name outreach; without it no event is believed.",
        ),
    )

    def open(self, account: Account) -> PostmarkSession:
        return PostmarkSession(account)

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        """Read one event or one inbound message; Postmark signs nothing, but logs in with the webhook's password."""
        password = str(account.settings.get("hook_password") or "")
        expected = b"Basic " + b64encode(f"outreach:{password}".encode())
        given = hook.headers.get("authorization", "").encode("utf-8", "replace")
        if not (password and compare_digest(given, expected)):
            raise ForgedHook("The call-back does not know the password of the webhooks.")
        return read_hook(hook)

    def check(self, account: Account) -> list[Problem]:
        problems = find_missing(account, self.account_fields)
        if problems:
            return problems
        with self.open(account) as session:
            found = probe(session.ask_server, remedies=_REMEDIES, secrets=secrets_of(account, self.account_fields))
            is_sandbox = session.is_sandbox
        return found + ([_SANDBOX] if is_sandbox else []) + _find_missing_password(account)


_REMEDIES: Final[Mapping[type[ChannelError], str]] = {
    AccountProblem: "Compare the server API token with Postmark's page of the server, under API Tokens.",
    ChannelError: "Check the base URL and the network, then try again.",
}

_SANDBOX: Final = Problem(
    severity="error",
    code="sandbox",
    message="The server is a sandbox, so Postmark delivers nothing.",
    remedy="Use the token of a live server.",
    field="server_token",
)


class PostmarkSession(Connected):
    """One request a window: its messages leave together, and each is answered by itself."""

    def __init__(self, account: Account) -> None:
        settings = account.settings
        self._token = str(settings.get("server_token") or "")
        self._base_url = str(settings.get("base_url") or _API).rstrip("/")
        self._sender = str(settings.get("sender") or "")
        self._stream = str(settings.get("message_stream") or "broadcast")
        connections = guard(requests.Session(), GuardedTransport(allow_private=account.allow_private))
        super().__init__(connections, secrets=(self._token,))
        #: Whether `ask_server` learned that its server delivers nothing.
        self.is_sandbox = False

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        source = iter(messages)
        while window := list(islice(source, _MOST)):
            yield from (self._redacted(outcome) for outcome in self._send_window(window))

    def _send_window(self, window: list[Message]) -> Iterator[Outcome]:
        composed: dict[str, Mapping[str, Any]] = {}
        for message in window:
            try:
                composed[message.id] = compose(message, sender=message.sender or self._sender, stream=self._stream)
            except UnsupportedContent as err:
                yield err.outcome(message.id)
        if not composed:
            return
        try:
            answers = self._post(list(composed.values()))
        except ChannelError as err:
            yield from (err.outcome(id_) for id_ in composed)
        else:
            yield from (_outcome(id_, answers[n] if n < len(answers) else None) for n, id_ in enumerate(composed))

    def _post(self, mails: list[Mapping[str, Any]]) -> list[Any]:
        answer = self._call("POST", "/email/batch", json.dumps(mails).encode())
        body = answer.json()
        if not isinstance(body, list):
            raise OutcomeUnknown(f"Postmark answered {answer.status} without a list.", reason="no_answer")
        return body

    def ask_server(self) -> None:
        """Read the server that the token belongs to.

        Raises:
            AccountProblem: the token is nobody's.
        """
        server = self._call("GET", "/server").json()
        if not (isinstance(server, dict) and server.get("Name")):
            raise OutcomeUnknown("Postmark did not say which server the token belongs to.", reason="no_answer")
        self.is_sandbox = server.get("DeliveryType") == "Sandbox"

    def _call(self, method: str, path: str, body: bytes | None = None) -> Answer:
        headers = {"Accept": "application/json", "X-Postmark-Server-Token": self._token}
        headers |= {"Content-Type": "application/json"} if body else {}
        try:
            answer = as_answer(self._connections.request(method, self._base_url + path, data=body, headers=headers))
        except requests.RequestException as err:  # the guard made ChannelErrors of all that came after the request left
            raise AccountProblem(f"The request cannot be made: {err}", reason="account_problem") from err
        if answer.status >= 400:
            raise _refused(answer)
        return answer


def _outcome(id_: str, answer: Any) -> Outcome:
    """What Postmark said of one message of the request."""
    code = answer.get("ErrorCode") if isinstance(answer, dict) else None
    if not isinstance(code, int) or (code == 0 and not answer.get("MessageID")):
        return OutcomeUnknown("Postmark did not say what became of it.", reason="no_answer").outcome(id_)
    if code == 0:
        return Outcome(id=id_, kind=OutcomeKind.ACCEPTED, provider_id=str(answer["MessageID"]))
    words = str(answer.get("Message") or "")
    kind, reason = _meaning(code, words)
    return kind(f"{code}: {words}", reason=reason).outcome(id_)


def _meaning(code: int, words: str) -> tuple[type[ChannelError], str]:
    if code == _INVALID:
        said = words.lower()
        return next(
            (meaning for part, meaning in _INVALID_PARTS.items() if part in said), (PermanentFailure, "refused")
        )
    return _REFUSALS.get(code, (PermanentFailure, "refused"))


def _refused(answer: Answer) -> ChannelError:
    """Why the whole request was refused: not for the sake of one of its messages, so none of them may be lost."""
    answered = answer.json()
    body = answered if isinstance(answered, dict) else {}
    code, words = body.get("ErrorCode"), str(body.get("Message") or "")
    found = refusal(answer.status, f"{code} {words}" if code else words, headers=answer.headers)
    kind, reason = _REFUSALS.get(code, (AccountProblem, "account_problem")) if isinstance(code, int) else (None, "")
    if kind in (AccountProblem, AccountWideFailure) and answer.status < 500:
        return kind(found.detail, reason=reason, status=answer.status, retry_after=found.retry_after)
    return AccountProblem(found.detail, reason="account_problem") if isinstance(found, PermanentFailure) else found


def _find_missing_password(account: Account) -> list[Problem]:
    if account.settings.get("hook_password"):
        return []
    return [
        Problem(
            severity="warning",
            code="events_unsigned",
            message="Postmark's events cannot be verified, so bounces and complaints will not be seen.",
            remedy="Think of a password, and write it here and into each webhook with the user name outreach.",
            field="hook_password",
        )
    ]
