from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channels.base import Account, EventWord, Hook, Message, OutcomeKind, ProviderEvent
from tests.channels.contract import Case, Recorded, RecordedHook
from tests.channels.scripted import DROP, HTTP_TROUBLES, Http, Request, ScriptedPeer, running

API_KEY = "SG.the-api-key"
KEY = ec.derive_private_key(20261122, ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
SETTINGS = {
    "api_key": API_KEY,
    "sender": "Новини <news@example.org>",
    "event_public_key": PUBLIC_KEY,
    "category": "outreach",
}
ACCOUNT = Account(id="9", adapter="sendgrid", name="Mail", settings=SETTINGS)
URL = "https://outreach.example.org/hooks/secret/events"


def accept(request: Request) -> Http:
    if request.method == "GET":
        return Http(200, {"scopes": ["mail.send"]})
    return Http(202, b"", {"X-Message-Id": "mid-1", "Content-Type": ""})


@contextmanager
def sendgrid_peer() -> Iterator[ScriptedPeer]:
    def recipient(request: Request) -> list[str]:
        return [str(one["to"][0]["email"]) for one in json.loads(request.body)["personalizations"]]

    with running(ScriptedPeer(accept, recipient=recipient, provider="sendgrid")) as peer:
        peer.account = replace(ACCOUNT, settings=SETTINGS | {"base_url": peer.url}, allow_private=("127.0.0.0/8",))
        yield peer


def as_received(body: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Whom SendGrid writes to, and what: its tags replaced as its documents say."""
    received = []
    for person in body["personalizations"]:
        texts = [body["subject"], *(content["value"] for content in body["content"])]
        for tag, value in person.get("substitutions", {}).items():
            texts = [text.replace(tag, value) for text in texts]
        way_out = person["headers"].get("List-Unsubscribe", "")
        received.append((person["to"][0]["email"], way_out, texts[0], texts[1], texts[2]))
    return received


def errors(status: int, words: str, field: str | None = None, headers: Mapping[str, str] | None = None) -> Http:
    return Http(status, {"errors": [{"message": words, "field": field, "help": None}]}, headers or {})


def recorded(name: str, answer: Any, kind: OutcomeKind, reason: str, **more: Any) -> Recorded:
    return Recorded(name=name, answer=answer, kind=kind, reason=reason, **more)


def sign(body: bytes, timestamp: str = "1700000000") -> dict[str, str]:
    signature = KEY.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": timestamp,
    }


def batch(name: str, *pairs: tuple[dict[str, Any], ProviderEvent]) -> RecordedHook:
    body = json.dumps([raw for raw, _ in pairs], ensure_ascii=False).encode()
    hook = Hook(kind="events", url=URL, body=body, headers=sign(body))
    return RecordedHook(name=name, account=ACCOUNT, hook=hook, events=tuple(event for _, event in pairs))


def pair(word: EventWord, event: str, **more: Any) -> tuple[dict[str, Any], ProviderEvent]:
    """SendGrid's event and ours; `expected` holds what ours has besides."""
    expected = more.pop("expected", {})
    raw = {
        "email": "ana@example.org",
        "timestamp": 1700000000,
        "event": event,
        "sg_event_id": f"event-{event}",
        "sg_message_id": "mid-1.recvd-0",
        "delivery": "dlv_7",
        **more,
    }
    ours = ProviderEvent(
        word=word,
        event_id=f"event-{event}",
        message="dlv_7",
        provider_id="mid-1",
        at=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        address="ana@example.org",
        raw=raw,
    )
    return raw, replace(ours, **expected)


HARD = {"type": "bounce", "status": "5.1.1", "reason": "550 Няма такъв"}
SOFT = {"type": "blocked", "status": "5.7.1", "reason": "listed", "sg_event_id": "event-soft"}

MIME = (
    "From: Ана <ana@example.org>\r\nSubject: Re: Новини\r\nMessage-ID: <reply@example.org>\r\n"
    "In-Reply-To: <one@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nБлагодаря!\r\n"
).encode()


def multipart(fields: Mapping[str, bytes], boundary: str = "xYzZY") -> tuple[bytes, str]:
    parts = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary.encode(), name.encode(), value)
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--%s--\r\n" % boundary.encode(), f"multipart/form-data; boundary={boundary}"


def inbound_hook() -> RecordedHook:
    fields = {"to": "r@in.example.org", "from": "Ана <ana@example.org>", "subject": "Re: Новини", "SPF": "pass"}
    body, content_type = multipart({**{name: value.encode() for name, value in fields.items()}, "email": MIME})
    headers = {"content-type": content_type, **sign(body)}
    event = ProviderEvent(
        word=EventWord.REPLIED,
        event_id="reply@example.org",
        address="ana@example.org",
        subject="Re: Новини",
        in_reply_to="one@example.org",
        mime=MIME,
        raw=fields,
    )
    hook = Hook(kind="inbound", url=URL.replace("events", "inbound"), body=body, headers=headers)
    return RecordedHook(name="inbound", account=ACCOUNT, hook=hook, events=(event,))


CASE = Case(
    adapter="sendgrid",
    peer=sendgrid_peer,
    message=Message(id="m", to="ana@example.org", subject="Новини", text="Текст", html="<p>Текст</p>"),
    recorded=(
        recorded("accepts", Http(202, b"", {"X-Message-Id": "a"}), OutcomeKind.ACCEPTED, ""),
        recorded(
            "invalid-address",
            errors(400, "Does not contain a valid address.", "personalizations.0.to.0.email"),
            OutcomeKind.PERMANENT,
            "invalid_address",
        ),
        recorded("foreign-sender", errors(400, "from?", "from.email"), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("bad-content", errors(400, "content?", "content.0.value"), OutcomeKind.UNSUPPORTED, "unsupported"),
        recorded("field-we-do-not-know", errors(400, "what?", "x"), OutcomeKind.PERMANENT, "refused"),
        recorded("wrong-key", errors(401, f"Not {API_KEY}"), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("unverified-sender", errors(403, "from", "from"), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("too-large", errors(413, "too large"), OutcomeKind.UNSUPPORTED, "unsupported"),
        recorded(
            "too-many",
            errors(429, "slow down", headers={"Retry-After": "2"}),
            OutcomeKind.TEMPORARY,
            "rate_limited",
            retry_after=2.0,
            scope="account",
        ),
        recorded("unavailable", Http(503), OutcomeKind.TEMPORARY, "temporary", scope="account"),
        recorded("broken", errors(500, "oops"), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("gateway-timeout", Http(504, b"<html>"), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("dropped", DROP, OutcomeKind.UNKNOWN, "no_answer"),
        recorded("page-of-a-portal", Http(200, b"<html>Log in</html>"), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("huge", Http(202, b" " * 2_000_000), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("redirect", Http(301, headers={"Location": "/"}), OutcomeKind.ACCOUNT, "account_problem"),
    ),
    troubles=HTTP_TROUBLES,
    unsupported=(
        Message(id="without-subject", to="ana@example.org", text="Текст"),
        Message(id="without-text", to="ana@example.org", subject="Новини", text=" "),
    ),
    hooks=(
        batch(
            "words",
            pair(EventWord.ACCEPTED, "processed"),
            pair(EventWord.DELIVERED, "delivered", response="250 OK", expected={"reason": "250 OK"}),
            pair(EventWord.DELAYED, "deferred", response="busy", expected={"reason": "busy"}),
            pair(EventWord.BOUNCED, "bounce", **HARD, expected={"hard": True, "reason": "550 Няма такъв"}),
            pair(
                EventWord.BOUNCED,
                "bounce",
                **SOFT,
                expected={"hard": False, "reason": "listed", "event_id": "event-soft"},
            ),
            pair(EventWord.REJECTED, "dropped", reason="Bounced Address", expected={"reason": "Bounced Address"}),
            pair(
                EventWord.OPENED,
                "open",
                useragent="Mozilla/5.0",
                sg_machine_open=True,
                expected={"user_agent": "Mozilla/5.0", "machine": True},
            ),
            pair(EventWord.CLICKED, "click", url="https://example.org/", expected={"url": "https://example.org/"}),
            pair(EventWord.COMPLAINED, "spamreport"),
            pair(EventWord.UNSUBSCRIBED, "unsubscribe"),
            pair(EventWord.UNSUBSCRIBED, "group_unsubscribe"),
            pair(EventWord.RESUBSCRIBED, "group_resubscribe"),
            pair(EventWord.UNKNOWN, "teleported"),
        ),
        batch(
            "without-its-fields",
            ({}, ProviderEvent(word=EventWord.UNKNOWN, event_id=f"made:{sha256(b'{}').hexdigest()[:32]}", raw={})),
        ),
        batch("nothing"),
        inbound_hook(),
    ),
)
