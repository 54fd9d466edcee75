"""The local SendGrid: takes `POST /v3/mail/send` and keeps each message as the e-mail that it would become."""

from __future__ import annotations

from collections.abc import Mapping
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final
from uuid import uuid4

from outreach.core.vocabulary import Channel
from outreach.sandbox.listener import Call, HttpPeer, Reply
from outreach.sandbox.store import Arrival, MessageStore

#: Lists of whom it does not write to any more; nobody is on them here.
_LISTS: Final = frozenset(
    f"/v3/suppression/{name}" for name in ("bounces", "invalid_emails", "spam_reports", "unsubscribes")
)


class SendGridPeer(HttpPeer):
    """Stands in for api.sendgrid.com; any API key is let in."""

    def __init__(self, port: int, store: MessageStore) -> None:
        super().__init__(port)
        self._store = store

    def answer(self, call: Call) -> Reply:
        if not call.headers.get("authorization", "").startswith("Bearer "):
            return _errors(401, "The provided authorization grant is invalid, expired, or revoked")
        if (call.method, call.path) == ("GET", "/v3/scopes"):
            return Reply(status=200, body={"scopes": ["mail.send", "sender_verification_eligible"]})
        if (call.method, call.path) == ("POST", "/v3/mail/send"):
            return self._send(call.json())
        if call.method == "GET" and call.path in _LISTS:
            return Reply(status=200, body=[])
        if (call.method, call.path) == ("POST", "/v3/asm/suppressions/global"):
            return Reply(status=201, body={"recipient_emails": call.json().get("recipient_emails", [])})
        return _errors(404, f"There is no {call.method} {call.path}")

    def _send(self, mail: Mapping[str, Any]) -> Reply:
        fault = _find_fault(mail)
        if fault:
            return _errors(400, fault[1], field=fault[0])
        message_id = uuid4().hex[:22]
        try:
            arrivals = [
                _as_arrival({**mail, **person}, recipient, message_id)
                for person in mail["personalizations"]
                for recipient in person["to"]
            ]
        except (ValueError, MessageError) as err:
            return _errors(400, f"Bad Request: {err}")
        self._store.keep(*arrivals).result()
        return Reply(status=202, headers={"X-Message-Id": message_id})


def _find_fault(mail: Mapping[str, Any]) -> tuple[str, str] | None:
    people = mail.get("personalizations")
    if not isinstance(people, list) or not people:
        return "personalizations", "The personalizations field is required and must have at least one personalization."
    recipients = [one for person in people for one in (person.get("to") or [{}])]
    if not all("@" in str(recipient.get("email") or "") for recipient in recipients):
        return "personalizations.0.to.0.email", "Does not contain a valid address."
    if "@" not in str((mail.get("from") or {}).get("email") or ""):
        return "from.email", "The from email does not contain a valid address."
    if not mail.get("subject"):
        return "subject", "The subject is required."
    if not mail.get("content") or not all(part.get("value") for part in mail["content"]):
        return "content", "The content value must be a string at least one character in length."
    return None


def _errors(status: int, words: str, *, field: str | None = None) -> Reply:
    return Reply(status=status, body={"errors": [{"message": words, "field": field, "help": None}]})


def _as_arrival(mail: Mapping[str, Any], recipient: Mapping[str, Any], provider_id: str) -> Arrival:
    tags = {str(tag): str(value) for tag, value in (mail.get("substitutions") or {}).items()}
    mail = {**mail, "subject": _substituted(str(mail["subject"]), tags)}
    texts = {str(part.get("type")): _substituted(str(part["value"]), tags) for part in mail["content"]}
    return Arrival(
        channel=Channel.EMAIL.value,
        recipient=str(recipient["email"]),
        sender=str(mail["from"]["email"]),
        subject=str(mail["subject"]),
        body=texts.get("text/plain") or texts.get("text/html", ""),
        raw=_as_email(mail, recipient, texts).as_bytes(),
        provider_id=provider_id,
    )


def _substituted(text: str, tags: Mapping[str, str]) -> str:
    for tag, value in tags.items():
        text = text.replace(tag, value)
    return text


def _as_email(mail: Mapping[str, Any], recipient: Mapping[str, Any], texts: Mapping[str, str]) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = _address(mail["from"]), _address(recipient)
    message["Subject"] = str(mail["subject"])
    if mail.get("reply_to"):
        message["Reply-To"] = _address(mail["reply_to"])
    for name, value in (mail.get("headers") or {}).items():
        message[name] = str(value)
    for name, value in (mail.get("custom_args") or {}).items():
        message[f"X-SendGrid-{name}"] = str(value)
    plain, html = texts.get("text/plain", ""), texts.get("text/html", "")
    message.set_content(plain or html, subtype="plain" if plain else "html")
    if plain and html:
        message.add_alternative(html, subtype="html")
    return message


def _address(person: Mapping[str, Any]) -> Address:
    return Address(display_name=str(person.get("name") or ""), addr_spec=str(person["email"]))
