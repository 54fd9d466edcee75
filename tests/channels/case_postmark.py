from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from channels.base import Account, EventWord, Hook, Message, OutcomeKind, ProviderEvent
from tests.channels.contract import Case, Recorded, RecordedHook
from tests.channels.scripted import DROP, HTTP_TROUBLES, Http, Request, ScriptedPeer, running

TOKEN, PASSWORD = "the-server-token", "the-hook-password"
SETTINGS = {
    "server_token": TOKEN,
    "sender": '"Новини, Съвет" <news@example.org>',
    "message_stream": "news",
    "hook_password": PASSWORD,
}
ACCOUNT = Account(id="p", adapter="postmark", name="Mail", settings=SETTINGS)
URL = "https://outreach.example.org/hooks/secret/events"
MESSAGE_ID = "883953f4-6105-42a2-a16a-77a8eac79483"
TAKEN = {"ErrorCode": 0, "Message": "OK", "MessageID": MESSAGE_ID, "To": "ana@example.org"}


def accept(request: Request) -> Http:
    if request.method == "GET":
        return Http(200, {"ID": 1, "Name": "Council", "DeliveryType": "Live"})
    return Http(200, [TAKEN | {"To": mail["To"]} for mail in json.loads(request.body)])


def named(request: Request) -> list[str]:
    return [str(mail["To"]) for mail in json.loads(request.body)]


@contextmanager
def postmark_peer() -> Iterator[ScriptedPeer]:
    with running(ScriptedPeer(accept, recipient=named, provider="postmark")) as peer:
        peer.account = replace(ACCOUNT, settings=SETTINGS | {"base_url": peer.url}, allow_private=("127.0.0.0/8",))
        yield peer


def one(code: int, words: str = "No") -> Http:
    """An answer about the message."""
    return Http(200, [{"ErrorCode": code, "Message": words}])


def all_of_it(status: int, code: int, words: str = "No", headers: Mapping[str, str] | None = None) -> Http:
    """An answer about the whole request."""
    return Http(status, {"ErrorCode": code, "Message": words}, headers or {})


def recorded(name: str, answer: Any, kind: OutcomeKind, reason: str, **more: Any) -> Recorded:
    return Recorded(name=name, answer=answer, kind=kind, reason=reason, **more)


def log_in(password: str = PASSWORD) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"outreach:{password}".encode()).decode()}


COMMON: dict[str, Any] = {"MessageID": MESSAGE_ID, "Metadata": {"delivery": "dlv_7"}, "MessageStream": "news"}
AT = datetime(2019, 11, 5, 16, 33, 54, 907025, tzinfo=UTC)
WHEN = "2019-11-05T16:33:54.9070259Z"


def told(name: str, word: EventWord, raw: dict[str, Any], **expected: Any) -> RecordedHook:
    body = json.dumps(COMMON | raw, ensure_ascii=False).encode()
    kept = {field: value for field, value in (COMMON | raw).items() if field not in {"Geo", "Content"}}
    event = ProviderEvent(
        word=word,
        event_id=f"{raw['RecordType']}:{raw['ID']}" if "ID" in raw else f"made:{sha256(body).hexdigest()[:32]}",
        message="dlv_7",
        provider_id=MESSAGE_ID,
        at=AT,
        address="ana@example.org",
        raw=kept,
    )
    return called(name, Hook(kind="events", url=URL, body=body, headers=log_in()), replace(event, **expected))


#: Who knows the password said it, so it is kept, and the operator hears of it.
UNREADABLE = ProviderEvent(
    word=EventWord.UNKNOWN,
    event_id=f"made:{sha256(b'<html>').hexdigest()[:32]}",
    reason="unreadable",
    raw={"unreadable": "<html>"},
)


def called(name: str, hook: Hook, *events: ProviderEvent) -> RecordedHook:
    return RecordedHook(
        name=name, account=ACCOUNT, hook=hook, events=events, forged=replace(hook, headers=log_in("another"))
    )


def bounce(type_: str, word: EventWord, **expected: Any) -> RecordedHook:
    raw = {"RecordType": "Bounce", "ID": 42, "Type": type_, "Email": "ana@example.org", "BouncedAt": WHEN}
    return told(type_, word, raw | {"Details": "550 Няма такъв", "Content": "<dump>"}, **expected)


def stopped(name: str, word: EventWord, *, stops: bool, why: str | None) -> RecordedHook:
    raw = {"RecordType": "SubscriptionChange", "SuppressSending": stops, "SuppressionReason": why, "ChangedAt": WHEN}
    return told(name, word, raw | {"Recipient": "ana@example.org"}, reason=why or "")


MIME = "From: Ана <ana@example.org>\r\nSubject: Re\r\nMessage-ID: <reply@example.org>\r\n\r\nБлагодаря!\r\n"
INBOUND: dict[str, Any] = {
    "FromFull": {"Email": "ana@example.org", "Name": "Ана"},
    "Subject": "Re: Новини",
    "MessageID": "73e6d360",
    "TextBody": "Благодаря!",
    "Headers": [
        {"Name": "Message-ID", "Value": "<reply@example.org>"},
        {"Name": "In-Reply-To", "Value": "<one@example.org>"},
    ],
}


