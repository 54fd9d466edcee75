from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from channels.base import (
    Account,
    AccountProblem,
    AccountWideFailure,
    ChannelError,
    Field,
    Message,
    Outcome,
    OutcomeKind,
    OutcomeUnknown,
    PermanentFailure,
    Problem,
    TemporaryFailure,
    UnsupportedContent,
)
from channels.exchange import find_missing, hand_over, probe, redact, refusal, retry_after


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, PermanentFailure, "refused"),
        (401, AccountProblem, "account_problem"),
        (403, AccountProblem, "account_problem"),
        (404, AccountProblem, "account_problem"),
        (408, TemporaryFailure, "temporary"),
        (413, UnsupportedContent, "unsupported"),
        (418, PermanentFailure, "refused"),
        (429, AccountWideFailure, "rate_limited"),
        (500, OutcomeUnknown, "no_answer"),
        (502, OutcomeUnknown, "no_answer"),
        (503, AccountWideFailure, "temporary"),
        (504, OutcomeUnknown, "no_answer"),
        (599, OutcomeUnknown, "no_answer"),
        (304, OutcomeUnknown, "no_answer"),
    ],
)
def test_status_has_one_meaning(status: int, kind: type[ChannelError], reason: str) -> None:
    error = refusal(status, "said", headers={"Retry-After": "3"})
    assert (type(error), error.reason, error.status, error.retry_after) == (kind, reason, status, 3.0)
    assert error.detail == f"{status}: said"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"x-rate-limit-reset": "0"}, 0.0),
        ({"x-rate-limit-reset": "never"}, None),
    ],
)
def test_asked_wait_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_asked_wait_may_be_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    seconds = retry_after({"Retry-After": soon})
    assert seconds is not None
    assert 50 < seconds <= 60


def test_secrets_leave_no_trace() -> None:
    encoded = b64encode(b"AC1:token-1").decode()
    text = f"token-1 was wrong, so was Basic {encoded}, but not on"
    assert redact(text, ("token-1", "AC1:token-1", "on", "")) == "*** was wrong, so was Basic ***, but not on"


def test_messages_are_pulled_only_when_there_is_room() -> None:
    pulled: list[str] = []
    let_go = threading.Event()

    def messages() -> Iterator[Message]:
        for number in range(5):
            pulled.append(str(number))
            yield Message(id=str(number), to="a", text="b")
        let_go.set()

    def send_one(message: Message) -> Outcome:
        if message.id == "0":
            let_go.wait(10)
        return Outcome(id=message.id, kind=OutcomeKind.ACCEPTED)

    outcomes = hand_over(messages(), send_one, at_once=2)
    assert next(outcomes).id == "1"
    assert pulled == ["0", "1"]
    assert sorted(outcome.id for outcome in outcomes) == ["0", "2", "3", "4"]


FIELDS = (
    Field(name="key", label="API key", secret=True, help="Look there."),
    Field(name="base_url", label="Base URL", default="https://example.org"),
    Field(name="name", label="Name", required=False),
)


@pytest.mark.parametrize("value", ["", "  ", None])
def test_missing_setting_is_named(value: str | None) -> None:
    account = Account(id="1", adapter="a", name="A", settings={"key": value})
    assert find_missing(account, FIELDS) == [
        Problem(
            severity="error",
            code="setting_missing",
            message="API key is missing.",
            remedy="Look there.",
            field="key",
        )
    ]
    assert find_missing(Account(id="1", adapter="a", name="A", settings={"key": "x"}), FIELDS) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AccountProblem("no to key-1"), ("account", "no to ***", "Fix the key.")),
        (TemporaryFailure("down"), ("unreachable", "down", "Try again later.")),
        (KeyError("id"), ("answer", "The provider's answer makes no sense: KeyError", "Correct the base URL.")),
    ],
)
def test_failed_probe_is_one_problem(error: Exception, expected: tuple[str, str, str]) -> None:
    def ask() -> None:
        raise error

    (problem,) = probe(ask, remedies={AccountProblem: "Fix the key."}, secrets=("key-1",))
    assert (problem.code, problem.message, problem.remedy) == expected
    assert probe(lambda: None, remedies={}, secrets=()) == []
