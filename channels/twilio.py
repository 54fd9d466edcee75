"""SMS through the official `twilio` SDK. What Twilio calls us with is read in `twilio_hooks`."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, ClassVar, Final

import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from channels.base import (
    Account,
    AccountProblem,
    AccountWideFailure,
    Capabilities,
    ChannelError,
    Field,
    Hook,
    Message,
    OutcomeUnknown,
    PermanentFailure,
    Problem,
    ProviderEvent,
    UnsupportedContent,
)
from channels.client import CONNECT_SECONDS, READ_SECONDS, GuardedTransport, as_answer, guard
from channels.exchange import HttpSession, find_missing, probe, refusal, retry_after, secrets_of
from channels.senders import find_sender_faults, find_sender_warnings
from channels.twilio_hooks import read_inbound, read_status, verified_form

_API: Final = "https://api.twilio.com"

#: Twilio's error codes (https://www.twilio.com/docs/api/errors) that say more than the status they come with.
_REFUSALS: Final[Mapping[int, tuple[type[ChannelError], str]]] = {
    14107: (AccountWideFailure, "rate_limited"),
    20003: (AccountProblem, "account_problem"),
    20005: (AccountProblem, "account_problem"),
    20429: (AccountWideFailure, "rate_limited"),
    21211: (PermanentFailure, "invalid_address"),
    21212: (AccountProblem, "account_problem"),
    21217: (PermanentFailure, "invalid_address"),
    21266: (PermanentFailure, "invalid_address"),
    21408: (PermanentFailure, "policy"),
    21421: (PermanentFailure, "invalid_address"),
    21601: (AccountProblem, "account_problem"),
    21602: (UnsupportedContent, "unsupported"),
    21603: (AccountProblem, "account_problem"),
    21604: (PermanentFailure, "invalid_address"),
    21606: (AccountProblem, "account_problem"),
    21608: (AccountProblem, "account_problem"),
    21610: (PermanentFailure, "suppressed"),
    21611: (AccountWideFailure, "rate_limited"),
    21612: (PermanentFailure, "refused"),
    21614: (PermanentFailure, "invalid_address"),
    21617: (UnsupportedContent, "unsupported"),
    21619: (UnsupportedContent, "unsupported"),
    21635: (PermanentFailure, "invalid_address"),
    21659: (AccountProblem, "account_problem"),
    21660: (AccountProblem, "account_problem"),
    21701: (AccountProblem, "account_problem"),
    21703: (AccountProblem, "account_problem"),
    21704: (AccountProblem, "account_problem"),
    21705: (AccountProblem, "account_problem"),
    30001: (AccountWideFailure, "rate_limited"),
    30002: (AccountProblem, "account_problem"),
    30034: (AccountProblem, "account_problem"),
    63038: (AccountWideFailure, "rate_limited"),
}


class Twilio:
    name: ClassVar[str] = "twilio"
    kind: ClassVar[str] = "sms"
    label: ClassVar[str] = "Twilio"
    can: ClassVar[Capabilities] = Capabilities(
        window=10,
        unknown_policy="hold",
        max_length=1600,
        inbound=True,
        receipts=True,
        paid=True,
        timeout=CONNECT_SECONDS + READ_SECONDS,
    )
    account_fields: ClassVar[tuple[Field, ...]] = (
        Field(name="account_sid", label="Account SID", help="It starts with AC and stands on Twilio's console."),
        Field(name="auth_token", label="Auth token", secret=True, help="It stands beside the account SID."),
        Field(
            name="sender",
            label="Sender",
            kind="phone",
            required=False,
            help="A number of the account, or a name of at most 11 letters. Not needed with a messaging service.",
        ),
        Field(
            name="messaging_service_sid",
            label="Messaging service SID",
            required=False,
            help="It starts with MG; the service chooses the sender.",
        ),
        Field(
            name="keywords",
            label="Answer STOP, START and HELP",
            kind="choice",
            choices=("yes", "no"),
            required=False,
            default="yes",
            help="They are obeyed in any case. No where the provider confirms them by itself.",
        ),
        Field(name="base_url", label="Base URL", kind="url", required=False, default=_API, help="Another API address."),
    )

    def open(self, account: Account) -> TwilioSession:
        return TwilioSession(account)

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        form = verified_form(hook, str(account.settings.get("auth_token") or ""))
        return [read_inbound(form) if hook.kind == "inbound" else read_status(form)]

    def find_faults(self, settings: Mapping[str, Any], kept: Container[str]) -> list[Problem]:
        return find_sender_faults(str(settings.get("sender") or ""))

    def check(self, account: Account) -> list[Problem]:
        problems = find_missing(account, self.account_fields) + _find_missing_sender(account)
        problems += self.find_faults(account.settings, ())
        if problems:
            return problems
        with self.open(account) as session:
            found = probe(session.ask_account, remedies=_REMEDIES, secrets=secrets_of(account, self.account_fields))
        return found or find_sender_warnings(str(account.settings.get("sender") or ""))


class TwilioSession(HttpSession):
    at_once: ClassVar[int] = 10

    def __init__(self, account: Account) -> None:
        settings = account.settings
        self._sid, token = str(settings.get("account_sid") or ""), str(settings.get("auth_token") or "")
        self._sender = str(settings.get("sender") or "")
        self._service = str(settings.get("messaging_service_sid") or "")
        base_url = str(settings.get("base_url") or _API)
        transport = GuardedTransport(allow_private=account.allow_private, base_url=base_url, instead_of=_API)
        http = TwilioHttpClient(timeout=READ_SECONDS, max_retries=0)
        guard(http.session, transport)
        http.session.hooks["response"].append(_judge)
        super().__init__(http.session, secrets=(token, f"{self._sid}:{token}"))
        # Where one is empty the SDK would take the environment's, or send without any.
        self._client = Client(self._sid, token, http_client=http) if self._sid and token else None

    def post(self, message: Message) -> str:
        if not message.text.strip():
            raise UnsupportedContent("An SMS needs a text.", reason="unsupported")
        created = self._api().messages.create(to=message.to, body=message.text, **self._origin(message))
        return str(created.sid)

    def ask_account(self) -> None:
        """Read the account itself, which proves the credentials.

        Raises:
            AccountProblem: they are wrong, or the account is suspended or closed.
        """
        status = str(self._api().api.v2010.accounts(self._sid).fetch().status)
        if status != "active":
            raise AccountProblem(f"Twilio says that the account is {status}.", reason="account_problem")

    def _api(self) -> Client:
        if self._client is None:
            raise AccountProblem("The account SID or the auth token is missing.", reason="account_problem")
        return self._client

    def _origin(self, message: Message) -> dict[str, str]:
        sender = message.sender or self._sender
        origin = {"from_": sender, "messaging_service_sid": self._service, "status_callback": message.callback_url}
        return {name: value for name, value in origin.items() if value}


def _judge(response: requests.Response, *_: Any, **__: Any) -> None:
    """Say what an answer means before the SDK reads it: it takes every body for JSON."""
    answer = as_answer(response)
    body = answer.json()
    if answer.status >= 400:
        raise _refused(answer.status, body if isinstance(body, dict) else {}, answer.headers)
    if not (isinstance(body, dict) and isinstance(body.get("sid"), str) and body["sid"]):
        raise OutcomeUnknown(f"Twilio answered {answer.status} without an id.", reason="no_answer")


def _refused(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> ChannelError:
    code, words = body.get("code"), str(body.get("message") or "")
    detail = f"{code} {words}".strip() if code else words
    if isinstance(code, int) and code in _REFUSALS and status < 500:
        kind, reason = _REFUSALS[code]
        return kind(detail, reason=reason, status=status, retry_after=retry_after(headers))
    return refusal(status, detail, headers=headers)


def _find_missing_sender(account: Account) -> list[Problem]:
    if account.settings.get("sender") or account.settings.get("messaging_service_sid"):
        return []
    return [
        Problem(
            severity="error",
            code="setting_missing",
            message="There is neither a sender nor a messaging service.",
            remedy="Fill in one of them.",
            field="sender",
        )
    ]


_REMEDIES: Final[Mapping[type[ChannelError], str]] = {
    AccountProblem: "Compare the account SID and the auth token with Twilio's console.",
    ChannelError: "Check the base URL and the network, then try again.",
}