def inbound() -> RecordedHook:
    body = json.dumps(INBOUND | {"RawEmail": MIME}, ensure_ascii=False).encode()
    event = ProviderEvent(
        word=EventWord.REPLIED,
        event_id="reply@example.org",
        address="ana@example.org",
        text="Благодаря!",
        subject="Re: Новини",
        in_reply_to="one@example.org",
        mime=MIME.encode(),
        raw=INBOUND,
    )
    return called("inbound", Hook(kind="inbound", url=URL, body=body, headers=log_in()), event)


READ: dict[str, Any] = {
    "Recipient": "ana@example.org",
    "ReceivedAt": WHEN,
    "UserAgent": "Mozilla/5.0",
    "Geo": {"IP": "192.0.2.7"},
}

CASE = Case(
    adapter="postmark",
    peer=postmark_peer,
    message=Message(id="m", to="ana@example.org", subject="Новини", text="Текст", html="<p>Текст</p>"),
    recorded=(
        recorded("accepts", Http(200, [TAKEN]), OutcomeKind.ACCEPTED, ""),
        recorded("invalid-to", one(300, "Invalid 'To' address: 'a'."), OutcomeKind.PERMANENT, "invalid_address"),
        recorded("invalid-from", one(300, "Invalid 'From' address."), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("bad-body", one(300, "Provide either email TextBody."), OutcomeKind.UNSUPPORTED, "unsupported"),
        recorded("something-invalid", one(300, "Zoiks"), OutcomeKind.PERMANENT, "refused"),
        recorded("inactive", one(406, "Inactive recipient"), OutcomeKind.PERMANENT, "suppressed"),
        recorded("no-signature", one(400, "No Sender Signature"), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("out-of-credits", one(405), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("no-such-stream", one(1235), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("code-we-do-not-know", one(987), OutcomeKind.PERMANENT, "refused"),
        recorded("wrong-token", all_of_it(401, 10, f"Not {TOKEN}"), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("request-not-understood", all_of_it(422, 402), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("nobodys-fault-is-one-messages", all_of_it(422, 406), OutcomeKind.ACCOUNT, "account_problem"),
        recorded("maintenance", all_of_it(422, 100), OutcomeKind.TEMPORARY, "temporary", scope="account"),
        recorded(
            "too-many",
            all_of_it(429, 429, headers={"Retry-After": "3"}),
            OutcomeKind.TEMPORARY,
            "rate_limited",
            retry_after=3.0,
            scope="account",
        ),
        recorded("too-large", Http(413), OutcomeKind.UNSUPPORTED, "unsupported"),
        recorded("unavailable", Http(503, b"<html>"), OutcomeKind.TEMPORARY, "temporary", scope="account"),
        recorded("broken", all_of_it(500, 0), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("broken-in-maintenance", all_of_it(500, 100), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("dropped", DROP, OutcomeKind.UNKNOWN, "no_answer"),
        recorded("no-list", Http(200, TAKEN), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("empty-list", Http(200, []), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("no-objects", Http(200, ["ok"]), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("without-id", Http(200, [{"ErrorCode": 0}]), OutcomeKind.UNKNOWN, "no_answer"),
        recorded("redirect", Http(307, headers={"Location": "/"}), OutcomeKind.ACCOUNT, "account_problem"),
    ),
    troubles=HTTP_TROUBLES,
    unsupported=(
        Message(id="without-subject", to="ana@example.org", text="Текст"),
        Message(id="without-text", to="ana@example.org", subject="Новини", text=" "),
        Message(id="two-addresses", to="ana@example.org, bob@example.org", subject="Новини", text="Текст"),
    ),
    hooks=(
        told(
            "delivered",
            EventWord.DELIVERED,
            {"RecordType": "Delivery", "Recipient": "ana@example.org", "DeliveredAt": WHEN, "Details": "250 OK"},
            reason="250 OK",
        ),
        bounce("HardBounce", EventWord.BOUNCED, hard=True, reason="550 Няма такъв"),
        bounce("SoftBounce", EventWord.BOUNCED, hard=False, reason="550 Няма такъв"),
        bounce("Transient", EventWord.DELAYED, reason="550 Няма такъв"),
        bounce("SMTPApiError", EventWord.REJECTED, reason="550 Няма такъв"),
        bounce("AutoResponder", EventWord.UNKNOWN, reason="550 Няма такъв"),
        told(
            "complaint",
            EventWord.COMPLAINED,
            {"RecordType": "SpamComplaint", "ID": 7, "Email": "ana@example.org", "BouncedAt": WHEN},
        ),
        told("open", EventWord.OPENED, {"RecordType": "Open", **READ}, user_agent="Mozilla/5.0"),
        told(
            "click",
            EventWord.CLICKED,
            {"RecordType": "Click", "OriginalLink": "https://example.org/", **READ},
            user_agent="Mozilla/5.0",
            url="https://example.org/",
        ),
        stopped("unsubscribed", EventWord.UNSUBSCRIBED, stops=True, why="ManualSuppression"),
        stopped("suppressed-after-a-bounce", EventWord.UNKNOWN, stops=True, why="HardBounce"),
        stopped("subscribed-again", EventWord.RESUBSCRIBED, stops=False, why=None),
        told(
            "word-we-do-not-know",
            EventWord.UNKNOWN,
            {"RecordType": "Teleported", "Recipient": "ana@example.org", "ReceivedAt": WHEN},
        ),
        called("no-json", Hook(kind="events", url=URL, body=b"<html>", headers=log_in()), UNREADABLE),
        called("a-list", Hook(kind="events", url=URL, body=b"[]", headers=log_in())),
        inbound(),
    ),
)
