from __future__ import annotations

import ssl
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from channels.base import (
    Account,
    AccountProblem,
    AccountWideFailure,
    EventWord,
    Message,
    Outcome,
    OutcomeKind,
    ProviderEvent,
)
from channels.smpp import Smpp
from tests.channels.certificate import make_certificate
from tests.channels.smpp_peer import DROP, THROTTLED, Centre, Delivered, Submitted, message_centre

MESSAGE = Message(id="1-7", to="+359881234567", text="Service works")
CYRILLIC = "Услугата работи. " * 5
RECEIPT = b"id:%s sub:001 dlvrd:001 submit date:2611270210 done date:2611270211 stat:%s err:%s text:Service"


def send(
    account: Account, *messages: Message, take: Callable[[Sequence[ProviderEvent]], bool] | None = None
) -> list[Outcome]:
    adapter = Smpp()
    with adapter.open_listening(account, take) if take else adapter.open(account) as session:
        return list(session.send(messages))


def receipt(provider_id: str, stat: str, err: str = "000") -> Delivered:
    text = RECEIPT % (provider_id.encode(), stat.encode(), err.encode())
    return Delivered(source="359881234567", octets=text, esm_class=0x04)


def receive(centre: Centre, **settings: str) -> list[ProviderEvent]:
    kept: list[ProviderEvent] = []
    count = Smpp().receive(centre.account_with(**settings), keeper(kept), seconds=5)
    assert count == len(centre.confirmed)
    return kept


def keeper(kept: list[ProviderEvent], *, works: bool = True) -> Callable[[Sequence[ProviderEvent]], bool]:
    def take(events: Sequence[ProviderEvent]) -> bool:
        kept.extend(events)
        return works

    return take


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.smpp.QUIET", 0.2)


@pytest.mark.parametrize(
    ("sender", "source"),
    [("+359 2 940 4321", (1, 1, "35929404321")), ("1620", (3, 0, "1620")), ("e-Uslugi", (5, 0, "e-Uslugi"))],
)
def test_numbers_have_their_type_and_plan(sender: str, source: tuple[int, int, str]) -> None:
    with message_centre() as centre:
        (outcome,) = send(centre.account_with(sender=sender), MESSAGE)
        assert outcome == Outcome(id="1-7", kind=OutcomeKind.ACCEPTED, provider_id="id-1")
        assert centre.submitted == [
            Submitted(
                source=source,
                destination=(1, 1, "359881234567"),
                esm_class=0,
                registered_delivery=1,
                data_coding=0,
                octets=b"Service works",
            )
        ]


def test_contents_sender_overrules_the_accounts() -> None:
    with message_centre() as centre:
        send(centre.account, replace(MESSAGE, sender="Ministry"))
        assert [submitted.source for submitted in centre.submitted] == [(5, 0, "Ministry")]


def test_long_text_leaves_in_parts_that_a_handset_joins() -> None:
    with message_centre() as centre:
        (outcome,) = send(centre.account, replace(MESSAGE, text=CYRILLIC))
        assert outcome == Outcome(id="1-7", kind=OutcomeKind.ACCEPTED, provider_id="id-1 id-2")
        heads = [submitted.octets[:6] for submitted in centre.submitted]
        texts = [submitted.octets[6:].decode("utf-16-be") for submitted in centre.submitted]
        assert [head[:3] + head[4:] for head in heads] == [b"\x05\x00\x03\x02\x01", b"\x05\x00\x03\x02\x02"]
        assert heads[0][3] == heads[1][3]
        assert texts == [CYRILLIC[:67], CYRILLIC[67:]]
        assert [(s.esm_class, s.data_coding, s.registered_delivery) for s in centre.submitted] == [
            (0x40, 8, 2),
            (0x40, 8, 1),
        ]


def test_refusal_of_the_first_part_is_the_messages_own() -> None:
    with message_centre() as centre:
        centre.answer(THROTTLED)
        (outcome,) = send(centre.account, replace(MESSAGE, text=CYRILLIC))
        assert (outcome.kind, outcome.reason, len(centre.submitted)) == (OutcomeKind.TEMPORARY, "rate_limited", 1)


def test_refusal_after_a_part_was_taken_leaves_the_outcome_unknown() -> None:
    with message_centre() as centre:
        centre.answer(0, THROTTLED)
        (outcome,) = send(centre.account, replace(MESSAGE, text=CYRILLIC))
        assert (outcome.kind, outcome.reason, len(centre.submitted)) == (OutcomeKind.UNKNOWN, "no_answer", 2)
        assert outcome.detail.startswith("1 of 2 parts were taken, then: 0x00000058")


