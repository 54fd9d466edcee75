from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from channels import sendgrid_mail
from channels.base import ForgedHook, Form, Message, Outcome, OutcomeKind, Part, Problem
from channels.sendgrid import SendGrid
from tests.channels.case_sendgrid import (
    ACCOUNT,
    SETTINGS,
    as_received,
    errors,
    inbound_hook,
    multipart,
    sendgrid_peer,
    sign,
)
from tests.channels.scripted import DROP, Http
from tests.contract_checks import find_request_faults

MESSAGE = Message(
    id="dlv_9",
    to="ana@example.org",
    subject="Новата услуга",
    text="Текст",
    html="<p>Текст</p>",
    message_id="dlv_9@example.org",
    reply_to="Отговори <r+1@in.example.org>",
    headers=(
        ("List-Unsubscribe", "<https://example.org/u/a>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("X-Outreach-Delivery", "dlv_9"),
        ("List-Id", "Новини"),
        ("Date", "its own"),
        ("Mime-Version", "1.0"),
    ),
)


def test_request_is_as_sendgrid_documents_it(contracts: Path) -> None:
    with sendgrid_peer() as peer, SendGrid().open(peer.account) as session:
        outcomes = list(session.send([MESSAGE]))
        (request,) = peer.requests
    assert outcomes == [Outcome(id="dlv_9", kind=OutcomeKind.ACCEPTED, provider_id="mid-1")]
    assert (request.method, request.path) == ("POST", "/v3/mail/send")
    assert request.headers["authorization"] == "Bearer SG.the-api-key"
    assert json.loads(request.body) == {
        "personalizations": [
            {
                "to": [{"email": "ana@example.org"}],
                "custom_args": {"delivery": "dlv_9"},
                "headers": {
                    "Message-ID": "<dlv_9@example.org>",
                    "List-Unsubscribe": "<https://example.org/u/a>",
                    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                    "X-Outreach-Delivery": "dlv_9",
                    "List-Id": "=?utf-8?b?0J3QvtCy0LjQvdC4?=",
                },
            }
        ],
        "from": {"email": "news@example.org", "name": "Новини"},
        "reply_to": {"email": "r+1@in.example.org", "name": "Отговори"},
        "subject": "Новата услуга",
        "content": [{"type": "text/plain", "value": "Текст"}, {"type": "text/html", "value": "<p>Текст</p>"}],
        "categories": ["outreach"],
    }
    faults = find_request_faults(
        contracts, "sendgrid", method="POST", path=request.path, body=request.body, headers=request.headers
    )
    assert faults == []


def test_files_are_given_as_sendgrid_documents_them(contracts: Path) -> None:
    parts = (
        Part(name="a.png", media_type="image/png", data=b"png", content_id="a.png@outreach"),
        Part(name="event.ics", media_type="text/calendar; charset=utf-8; method=PUBLISH", data=b"BEGIN"),
    )
    with sendgrid_peer() as peer, SendGrid().open(peer.account) as session:
        list(session.send([replace(MESSAGE, parts=parts)]))
        (request,) = peer.requests
    assert sorted(json.loads(request.body)["attachments"], key=lambda given: given["filename"]) == [
        {
            "content": "cG5n",
            "type": "image/png",
            "filename": "a.png",
            "disposition": "inline",
            "content_id": "a.png@outreach",
        },
        {"content": "QkVHSU4=", "type": "text/calendar", "filename": "event.ics", "disposition": "attachment"},
    ]
    faults = find_request_faults(
        contracts, "sendgrid", method="POST", path=request.path, body=request.body, headers=request.headers
    )
    assert faults == []


def test_connections_are_kept_between_messages() -> None:
    with sendgrid_peer() as peer, SendGrid().open(peer.account) as session:
        for number in range(5):
            list(session.send([replace(MESSAGE, id=str(number))]))
        assert (len(peer.attempts), peer.connections) == (5, 1)


def test_contents_sender_goes_before_the_accounts() -> None:
    with sendgrid_peer() as peer, SendGrid().open(peer.account) as session:
        list(session.send([replace(MESSAGE, sender="ministry@example.org")]))
        assert json.loads(peer.requests[0].body)["from"] == {"email": "ministry@example.org"}


def test_inbound_mail_needs_no_signature_but_a_wrong_one_is_forged() -> None:
    recorded = inbound_hook()
    unsigned = replace(recorded.hook, headers={"content-type": recorded.hook.headers["content-type"]})
    assert SendGrid().parse_events(unsigned, ACCOUNT) == list(recorded.events)
    with pytest.raises(ForgedHook):
        SendGrid().parse_events(recorded.tampered(), ACCOUNT)


def test_signed_inbound_mail_may_be_in_any_charset() -> None:
    mime = "Subject: Re\r\nContent-Type: text/plain; charset=windows-1251\r\n\r\nБлагодаря".encode("cp1251")
    body, content_type = multipart({"from": b"ana@example.org", "email": mime})
    hook = replace(inbound_hook().hook, body=body, headers={"content-type": content_type, **sign(body)})
    (event,) = SendGrid().parse_events(hook, ACCOUNT)
    assert (event.address, event.mime) == ("ana@example.org", mime)


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=b"])
def test_inbound_garbage_is_an_empty_reply(content_type: str) -> None:
    hook = replace(inbound_hook().hook, body=b"\xff\x00garbage", headers={"content-type": content_type})
    (event,) = SendGrid().parse_events(hook, ACCOUNT)
    assert (event.text, event.mime, event.raw) == ("", b"", {})


@pytest.mark.parametrize(
    "headers",
    [
        {"x-twilio-email-event-webhook-signature": "not base64 !", "x-twilio-email-event-webhook-timestamp": "1"},
        {"x-twilio-email-event-webhook-signature": "TUVvdw==", "x-twilio-email-event-webhook-timestamp": "1"},
        {},
    ],
)
def test_unreadable_signature_is_forged(headers: dict[str, str]) -> None:
    hook = replace(inbound_hook().hook, kind="events", headers=headers)
    with pytest.raises(ForgedHook):
        SendGrid().parse_events(hook, ACCOUNT)


@pytest.mark.parametrize("key", ["", "not a key"])
def test_without_a_sound_key_no_event_is_believed(key: str) -> None:
    hook = replace(inbound_hook().hook, kind="events")
    with pytest.raises(ForgedHook):
        SendGrid().parse_events(hook, replace(ACCOUNT, settings=SETTINGS | {"event_public_key": key}))


def test_check_warns_without_the_key_of_events() -> None:
    with sendgrid_peer() as peer:
        settings = {name: value for name, value in peer.account.settings.items() if name != "event_public_key"}
        assert SendGrid().check(replace(peer.account, settings=settings)) == [
            Problem(
                severity="warning",
                code="events_unsigned",
                message="SendGrid's events cannot be verified, so bounces and complaints will not be seen.",
                remedy="Turn the signed event webhook on and fill in its verification key.",
                field="event_public_key",
            )
        ]


def test_sandbox_mode_is_asked_for_and_checked_messages_count_as_taken(contracts: Path) -> None:
    with sendgrid_peer() as peer:
        account = replace(peer.account, settings={**peer.account.settings, "sandbox_mode": "true", "category": ""})
        peer.answer(Http(200), Http(200, b"<html>Log in</html>"), Http(202))
        with SendGrid().open(account) as session:
            outcomes = [next(iter(session.send([MESSAGE]))) for _ in range(3)]
        body = json.loads(peer.requests[0].body)
        assert [problem.code for problem in SendGrid().check(account)] == ["sandbox"]
    assert (body["mail_settings"], "categories" in body) == ({"sandbox_mode": {"enable": True}}, False)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN]


