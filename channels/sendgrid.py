"""E-mail through the official `sendgrid` SDK, its signed event webhook, and Inbound Parse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, Final

import requests
from sendgrid import SendGridAPIClient

from channels.base import (
    Account,
    AccountProblem,
    Capabilities,
    ChannelError,
    Field,
    Hook,
    Message,
    Outcome,
    OutcomeUnknown,
    Problem,
    ProviderEvent,
)
from channels.client import CONNECT_SECONDS, READ_SECONDS, GuardedTransport, as_answer, guard
from channels.exchange import HttpSession, find_missing, hand_over, probe, secrets_of
from channels.sendgrid_answers import RecipientsRefused, refused
from channels.sendgrid_client import SdkClient
from channels.sendgrid_hooks import is_signed, read_events, read_inbound, verify
from channels.sendgrid_lists import add_to_list, read_lists
from channels.sendgrid_mail import compose, group

_API: Final = "https://api.sendgrid.com"


class SendGrid:
    name: ClassVar[str] = "sendgrid"
    kind: ClassVar[str] = "email"
    label: ClassVar[str] = "SendGrid"
    can: ClassVar[Capabilities] = Capabilities(
        window=10,
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
        Field(name="api_key", label="API key", secret=True, help="Made under Settings, API Keys; it may send mail."),
        Field(name="sender", label="Sender", help="As in: Name <news@example.org>; verified with SendGrid."),
        Field(name="base_url", label="Base URL", kind="url", required=False, default=_API, help="Another API address."),
        Field(
            name="event_public_key",
            label="Verification key of the event webhook",
            required=False,
            help="Shown under Mail Settings once signatures are on; without it no event is believed.",
        ),
        Field(
            name="category",
            label="Category",
            required=False,
            default="outreach",
            help="What our messages are counted under in SendGrid's statistics.",
        ),
        Field(
            name="sandbox_mode",
            label="Sandbox mode",
            kind="choice",
            choices=("true", "false"),
            default="false",
            required=False,
            help="SendGrid checks each message and delivers none.",
        ),
        Field(
            name="compare_lists",
            label="Compare the lists of whom not to write to",
            kind="choice",
            choices=("true", "false"),
            default="true",
            required=False,
            help="Every hour, both ways. The API key needs the right to read and write suppressions.",
        ),
    )

    def open(self, account: Account) -> SendGridSession:
        return SendGridSession(account)

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        """Read a signed batch of events, or one message of Inbound Parse.

        Inbound Parse carries a signature only where its security policy is on: it is checked where there is one.
        Without one, the unguessable part of the hook's URL, which the caller has checked, is all that SendGrid offers.
        """
        if hook.kind != "inbound" or is_signed(hook):
            verify(hook, str(account.settings.get("event_public_key") or ""))
        return read_inbound(hook) if hook.kind == "inbound" else read_events(hook.body)

    def check(self, account: Account) -> list[Problem]:
        problems = find_missing(account, self.account_fields)
        if problems:
            return problems
        with self.open(account) as session:
            found = probe(session.ask_scopes, remedies=_REMEDIES, secrets=secrets_of(account, self.account_fields))
        return found + _find_missing_key(account) + _find_sandbox(account)

    def fetch_suppressed(self, account: Account, since: datetime | None) -> Iterator[ProviderEvent]:
        """Whom SendGrid does not write to any more: it drops our messages to them before they leave."""
        if _compares_lists(account):
            with self.open(account) as session:
                yield from session.read_lists(since)

    def suppress(self, account: Account, addresses: Sequence[str]) -> None:
        """Put addresses on the account's list of global unsubscribes; done twice, it does no harm."""
        if _compares_lists(account):
            with self.open(account) as session:
                session.add_to_list(addresses)