def test_after_a_break_nothing_more_is_sent_until_the_next_window() -> None:
    messages = [replace(MESSAGE, id=str(number)) for number in range(12)]
    with message_centre() as centre, Smpp().open(centre.account) as session:
        centre.answer(DROP)
        outcomes = {outcome.id: outcome for outcome in session.send(messages)}
        kinds = [outcomes[str(number)].kind for number in range(12)]
        assert kinds[0] == OutcomeKind.UNKNOWN
        assert kinds[10:] == [OutcomeKind.TEMPORARY, OutcomeKind.TEMPORARY]
        assert (len(centre.binds), len(centre.submitted)) == (1, 1)
        assert [outcome.kind for outcome in session.send([MESSAGE])] == [OutcomeKind.ACCEPTED]
        assert len(centre.binds) == 2


def test_session_that_ended_between_windows_is_opened_anew() -> None:
    with message_centre() as centre, Smpp().open(centre.account) as session:
        assert [outcome.kind for outcome in session.send([MESSAGE])] == [OutcomeKind.ACCEPTED]
        centre.drop_kept_sessions()
        assert [outcome.kind for outcome in session.send([MESSAGE])] == [OutcomeKind.ACCEPTED]
        assert (len(centre.binds), len(centre.submitted)) == (2, 2)


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (0x0E, OutcomeKind.ACCOUNT, "account_problem"),
        (0x0F, OutcomeKind.ACCOUNT, "account_problem"),
        (0x05, OutcomeKind.TEMPORARY, "temporary"),
        (0x0D, OutcomeKind.TEMPORARY, "temporary"),
        (0x58, OutcomeKind.TEMPORARY, "rate_limited"),
        (0x0411, OutcomeKind.ACCOUNT, "account_problem"),
    ],
)
def test_refused_log_in_sends_nothing(status: int, kind: OutcomeKind, reason: str) -> None:
    with message_centre() as centre:
        centre.bind_statuses.append(status)
        outcomes = send(centre.account, MESSAGE, replace(MESSAGE, id="2"))
        assert [(outcome.kind, outcome.reason) for outcome in outcomes] == [(kind, reason)] * 2
        assert (len(centre.binds), centre.submitted) == (1, [])


def test_receipt_that_comes_while_sending_is_kept_before_it_is_confirmed() -> None:
    kept: list[ProviderEvent] = []
    with message_centre(between=[receipt("id-0", "DELIVRD")]) as centre:
        (outcome,) = send(centre.account, MESSAGE, take=keeper(kept))
        assert (outcome.kind, centre.confirmed) == (OutcomeKind.ACCEPTED, [0])
        assert kept == [
            ProviderEvent(
                word=EventWord.DELIVERED,
                event_id="id-0:DELIVRD",
                provider_id="id-0",
                address="+359881234567",
                raw={"from": "359881234567", "stat": "DELIVRD", "err": "000", "id": "id-0"},
            )
        ]


def test_what_cannot_be_kept_shall_come_again() -> None:
    for take in (keeper([], works=False), None):
        with message_centre(between=[receipt("id-0", "DELIVRD")]) as centre:
            assert [outcome.kind for outcome in send(centre.account, MESSAGE, take=take)] == [OutcomeKind.ACCEPTED]
            assert centre.confirmed == [0x64]


@pytest.mark.parametrize(
    ("stat", "word", "hard", "reason"),
    [
        ("ENROUTE", EventWord.ACCEPTED, None, ""),
        ("DELIVRD", EventWord.DELIVERED, None, ""),
        ("EXPIRED", EventWord.BOUNCED, False, "expired"),
        ("UNDELIV", EventWord.BOUNCED, None, "refused"),
        ("DELETED", EventWord.REJECTED, None, "refused"),
        ("REJECTD", EventWord.REJECTED, None, "policy"),
        ("UNKNOWN", EventWord.UNKNOWN, None, ""),
        ("SKIPPED", EventWord.UNKNOWN, None, ""),
    ],
)
def test_states_of_receipts(stat: str, word: EventWord, hard: bool | None, reason: str) -> None:
    with message_centre(waiting=[receipt("17", stat, "0A1")]) as centre:
        (event,) = receive(centre)
        assert (event.word, event.hard, event.reason, event.event_id) == (word, hard, reason, f"17:{stat}")
        assert event.raw["err"] == "0A1"


def test_receipt_may_say_it_in_optional_parameters() -> None:
    tlvs = (
        struct.pack(">HH", 0x1E, 5)
        + b"ab-9\0"
        + struct.pack(">HHB", 0x427, 1, 2)
        + struct.pack(">HH", 0x1555, 2)
        + b"??"
    )
    delivered = Delivered(source="359881234567", octets=b"", esm_class=0x04, tlvs=tlvs)
    with message_centre(waiting=[delivered]) as centre:
        (event,) = receive(centre)
        assert (event.word, event.provider_id, event.event_id) == (EventWord.DELIVERED, "ab-9", "ab-9:DELIVRD")


@pytest.mark.parametrize(
    ("ids", "written", "answered"), [("same", "00A7", "00A7"), ("decimal", "167", "a7"), ("hexadecimal", "A7", "167")]
)
def test_ids_of_receipts_are_read_in_their_base(ids: str, written: str, answered: str) -> None:
    with message_centre(waiting=[receipt(written, "DELIVRD")]) as centre:
        (event,) = receive(centre, receipt_ids=ids)
        assert event.provider_id == answered


