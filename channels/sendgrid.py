"""E-mail through the official `sendgrid` SDK, its signed event webhook, and Inbound Parse."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import Header as EncodedHeader
from email.policy import HTTP
from email.utils import parseaddr
from hashlib import sha256
from typing import Any, ClassVar, Final

import python_http_client
import requests
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import Content, CustomArg, Email, Header, Mail, Personalization, ReplyTo, To

from channels.base import (
    Account,
    AccountProblem,
    Capabilities,
    ChannelError,
    EventWord,
    Field,
    ForgedHook,
    Hook,
    Message,
    OutcomeUnknown,
    PermanentFailure,
    Problem,
    ProviderEvent,
    UnsupportedContent,
)
from channels.client import CONNECT_SECONDS, READ_SECONDS, GuardedTransport, as_answer, guard
from channels.exchange import HttpSession, find_missing, probe, refusal, secrets_of

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

_WORDS: Final[Mapping[str, EventWord]] = {
    "processed": EventWord.ACCEPTED,
    "delivered": EventWord.DELIVERED,
    "deferred": EventWord.DELAYED,
    "bounce": EventWord.BOUNCED,
    "dropped": EventWord.REJECTED,
    "open": EventWord.OPENED,
    "click": EventWord.CLICKED,
    "spamreport": EventWord.COMPLAINED,
    "unsubscribe": EventWord.UNSUBSCRIBED,
    "group_unsubscribe": EventWord.UNSUBSCRIBED,
    "group_resubscribe": EventWord.RESUBSCRIBED,
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
        key = str(account.settings.get("event_public_key") or "")
        if hook.kind == "inbound":
            if _SIGNATURE in hook.headers:
                _verify(hook, key)
            return _read_inbound(hook)
        _verify(hook, key)
        return _read_events(hook.body)

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

_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"


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
    return mail


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


def _verify(hook: Hook, key: str) -> None:
    signature, timestamp = hook.headers.get(_SIGNATURE, ""), hook.headers.get(_TIMESTAMP, "")
    try:
        genuine = bool(key and signature) and EventWebhook(key).verify_signature(
            hook.body.decode("utf-8"), signature, timestamp
        )
    except (ValueError, binascii.Error) as err:
        raise ForgedHook("The signature cannot be read.") from err
    if not genuine:
        raise ForgedHook("The signature is not SendGrid's.")


def _read_events(body: bytes) -> list[ProviderEvent]:
    try:
        batch = json.loads(body)
    except ValueError:
        return []
    return [_read_event(event) for event in batch if isinstance(event, dict)] if isinstance(batch, list) else []


def _read_event(event: Mapping[str, Any]) -> ProviderEvent:
    word = _WORDS.get(str(event.get("event")), EventWord.UNKNOWN)
    provider_id = str(event.get("sg_message_id") or "").partition(".")[0]
    return ProviderEvent(
        word=word,
        event_id=str(event.get("sg_event_id") or _made_id(event)),
        message=str(event.get("delivery") or ""),
        provider_id=provider_id,
        at=_time(event.get("timestamp")),
        hard=_is_hard(event) if word is EventWord.BOUNCED else None,
        reason=str(event.get("reason") or event.get("response") or "")[:500],
        address=str(event.get("email") or ""),
        url=str(event.get("url") or ""),
        user_agent=str(event.get("useragent") or ""),
        machine=event.get("sg_machine_open") if isinstance(event.get("sg_machine_open"), bool) else None,
        raw=dict(event),
    )


def _is_hard(event: Mapping[str, Any]) -> bool:
    """A bounce of type `blocked` is the receiver's passing refusal of us, not a wrong address."""
    return event.get("type") != "blocked" and not str(event.get("status") or "").startswith("4")


def _made_id(event: Mapping[str, Any]) -> str:
    return "made:" + sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()[:32]


def _time(timestamp: Any) -> datetime | None:
    if not isinstance(timestamp, int | float) or not 0 <= timestamp < 1e11:
        return None
    return datetime.fromtimestamp(timestamp, tz=UTC)


def _read_inbound(hook: Hook) -> list[ProviderEvent]:
    form = _parse_multipart(hook)
    mime = form.get("email", b"")
    message = message_from_bytes(mime) if mime else None
    message_id = str(message.get("Message-ID") or "").strip("<> \r\n") if message else ""
    fields = {name: value.decode("utf-8", "replace") for name, value in form.items() if name != "email"}
    return [
        ProviderEvent(
            word=EventWord.REPLIED,
            event_id=message_id or f"made:{sha256(hook.body).hexdigest()[:32]}",
            address=parseaddr(fields.get("from", ""))[1],
            text=fields.get("text", ""),
            subject=fields.get("subject", ""),
            in_reply_to=str(message.get("In-Reply-To") or "").strip("<> \r\n") if message else "",
            mime=mime,
            raw=fields,
        )
    ]


def _parse_multipart(hook: Hook) -> dict[str, bytes]:
    head = f"Content-Type: {hook.headers.get('content-type', '')}\r\n\r\n".encode("utf-8", "replace")
    parts = message_from_bytes(head + hook.body, policy=HTTP)
    form: dict[str, bytes] = {}
    for part in parts.iter_parts() if parts.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if name and isinstance(payload, bytes):
            form[str(name)] = payload
    return form