class SendGridSession(HttpSession):
    at_once: ClassVar[int] = 10

    def __init__(self, account: Account) -> None:
        settings = account.settings
        key, base_url = str(settings.get("api_key") or ""), str(settings.get("base_url") or _API).rstrip("/")
        self._sender, self._category = str(settings.get("sender") or ""), str(settings.get("category") or "")
        self._is_sandbox = _is_sandbox(account)
        connections = guard(requests.Session(), GuardedTransport(allow_private=account.allow_private))
        connections.hooks["response"].append(self._judge)
        super().__init__(connections, secrets=(key,))
        self._api = SendGridAPIClient(key, host=base_url)
        self._api.client = SdkClient(connections, host=base_url, request_headers=self._api._default_headers, version=3)

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        """Messages of one form go by one request, never more than the window; all others by one each."""
        source = iter(messages)
        while window := list(islice(source, SendGrid.can.window)):
            for told in hand_over(group(window), self._send_group, at_once=self.at_once):
                yield from told

    def _send_group(self, messages: list[Message]) -> list[Outcome]:
        return self._tell(messages, lambda: self._post(messages))

    def post(self, message: Message) -> str:
        return self._post([message])

    def _post(self, messages: list[Message]) -> str:
        mail = compose(messages, sender=self._sender, category=self._category, is_sandbox=self._is_sandbox)
        try:
            answer = self._api.send(mail)
        except RecipientsRefused as err:
            err.ids = frozenset(message.id for n, message in enumerate(messages) if n in err.numbers)
            raise
        # 202 carries no body; the id that events give back is this header's.
        return str(answer.headers.get("X-Message-Id") or "")

    def ask_scopes(self) -> None:
        """Ask SendGrid what the key may do.

        Raises:
            AccountProblem: the key is wrong, or may not send.
        """
        scopes = self._api.client.scopes.get().to_dict
        if "mail.send" not in (scopes or {}).get("scopes", []):
            raise AccountProblem("The API key may not send mail.", reason="account_problem")

    def read_lists(self, since: datetime | None) -> Iterator[ProviderEvent]:
        return read_lists(self._api.client, since)

    def add_to_list(self, addresses: Sequence[str]) -> None:
        add_to_list(self._api.client, addresses)

    def _judge(self, response: requests.Response, *_: Any, **__: Any) -> None:
        answer = as_answer(response)
        if answer.status >= 400:
            raise refused(answer.status, answer.json(), answer.headers)
        is_sending = response.request.method == "POST" and str(response.request.url).endswith("/mail/send")
        expected = 200 if self._is_sandbox else 202
        if is_sending and (answer.status != expected or (answer.status == 200 and answer.body.strip())):
            # 200 is what the sandbox mode and captive portals answer: nothing says that the message was queued.
            raise OutcomeUnknown(f"SendGrid answered {answer.status} and not {expected}.", reason="no_answer")


_REMEDIES: Final[Mapping[type[ChannelError], str]] = {
    AccountProblem: "Make an API key with the right to send mail under Settings, API Keys.",
    ChannelError: "Check the base URL and the network, then try again.",
}


def _find_missing_key(account: Account) -> list[Problem]:
    if account.settings.get("event_public_key"):
        return []
    return [
        Problem(
            severity="warning",
            code="events_unsigned",
            message="SendGrid's events cannot be verified, so bounces and complaints will not be seen.",
            remedy="Turn the signed event webhook on and fill in its verification key.",
            field="event_public_key",
        )
    ]


def _is_sandbox(account: Account) -> bool:
    return str(account.settings.get("sandbox_mode") or "").lower() == "true"


def _compares_lists(account: Account) -> bool:
    return str(account.settings.get("compare_lists") or "true").lower() == "true"


def _find_sandbox(account: Account) -> list[Problem]:
    if not _is_sandbox(account):
        return []
    return [
        Problem(
            severity="warning",
            code="sandbox",
            message="The sandbox mode is on: SendGrid takes our messages, but delivers none.",
            remedy="Turn it off before a campaign goes.",
            field="sandbox_mode",
        )
    ]
