"""The one contract that every adapter keeps, run over the recorded answers of each."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

import channels
from channels.base import Account, EventWord, Field, ForgedHook, Hook, Message, Outcome, OutcomeKind
from tests.channels.contract import TROUBLES, Case, Peer, Recorded, RecordedHook, Situation, all_cases
from tests.contract_checks import DOCUMENTS

CASES = all_cases()
NETWORKED = [case for case in CASES if case.networked]

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.adapter)
networked_case = pytest.mark.parametrize("case", NETWORKED, ids=lambda case: case.adapter)


def hand_over(case: Case, account: Account, messages: list[Message]) -> list[Outcome]:
    with case.open_adapter().open(account) as session:
        return list(session.send(messages))


def assert_reached_peer(case: Case, peer: Peer, count: int) -> None:
    assert len(peer.attempts) == (count if case.networked else len(peer.attempts))


def by_id(outcomes: list[Outcome]) -> dict[str, OutcomeKind]:
    return {outcome.id: outcome.kind for outcome in outcomes}


def test_every_built_in_adapter_has_its_case() -> None:
    assert {*channels.BUILT_IN, *channels.DOUBLES} <= {case.adapter for case in CASES}


@networked_case
def test_case_plays_every_situation(case: Case) -> None:
    assert set(Situation) - case.situations() == set(case.impossible)
    assert [why for why in case.impossible.values() if not why] == []


@every_case
def test_case_has_a_genuine_call_back_of_every_kind(case: Case) -> None:
    """Where receipts and replies are called back, not fetched."""
    if not case.hooks:
        return
    words = {event.word for recorded in case.hooks for event in recorded.events}
    can = case.open_adapter().can
    needed = {EventWord.DELIVERED, EventWord.BOUNCED, EventWord.UNKNOWN} if can.receipts else set()
    assert needed | ({EventWord.REPLIED} if can.inbound else set()) <= words


@every_case
def test_head_describes_the_channel(case: Case) -> None:
    adapter = case.open_adapter()
    assert adapter.name == case.adapter
    assert adapter.kind in {"email", "sms", "social", "feed", "push", "webhook"}
    assert adapter.label
    assert adapter.can.unknown_policy == ("hold" if adapter.can.paid or adapter.can.public else "resend")
    assert 1 <= adapter.can.window <= (1 if adapter.can.public else 10 if adapter.can.paid else 1000)


@every_case
def test_account_form_can_be_drawn(case: Case) -> None:
    fields = case.open_adapter().account_fields
    assert len({field.name for field in fields}) == len(fields)
    assert [field.name for field in fields if not is_drawable(field)] == []


def is_drawable(field: Field) -> bool:
    if field.kind == "choice" and field.default not in ("", *field.choices):
        return False
    looks_secret = any(word in field.name for word in ("password", "secret", "token", "api_key"))
    return (
        bool(field.label)
        and field.kind in {"text", "number", "email", "url", "phone", "choice", "pem"}
        and (field.secret or not looks_secret)
    )


@every_case
def test_every_message_gets_one_outcome(case: Case) -> None:
    messages = case.copies(3)
    with case.peer() as peer:
        outcomes = hand_over(case, peer.account, messages)
        assert len(outcomes) == 3
        assert by_id(outcomes) == dict.fromkeys((message.id for message in messages), OutcomeKind.ACCEPTED)
        assert_reached_peer(case, peer, 3)


@networked_case
def test_peer_of_a_documented_provider_holds_every_request_against_its_documents(case: Case) -> None:
    with case.peer() as peer:
        assert getattr(peer, "provider", "") == (case.adapter if case.adapter in DOCUMENTS else "")


@every_case
def test_nothing_to_send_sends_nothing(case: Case) -> None:
    with case.peer() as peer:
        assert hand_over(case, peer.account, []) == []
        assert peer.attempts == []


@every_case
def test_session_serves_one_window_after_another(case: Case) -> None:
    first, second = case.copies(2)
    with case.peer() as peer, case.open_adapter().open(peer.account) as session:
        outcomes = [*session.send([first]), *session.send([second])]
        assert by_id(outcomes) == {first.id: OutcomeKind.ACCEPTED, second.id: OutcomeKind.ACCEPTED}
        assert_reached_peer(case, peer, 2)


@every_case
def test_message_never_pulled_is_never_handed_over(case: Case) -> None:
    pulled: list[str] = []

    def endless() -> Iterator[Message]:
        for number in range(10_000):
            message = replace(case.message, id=f"endless-{number}")
            pulled.append(message.id)
            yield message

    with case.peer() as peer, case.open_adapter().open(peer.account) as session:
        outcome = next(iter(session.send(endless())))
        assert outcome.id in pulled
        assert len(pulled) <= min(100, case.open_adapter().can.window)
        assert len(peer.attempts) <= len(pulled)


@every_case
def test_no_more_are_in_hand_than_the_window_holds(case: Case) -> None:
    window = case.open_adapter().can.window
    messages = case.copies(2 * min(window, 60) + 1)
    pulled: list[str] = []

    def feed() -> Iterator[Message]:
        for message in messages:
            pulled.append(message.id)
            yield message

    answered: list[Outcome] = []
    with case.peer() as peer, case.open_adapter().open(peer.account) as session:
        for outcome in session.send(feed()):
            assert len(pulled) - len(answered) <= window
            answered.append(outcome)
        assert by_id(answered) == dict.fromkeys((message.id for message in messages), OutcomeKind.ACCEPTED)
        assert_reached_peer(case, peer, len(messages))
        assert peer.most_at_once <= window


@pytest.mark.parametrize(
    ("case", "recorded"),
    [
        pytest.param(case, recorded, id=f"{case.adapter}-{recorded.name}")
        for case in CASES
        for recorded in case.recorded
    ],
)
def test_recorded_answer_is_understood_and_not_retried(case: Case, recorded: Recorded) -> None:
    with case.peer() as peer:
        peer.answer(recorded.answer)
        (outcome,) = hand_over(case, peer.account, [case.message])
        assert (outcome.id, outcome.kind, outcome.reason, outcome.retry_after, outcome.scope) == (
            case.message.id,
            recorded.kind,
            recorded.reason,
            recorded.retry_after,
            recorded.scope,
        )
        assert len(peer.attempts) <= 1
        assert_tells_no_secret(case, peer, outcome.detail)


@pytest.mark.parametrize(
    ("case", "situation"),
    [
        pytest.param(case, situation, id=f"{case.adapter}-{situation.name.lower()}")
        for case in NETWORKED
        for situation in sorted(TROUBLES)
        if situation in case.troubles
    ],
)
def test_trouble_after_the_bytes_left_is_unknown_and_the_peer_counts_one_request(
    case: Case, situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in case.waits:
        monkeypatch.setattr(name, 0.3)
    in_trouble, next_one = case.copies(2)
    with case.peer() as peer, case.open_adapter().open(peer.account) as session:
        peer.answer(case.troubles[situation])
        began = time.monotonic()
        (outcome,) = session.send([in_trouble])
        took = time.monotonic() - began
        assert (outcome.id, outcome.kind, outcome.reason) == (in_trouble.id, OutcomeKind.UNKNOWN, "no_answer")
        assert len(peer.attempts) == 1
        assert took < 5
        assert by_id(list(session.send([next_one]))) == {next_one.id: OutcomeKind.ACCEPTED}
        assert len(peer.attempts) == 2


@networked_case
def test_whole_window_that_is_dropped_is_sent_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in case.waits:
        monkeypatch.setattr(name, 0.3)
    messages = case.copies(min(10, case.open_adapter().can.window))
    with case.peer() as peer, case.open_adapter().open(peer.account) as session:
        peer.answer(*[case.troubles[Situation.DROPPED]] * len(messages))
        outcomes = list(session.send(messages))
        assert sorted(outcome.id for outcome in outcomes) == sorted(message.id for message in messages)
        assert {outcome.kind for outcome in outcomes} <= {OutcomeKind.UNKNOWN, OutcomeKind.TEMPORARY}
        assert [outcome.kind for outcome in outcomes].count(OutcomeKind.UNKNOWN) >= 1
        assert len(peer.attempts) <= len(messages)


@networked_case
def test_peer_that_lets_nobody_in_is_temporary(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for a connection ends before any byte left."""
    for name in case.waits:
        monkeypatch.setattr(name, 0.3)
    with case.peer() as peer:
        peer.stop()
        with full_house(port_of(peer.account)):
            (outcome,) = hand_over(case, peer.account, [case.message])
        assert (outcome.kind, outcome.scope) == (OutcomeKind.TEMPORARY, "account")
        assert peer.attempts == []


