from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from channels.base import Account, EventWord, Message, Outcome, OutcomeKind, Problem
from channels.twilio import Twilio
from tests.channels.case_twilio import MESSAGE_SID, SID, TOKEN, refused, status_hook, twilio_peer
from tests.channels.scripted import Http
from tests.contract_checks import find_request_faults

MESSAGE = Message(
    id="dlv_7",
    to="+359881234567",
    text="Новата услуга работи: https://example.org/c/a",
    callback_url="https://outreach.example.org/hooks/secret/status?delivery=dlv_7",
)

SERVICE_SID = "MG" + "2c" * 16


def send(account: Account, *messages: Message) -> list[Outcome]:
    with Twilio().open(account) as session:
        return list(session.send(messages))


def test_request_is_as_twilio_documents_it(contracts: Path) -> None:
    with twilio_peer() as peer:
        outcomes = send(peer.account, MESSAGE)
        (request,) = peer.requests
    assert outcomes == [Outcome(id="dlv_7", kind=OutcomeKind.ACCEPTED, provider_id=MESSAGE_SID)]
    assert dict(parse_qsl(request.body.decode())) == {
        "To": "+359881234567",
        "From": "+15005550006",
        "Body": "Новата услуга работи: https://example.org/c/a",
        "StatusCallback": "https://outreach.example.org/hooks/secret/status?delivery=dlv_7",
    }
    faults = find_request_faults(
        contracts, "twilio", method="POST", path=request.path, body=request.body, headers=request.headers
    )
    assert faults == []


@pytest.mark.parametrize(
    ("settings", "sender", "expected"),
    [
        ({"messaging_service_sid": SERVICE_SID}, "", {"MessagingServiceSid": SERVICE_SID}),
        ({"sender": "Council"}, "", {"From": "Council"}),
        ({"sender": "Council"}, "Ministry", {"From": "Ministry"}),
        (
            {"sender": "Council", "messaging_service_sid": SERVICE_SID},
            "",
            {"From": "Council", "MessagingServiceSid": SERVICE_SID},
        ),
    ],
)
def test_origin_is_the_accounts_or_the_contents(
    settings: dict[str, str], sender: str, expected: dict[str, str]
) -> None:
    with twilio_peer() as peer:
        keys = {"account_sid": SID, "auth_token": TOKEN, "base_url": peer.url}
        send(replace(peer.account, settings=keys | settings), replace(MESSAGE, sender=sender, callback_url=""))
        form = dict(parse_qsl(peer.requests[0].body.decode()))
    assert form == {"To": MESSAGE.to, "Body": MESSAGE.text} | expected


def test_requests_are_under_way_together_but_one_a_message() -> None:
    messages = [replace(MESSAGE, id=str(n), to=f"+35988{n:07d}") for n in range(30)]
    with twilio_peer() as peer:
        outcomes = send(peer.account, *messages)
        connections = peer.connections
    assert sorted(outcome.id for outcome in outcomes) == sorted(message.id for message in messages)
    assert sorted(peer.attempts) == sorted(message.to for message in messages)
    assert connections <= 10


def test_account_without_credentials_sends_nothing() -> None:
    with twilio_peer() as peer:
        (outcome,) = send(replace(peer.account, settings={"base_url": peer.url}), MESSAGE)
    assert (outcome.kind, outcome.reason, peer.requests) == (OutcomeKind.ACCOUNT, "account_problem", [])


def test_check_asks_for_a_sender() -> None:
    with twilio_peer() as peer:
        settings = {"account_sid": SID, "auth_token": TOKEN, "base_url": peer.url}
        assert Twilio().check(replace(peer.account, settings=settings)) == [
            Problem(
                severity="error",
                code="setting_missing",
                message="There is neither a sender nor a messaging service.",
                remedy="Fill in one of them.",
                field="sender",
            )
        ]


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Http(200, {"sid": SID, "status": "suspended"}), "account", "Twilio says that the account is suspended."),
        (refused(401, 20003, "Authenticate"), "account", "20003 Authenticate"),
        (Http(200, b"<html>"), "unreachable", "Twilio answered 200 without an id."),
    ],
)
def test_check_says_what_twilio_says(answer: Http, code: str, words: str) -> None:
    with twilio_peer() as peer:
        peer.answer(answer)
        (problem,) = Twilio().check(peer.account)
    assert (problem.severity, problem.code, problem.message) == ("error", code, words)


@pytest.mark.parametrize(
    ("code", "hard", "reason"),
    [
        ("21610", True, "suppressed"),
        ("30003", False, "unreachable"),
        ("30005", True, "unknown_recipient"),
        ("30006", True, "invalid_address"),
        ("30007", None, "policy"),
        ("30017", False, "temporary"),
        ("30022", False, "rate_limited"),
        ("39999", None, ""),
    ],
)
def test_code_of_a_late_failure_says_whether_it_is_for_good(code: str, hard: bool | None, reason: str) -> None:
    recorded = status_hook("undelivered", EventWord.BOUNCED, code=code, hard=hard, reason=reason)
    assert Twilio().parse_events(recorded.hook, recorded.account) == list(recorded.events)


def test_sender_that_no_network_takes_is_refused_in_the_form() -> None:
    [fault] = Twilio().find_faults({"sender": "Министерство"}, ())
    assert (fault.field, fault.message) == ("sender", "The sender's name is longer than 11 characters.")
    assert Twilio().find_faults({"messaging_service_sid": "MG1"}, ()) == []