def test_what_people_write_comes_in_every_alphabet() -> None:
    waiting = [
        Delivered(source="359881234567", octets="СТОП".encode("utf-16-be"), data_coding=8),
        Delivered(source="359881234567", octets=b"Stop \x1b\x65"),
        Delivered(source="1620", octets="Größe".encode("latin-1"), data_coding=3, source_ton=3),
        Delivered(source="359881234567", octets=b"\x05\x00\x03\x07\x02\x01long ", esm_class=0x40),
    ]
    with message_centre(waiting=waiting) as centre:
        events = receive(centre)
        assert [(event.word, event.address, event.text) for event in events] == [
            (EventWord.REPLIED, "+359881234567", "СТОП"),
            (EventWord.REPLIED, "+359881234567", "Stop €"),
            (EventWord.REPLIED, "1620", "Größe"),
            (EventWord.REPLIED, "+359881234567", "long "),
        ]
        assert len({event.event_id for event in events}) == 4
        assert centre.confirmed == [0, 0, 0, 0]


def test_what_cannot_be_read_is_turned_away_and_the_rest_goes_on() -> None:
    waiting = [
        Delivered(source="359881234567", octets=b"a", tlvs=b"\x00\x1e\xff"),
        Delivered(source="359881234567", octets=b"Yes"),
    ]
    with message_centre(waiting=waiting, asks_first=True) as centre:
        events = receive(centre)
        assert [event.text for event in events] == ["Yes"]
        assert centre.confirmed == [0x65, 0]
        assert 0x80000015 in centre.heard


@pytest.mark.parametrize(
    ("bind", "sends_as", "receives_as"),
    [("transceiver", "transceiver", "transceiver"), ("separate", "transmitter", "receiver")],
)
def test_one_session_for_both_or_one_for_each(bind: str, sends_as: str, receives_as: str) -> None:
    with message_centre() as centre:
        account = centre.account_with(bind=bind, system_type="GOV")
        send(account, MESSAGE)
        assert Smpp().receive(account, keeper([]), seconds=5) == 0
        assert centre.binds == [(role, "outreach", "geheim", "GOV") for role in (sends_as, receives_as)]


def test_receiving_says_why_it_cannot() -> None:
    with message_centre() as centre:
        with pytest.raises(AccountProblem, match="0x0000000E"):
            Smpp().receive(centre.account_with(password="wrong"), keeper([]), seconds=1)
        centre.stop()
        with pytest.raises(AccountWideFailure):
            Smpp().receive(centre.account, keeper([]), seconds=1)


def test_receiving_ends_in_time_though_more_comes() -> None:
    with message_centre(waiting=[receipt(str(number), "DELIVRD") for number in range(500)]) as centre:
        began = time.monotonic()
        kept: list[ProviderEvent] = []
        assert Smpp().receive(centre.account, keeper(kept), seconds=5) == 500
        assert len({event.event_id for event in kept}) == 500
        assert time.monotonic() - began < 4


def test_tls_is_verified_by_default(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(make_certificate(tmp_path / "peer.pem"))
    with message_centre(context=context) as centre:
        (refused,) = send(centre.account_with(security="tls"), MESSAGE)
        assert (refused.kind, centre.binds) == (OutcomeKind.ACCOUNT, [])
        (taken,) = send(centre.account_with(security="tls", verify="no"), MESSAGE)
        assert taken.kind == OutcomeKind.ACCEPTED


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sender": "e-Government"}, "The sender's name is longer than 11 characters."),
        (
            {"sender": "еУслуги"},
            "A sender's name has Latin letters, digits, spaces and + - _ & . only, and at least one letter.",
        ),
        ({"sender": "+1"}, "The sender is not a phone number such as +359 88 812 3456."),
        ({"sender": "123456789"}, "The sender is not a phone number such as +359 88 812 3456."),
        (
            {"password": "123456789"},
            "The protocol has room for 15 characters of a user name, 8 of a password, 12 of a system type.",
        ),
    ],
)
def test_form_is_refused_in_words(settings: dict[str, str], message: str) -> None:
    with message_centre() as centre:
        account = centre.account_with(**settings)
        assert [fault.message for fault in Smpp().find_faults(account.settings, ())] == [message]
        assert [problem.message for problem in Smpp().check(account)] == [message]
        assert centre.binds == []


def test_check_says_that_a_name_cannot_be_answered() -> None:
    with message_centre() as centre:
        (problem,) = Smpp().check(centre.account_with(sender="Council"))
        assert (problem.severity, problem.code, problem.field) == ("warning", "no_replies", "sender")


def test_check_names_a_wrong_password_without_telling_it() -> None:
    with message_centre() as centre:
        (problem,) = Smpp().check(centre.account_with(password="wr0ngpwd"))
        assert (problem.severity, problem.code) == ("error", "account")
        assert problem.message == "The SMSC refused the log-in: 0x0000000E: Invalid Password"