FORM = Form(subject=("За ", 0), text=("Здравей, ", 0, "! ", 1), html=("<p>Здравей, ", 2, "!</p>"))


def alike(number: int, *, form: Form = FORM, name: str = "") -> Message:
    """A message of one content, as the renderer makes it."""
    values = (name or f"Ана & {number}", f"https://example.org/u/{number}", f"Ана &amp; {number}")
    subject, text, html = form.fill(values)
    return replace(
        MESSAGE,
        id=f"dlv_{number}",
        to=f"ana{number}@example.org",
        message_id=f"{number}@example.org",
        headers=(("List-Unsubscribe", f"<https://example.org/u/{number}>"),),
        subject=subject,
        text=text,
        html=html,
        form=form,
        values=values,
    )


def test_messages_of_one_form_go_by_one_request_each_with_its_own_values() -> None:
    messages = [alike(number) for number in range(25)]
    with sendgrid_peer() as peer, SendGrid().open(peer.account) as session:
        outcomes = list(session.send(messages))
        bodies = [json.loads(request.body) for request in peer.requests]
        assert (peer.most_at_once, sorted(len(body["personalizations"]) for body in bodies)) == (10, [5, 10, 10])
    assert sorted(outcome.id for outcome in outcomes) == sorted(message.id for message in messages)
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert sorted(one for body in bodies for one in as_received(body)) == sorted(
        (message.to, message.headers[0][1], message.subject, message.text, message.html) for message in messages
    )


def test_what_a_request_for_many_cannot_carry_goes_by_itself() -> None:
    other = Form(subject=FORM.subject, text=FORM.text, html=FORM.html)
    tag = f"{sendgrid_mail._tag(FORM)}0-"
    messages = [
        alike(0),
        alike(1),
        alike(2, name="Ж" * 5_000),
        alike(3, name=tag),
        alike(4, form=other),
        replace(alike(5), form=None),
        replace(alike(6), reply_to="other@example.org"),
    ]
    with sendgrid_peer() as peer, SendGrid().open(peer.account) as session:
        outcomes = list(session.send(messages))
        bodies = [json.loads(request.body) for request in peer.requests]
    assert len(outcomes) == 7
    assert sorted(len(body["personalizations"]) for body in bodies) == [1, 1, 1, 1, 1, 2]
    assert sorted(one[3] for body in bodies for one in as_received(body)) == sorted(one.text for one in messages)


def test_who_was_refused_in_a_request_for_many_does_not_take_the_others_along() -> None:
    messages = [alike(number) for number in range(3)]
    with sendgrid_peer() as peer, SendGrid().open(peer.account) as session:
        peer.answer(errors(400, "Does not contain a valid address.", "personalizations.1.to.0.email"))
        told = {outcome.id: (outcome.kind, outcome.reason) for outcome in session.send(messages)}
        peer.answer(DROP)
        lost = {outcome.id: outcome.kind for outcome in session.send(messages)}
        assert len(peer.requests) == 2
    assert told == {
        "dlv_0": (OutcomeKind.TEMPORARY, "temporary"),
        "dlv_1": (OutcomeKind.PERMANENT, "invalid_address"),
        "dlv_2": (OutcomeKind.TEMPORARY, "temporary"),
    }
    assert lost == dict.fromkeys(told, OutcomeKind.UNKNOWN)


def test_check_says_that_the_key_may_not_send() -> None:
    with sendgrid_peer() as peer:
        peer.answer(Http(200, {"scopes": ["stats.read"]}))
        (problem,) = SendGrid().check(peer.account)
    assert (problem.severity, problem.message) == ("error", "The API key may not send mail.")
