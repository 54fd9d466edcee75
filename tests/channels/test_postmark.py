from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from channels.base import Account, ForgedHook, Hook, Message, Outcome, OutcomeKind, Part, Problem
from channels.postmark import Postmark
from tests.channels.case_postmark import ACCOUNT, CASE, MESSAGE_ID, PASSWORD, SETTINGS, TAKEN, log_in, postmark_peer
from tests.channels.scripted import Http
from tests.contract_checks import find_request_faults

MESSAGE = Message(
    id="dlv_9",
    to="ana@example.org",
    subject="Новата услуга",
    text="Текст",
    html="<p>Текст</p>",
    message_id="dlv_9@example.org",
    reply_to="Отговори <r+1@in.example.org>",
    in_reply_to="one@example.org",
    parts=(
        Part(name="map.png", media_type="image/png", data=b"map", content_id="map"),
        Part(name="day.ics", media_type="text/calendar; charset=utf-8; method=PUBLISH", data=b"day"),
    ),
    headers=(
        ("List-Unsubscribe", "<https://example.org/u/a>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ),
)


def send(account: Account, *messages: Message) -> list[Outcome]:
    with Postmark().open(account) as session:
        return list(session.send(messages))


def test_request_is_as_postmark_documents_it() -> None:
    with postmark_peer() as peer:
        outcomes = send(peer.account, MESSAGE)
        (request,) = peer.requests
    assert outcomes == [Outcome(id="dlv_9", kind=OutcomeKind.ACCEPTED, provider_id=MESSAGE_ID)]
    assert (request.method, request.path) == ("POST", "/email/batch")
    assert json.loads(request.body) == [
        {
            "From": '"Новини, Съвет" <news@example.org>',
            "To": "ana@example.org",
            "ReplyTo": '"Отговори" <r+1@in.example.org>',
            "Subject": "Новата услуга",
            "TextBody": "Текст",
            "HtmlBody": "<p>Текст</p>",
            "MessageStream": "news",
            "TrackLinks": "None",
            "TrackOpens": False,
            "Headers": [
                {"Name": "Message-ID", "Value": "<dlv_9@example.org>"},
                {"Name": "X-PM-KeepID", "Value": "true"},
                {"Name": "In-Reply-To", "Value": "<one@example.org>"},
                {"Name": "References", "Value": "<one@example.org>"},
                {"Name": "List-Unsubscribe", "Value": "<https://example.org/u/a>"},
                {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
            ],
            "Attachments": [
                {"Name": "map.png", "Content": "bWFw", "ContentType": "image/png", "ContentID": "cid:map"},
                {
                    "Name": "day.ics",
                    "Content": "ZGF5",
                    "ContentType": "text/calendar; charset=utf-8; method=PUBLISH",
                },
            ],
            "Metadata": {"delivery": "dlv_9"},
        }
    ]
    faults = find_request_faults(
        Path(__file__).parent, "postmark", method="POST", path=request.path, body=request.body, headers=request.headers
    )
    assert faults == []


def test_each_message_of_a_request_has_its_own_answer() -> None:
    ids = ("taken", "without-text", "nobody", "inactive", "unanswered")
    messages = [replace(MESSAGE, id=id_, to=f"{id_}@example.org") for id_ in ids]
    messages[1] = replace(messages[1], text="", html=" ")
    answers = [
        TAKEN,
        {"ErrorCode": 300, "Message": "Invalid 'To' address: 'nobody'."},
        {"ErrorCode": 406, "Message": "You tried to send to an inactive recipient."},
    ]
    with postmark_peer() as peer:
        peer.answer(Http(200, answers))
        outcomes = {
            outcome.id: (outcome.kind, outcome.reason, outcome.detail) for outcome in send(peer.account, *messages)
        }
        assert (len(peer.requests), peer.most_at_once) == (1, 4)
    assert outcomes == {
        "taken": (OutcomeKind.ACCEPTED, "", ""),
        "without-text": (OutcomeKind.UNSUPPORTED, "unsupported", "An e-mail needs a subject and a text."),
        "nobody": (OutcomeKind.PERMANENT, "invalid_address", "300: Invalid 'To' address: 'nobody'."),
        "inactive": (OutcomeKind.PERMANENT, "suppressed", "406: You tried to send to an inactive recipient."),
        "unanswered": (OutcomeKind.UNKNOWN, "no_answer", "Postmark did not say what became of it."),
    }


def test_many_messages_go_by_windows_over_one_connection() -> None:
    with postmark_peer() as peer:
        outcomes = send(peer.account, *CASE.copies(120))
        assert [len(json.loads(request.body)) for request in peer.requests] == [50, 50, 20]
        assert peer.connections == 1
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}


def test_check_says_that_a_sandbox_delivers_nothing() -> None:
    with postmark_peer() as peer:
        peer.answer(Http(200, {"Name": "Council", "DeliveryType": "Sandbox"}))
        assert Postmark().check(peer.account) == [
            Problem(
                severity="error",
                code="sandbox",
                message="The server is a sandbox, so Postmark delivers nothing.",
                remedy="Use the token of a live server.",
                field="server_token",
            )
        ]


def test_check_warns_without_the_password_of_the_webhooks() -> None:
    with postmark_peer() as peer:
        settings = {name: value for name, value in peer.account.settings.items() if name != "hook_password"}
        assert Postmark().check(replace(peer.account, settings=settings)) == [
            Problem(
                severity="warning",
                code="events_unsigned",
                message="Postmark's events cannot be verified, so bounces and complaints will not be seen.",
                remedy="Think of a password, and write it here and into each webhook with the user name outreach.",
                field="hook_password",
            )
        ]


@pytest.mark.parametrize("account_password", ["", PASSWORD])
@pytest.mark.parametrize("headers", [{}, log_in(""), log_in("wrong"), {"authorization": "Basic ж"}])
def test_call_without_the_password_is_forged(account_password: str, headers: dict[str, str]) -> None:
    account = replace(ACCOUNT, settings=SETTINGS | {"hook_password": account_password})
    with pytest.raises(ForgedHook):
        Postmark().parse_events(Hook(kind="events", url="", body=b"{}", headers=headers), account)
