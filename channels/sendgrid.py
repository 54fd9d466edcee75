"""E-mail through the official `sendgrid` SDK, its signed event webhook, and Inbound Parse."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from email.header import Header as EncodedHeader
from email.utils import parseaddr
from typing import Any, ClassVar, Final

import python_http_client
import requests
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Attachment, Content, CustomArg, Email, Header, Mail, Personalization, ReplyTo, To

from channels.base import (
    Account,
    AccountProblem,
    Capabilities,
    ChannelError,
    Field,
    Hook,
    Message,
    OutcomeUnknown,
    Part,
    PermanentFailure,
    Problem,
    ProviderEvent,
    UnsupportedContent,
)
from channels.client import CONNECT_SECONDS, READ_SECONDS, GuardedTransport, as_answer, guard
from channels.exchange import HttpSession, find_missing, probe, refusal, secrets_of
from channels.sendgrid_hooks import is_signed, read_events, read_inbound, verify

_API: Final = "https://api.sendgrid.com"

#: Headers that SendGrid sets itself and refuses to be given (https://docs.sendgrid.com/api-reference/mail-send/errors).
_ITS_OWN_HEADERS: Final = frozenset(
    {
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
        "date",
    }
)

#: Fields of a refused request whose fault is one message's, not the account's.
_REFUSED_FIELDS: Final[Mapping[str, tuple[type[ChannelError], str]]] = {
    "personalizations": (PermanentFailure, "invalid_address"),
    "from": (AccountProblem, "account_problem"),
    "content": (UnsupportedContent, "unsupported"),
    "subject": (UnsupportedContent, "unsupported"),
    "headers": (UnsupportedContent, "unsupported"),
}


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
        return found + _find_missing_key(account)


class SendGridSession(HttpSession):
    at_once: ClassVar[int] = 10

    def __init__(self, account: Account) -> None:
        settings = account.settings
        key, base_url = str(settings.get("api_key") or ""), str(settings.get("base_url") or _API).rstrip("/")
        self._sender = str(settings.get("sender") or "")
        connections = guard(requests.Session(), GuardedTransport(allow_private=account.allow_private))
        connections.hooks["response"].append(_judge)
        super().__init__(connections, secrets=(key,))
        self._api = SendGridAPIClient(key, host=base_url)
        self._api.client = _Client(connections, host=base_url, request_headers=self._api._default_headers, version=3)

    def post(self, message: Message) -> str:
        answer = self._api.send(_compose(message, message.sender or self._sender))
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


class _Client(python_http_client.Client):  # type: ignore[misc]  # the SDK has no types
    """The SDK's own client over our connections: it would open a new one, through any proxy, for each call."""

    def __init__(self, connections: requests.Session, **settings: Any) -> None:
        super().__init__(**settings)
        self._connections = connections

    def _build_client(self, name: str | None = None) -> _Client:
        path = [*self._url_path, name] if name else self._url_path
        return _Client(
            self._connections,
            host=self.host,
            version=self._version,
            request_headers=self.request_headers,
            url_path=path,
        )

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> _Answered:
        response = self._connections.request(
            request.get_method(), request.full_url, data=request.data, headers=dict(request.header_items())
        )
        return _Answered(response)


class _Answered:
    """A `requests` answer with the three methods that the SDK reads from urllib's."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response

    def getcode(self) -> int:
        return self._response.status_code

    def read(self) -> bytes:
        return self._response.content

    def info(self) -> Mapping[str, str]:
        return self._response.headers


_REMEDIES: Final[Mapping[type[ChannelError], str]] = {
    AccountProblem: "Make an API key with the right to send mail under Settings, API Keys.",
    ChannelError: "Check the base URL and the network, then try again.",
}


def _compose(message: Message, sender: str) -> Mail:
    if not (message.subject.strip() and (message.text.strip() or message.html.strip())):
        raise UnsupportedContent("An e-mail needs a subject and a text.", reason="unsupported")
    name, address = parseaddr(sender)
    mail = Mail(from_email=Email(address, name or None), subject=message.subject)
    mail.add_personalization(_addressed(message))
    for mime_type, body in (("text/plain", message.text), ("text/html", message.html)):
        if body.strip():
            mail.add_content(Content(mime_type, body))
    if message.reply_to:
        reply_name, reply_address = parseaddr(message.reply_to)
        mail.reply_to = ReplyTo(reply_address, reply_name or None)
    for header, value in _headers(message):
        mail.add_header(Header(header, value))
    for part in message.parts:
        mail.add_attachment(_attachment(part))
    return mail


def _attachment(part: Part) -> Attachment:
    # SendGrid refuses a type with parameters, and has no other place for them: a calendar names its method itself.
    return Attachment(
        file_content=base64.b64encode(part.data).decode(),
        file_name=part.name,
        file_type=part.media_type.partition(";")[0],
        disposition="inline" if part.content_id else "attachment",
        content_id=part.content_id or None,
    )


def _addressed(message: Message) -> Personalization:
    """The recipient, with the delivery's id, which every event about this recipient gives back."""
    personalization = Personalization()
    personalization.add_to(To(message.to))
    personalization.add_custom_arg(CustomArg("delivery", message.id))
    return personalization


def _headers(message: Message) -> Iterable[tuple[str, str]]:
    if message.message_id:
        yield "Message-ID", f"<{message.message_id}>"
    for name, value in message.headers:
        if name.lower() not in _ITS_OWN_HEADERS:
            yield name, value if value.isascii() else EncodedHeader(value, "utf-8").encode()


def _judge(response: requests.Response, *_: Any, **__: Any) -> None:
    answer = as_answer(response)
    if answer.status >= 400:
        raise _refused(answer.status, answer.json(), answer.headers)
    if response.request.method == "POST" and answer.status != 202:
        # 200 is what the sandbox mode and captive portals answer: nothing says that the message was queued.
        raise OutcomeUnknown(f"SendGrid answered {answer.status} and not 202.", reason="no_answer")


def _refused(status: int, body: Any, headers: Mapping[str, str]) -> ChannelError:
    listed = body.get("errors") if isinstance(body, dict) else None
    errors = [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []
    detail = "; ".join(str(error.get("message") or "") for error in errors)
    field = str(errors[0].get("field") or "").partition(".")[0] if errors else ""
    if status == 400 and field in _REFUSED_FIELDS:
        kind, reason = _REFUSED_FIELDS[field]
        return kind(f"400: {detail}", reason=reason, status=status)
    return refusal(status, detail, headers=headers)


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