def port_of(account: Account) -> int:
    settings = account.settings
    return int(settings.get("port") or urlsplit(str(settings.get("base_url"))).port or 0)


@contextmanager
def full_house(port: int) -> Iterator[None]:
    """A listener whose queue is full: the system lets every further connection wait."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield


@pytest.mark.parametrize(
    ("case", "message"),
    [pytest.param(case, message, id=f"{case.adapter}-{message.id}") for case in CASES for message in case.unsupported],
)
def test_message_the_channel_cannot_carry_is_refused_unsent(case: Case, message: Message) -> None:
    with case.peer() as peer:
        (outcome,) = hand_over(case, peer.account, [message])
        assert (outcome.id, outcome.kind) == (message.id, OutcomeKind.UNSUPPORTED)
        assert outcome.detail
        assert peer.attempts == []


@networked_case
def test_message_that_answers_another_names_it(case: Case) -> None:
    if not case.open_adapter().can.threads:
        return
    with case.peer() as peer:
        (outcome,) = hand_over(case, peer.account, [replace(case.message, in_reply_to="1346889436626259900")])
        # An HTTP peer keeps requests, a mail server messages.
        received = repr(getattr(peer, "requests", None) or getattr(peer, "messages", None))
        assert (outcome.kind, "1346889436626259900" in received) == (OutcomeKind.ACCEPTED, True)


@networked_case
def test_peer_that_is_down_is_temporary(case: Case) -> None:
    messages = case.copies(2)
    with case.peer() as peer:
        peer.stop()
        outcomes = hand_over(case, peer.account, messages)
        assert by_id(outcomes) == dict.fromkeys((message.id for message in messages), OutcomeKind.TEMPORARY)
        assert {outcome.scope for outcome in outcomes} == {"account"}


@networked_case
def test_private_network_is_refused_unless_allowed(case: Case) -> None:
    with case.peer() as peer:
        (outcome,) = hand_over(case, replace(peer.account, allow_private=()), [case.message])
        assert outcome.kind == OutcomeKind.ACCOUNT
        assert peer.attempts == []


@every_case
def test_check_finds_nothing_wrong_and_sends_nothing(case: Case) -> None:
    with case.peer() as peer:
        problems = case.open_adapter().check(peer.account)
        assert [problem for problem in problems if problem.severity == "error"] == []
        assert peer.attempts == []


@every_case
def test_check_names_each_missing_setting(case: Case) -> None:
    adapter = case.open_adapter()
    empty = Account(id="a", adapter=adapter.name, name="Empty", settings={})
    needed = {field.name for field in adapter.account_fields if field.required and not field.default}
    problems = adapter.check(empty)
    assert needed <= {problem.field for problem in problems if problem.severity == "error"}
    assert [problem for problem in problems if not problem.message or not problem.remedy] == []


@networked_case
def test_check_says_that_the_peer_is_down(case: Case) -> None:
    with case.peer() as peer:
        peer.stop()
        problems = case.open_adapter().check(peer.account)
        assert [problem.severity for problem in problems] == ["error"]
        assert problems[0].message
        assert problems[0].remedy
        assert_tells_no_secret(case, peer, repr(problems))


@pytest.mark.parametrize(
    ("case", "recorded"),
    [pytest.param(case, recorded, id=f"{case.adapter}-{recorded.name}") for case in CASES for recorded in case.hooks],
)
def test_genuine_hook_becomes_events(case: Case, recorded: RecordedHook) -> None:
    events = case.open_adapter().parse_events(recorded.hook, recorded.account)
    assert events == list(recorded.events)
    assert all(event.event_id for event in events)
    assert case.open_adapter().parse_events(recorded.hook, recorded.account) == events


@pytest.mark.parametrize(
    ("case", "recorded"),
    [pytest.param(case, recorded, id=f"{case.adapter}-{recorded.name}") for case in CASES for recorded in case.hooks],
)
def test_tampered_hook_is_forged(case: Case, recorded: RecordedHook) -> None:
    with pytest.raises(ForgedHook):
        case.open_adapter().parse_events(recorded.tampered(), recorded.account)


@every_case
def test_unsigned_hook_is_forged(case: Case) -> None:
    with case.peer() as peer, pytest.raises(ForgedHook):
        case.open_adapter().parse_events(
            Hook(kind="events", url="https://example.org/hooks/a/events", body=b"[]", headers={}), peer.account
        )


def assert_tells_no_secret(case: Case, peer: Peer, text: str) -> None:
    secrets = [field.name for field in case.open_adapter().account_fields if field.secret]
    leaked = [name for name in secrets if (value := str(peer.account.settings.get(name, ""))) and value in text]
    assert leaked == []
