from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import channels
from channels import smtp_session, smtp_wire
from channels.base import Account, Message, Outcome, OutcomeKind, Problem
from channels.mime import Skeleton
from channels.smtp import Smtp
from channels.smtp_conversation import stuff_dots
from tests.channels.smtp_peer import DROP, STALL, MailServer, mail_server
from tests.road.installation import wait_until

LOCK_STEP = ("8BITMIME",)


def letters(count: int, *, text: str = "Текст") -> list[Message]:
    return [Message(id=f"d{n}", to=f"u{n}@example.org", subject="Здравей", text=text) for n in range(count)]


def send(account: Account, messages: list[Message]) -> list[Outcome]:
    with channels.get("smtp").open(account) as session:
        return list(session.send(messages))


def kinds(outcomes: list[Outcome]) -> dict[str, OutcomeKind]:
    assert len({outcome.id for outcome in outcomes}) == len(outcomes)
    return {outcome.id: outcome.kind for outcome in outcomes}


def all_accepted(messages: list[Message]) -> dict[str, OutcomeKind]:
    return {message.id: OutcomeKind.ACCEPTED for message in messages}


def recipients(server: MailServer) -> Counter[str]:
    return Counter(to for to, _ in server.messages)


@pytest.mark.parametrize("extensions", [("PIPELINING", "8BITMIME"), LOCK_STEP, ("PIPELINING",), ()], ids=repr)
@pytest.mark.parametrize("connections", ["1", "4"])
def test_every_message_arrives_once(extensions: tuple[str, ...], connections: str) -> None:
    messages = letters(60)
    with mail_server(extensions=extensions) as server:
        outcomes = send(server.account_with(connections=connections), messages)
        assert kinds(outcomes) == all_accepted(messages)
        assert recipients(server) == Counter(message.to for message in messages)
        assert server.connections == int(connections)


def test_pipelined_commands_travel_with_the_content_before() -> None:
    with mail_server() as server:
        send(server.account_with(connections="1"), letters(2))
        wait_until(lambda: "QUIT" in server.commands, what="the server has read the goodbye")
        verbs = [command.partition(" ")[0] for command in server.commands]
        assert verbs == ["EHLO", "MAIL", "RCPT", "DATA", "MAIL", "RCPT", "DATA", "QUIT"]


def test_queue_id_is_kept() -> None:
    with mail_server() as server:
        assert [outcome.provider_id for outcome in send(server.account, letters(1))] == ["Q1"]


def test_refused_recipient_does_not_disturb_its_neighbours() -> None:
    messages = letters(5)
    for extensions in (("PIPELINING", "8BITMIME"), LOCK_STEP):
        with mail_server(extensions=extensions) as server:
            server.answer({}, {"RCPT": "550 5.1.1 no such user"}, {}, {"MAIL": "452 4.3.1 no space"}, {})
            outcomes = send(server.account_with(connections="1"), messages)
            assert kinds(outcomes) == {
                **all_accepted(messages),
                "d1": OutcomeKind.PERMANENT,
                "d3": OutcomeKind.TEMPORARY,
            }
            assert recipients(server) == Counter(["u0@example.org", "u2@example.org", "u4@example.org"])


def test_data_accepted_after_a_refused_envelope_gets_a_lone_dot() -> None:
    with mail_server() as server:
        server.answer({"RCPT": "550 5.1.1 no such user", "DATA": "354 go on anyway"})
        outcomes = send(server.account_with(connections="1"), letters(2))
        assert kinds(outcomes) == {"d0": OutcomeKind.PERMANENT, "d1": OutcomeKind.ACCEPTED}
        assert recipients(server) == Counter(["u1@example.org"])


def test_connection_lost_after_the_dot_leaves_one_unknown_and_loses_none() -> None:
    messages = letters(6)
    with mail_server() as server:
        server.answer({}, {}, {"END": DROP})
        outcomes = send(server.account_with(connections="1"), messages)
        assert kinds(outcomes) == {**all_accepted(messages), "d2": OutcomeKind.UNKNOWN}
        assert recipients(server) == Counter(message.to for message in messages)


def test_connection_lost_in_mid_content_is_temporary() -> None:
    # Larger than all buffers between us and the server, so that its end cannot have left.
    (message,) = letters(1, text="Текст\n" * 1_500_000)
    with mail_server() as server:
        server.answer({"CONTENT": DROP})
        (outcome,) = send(server.account, [message])
        assert (outcome.kind, outcome.reason) == (OutcomeKind.TEMPORARY, "temporary")
        assert server.messages == []


def test_server_that_limits_messages_a_connection_is_reconnected_to() -> None:
    messages = letters(10)
    with mail_server(most_messages=3) as server:
        outcomes = send(server.account_with(connections="1"), messages)
        assert kinds(outcomes) == all_accepted(messages)
        assert recipients(server) == Counter(message.to for message in messages)
        assert server.connections == 4


def test_server_that_says_goodbye_at_once_is_not_asked_again() -> None:
    with mail_server(most_messages=0) as server:
        (outcome,) = send(server.account, letters(1))
        assert (outcome.kind, outcome.reason, outcome.scope) == (OutcomeKind.TEMPORARY, "rate_limited", "account")
        assert server.connections == 1


def test_kept_connection_that_was_dropped_is_opened_again() -> None:
    first, second = letters(2)
    with mail_server() as server, channels.get("smtp").open(server.account) as session:
        list(session.send([first]))
        server.drop_kept_connections()
        assert kinds(list(session.send([second]))) == all_accepted([second])
        assert server.connections == 2


def test_kept_connection_is_used_again_until_it_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = letters(3)
    with mail_server() as server, channels.get("smtp").open(server.account) as session:
        list(session.send([first]))
        list(session.send([second]))
        assert server.connections == 1
        monkeypatch.setattr(smtp_session, "STALE_SECONDS", -1.0)
        list(session.send([third]))
        assert server.connections == 2


@pytest.mark.parametrize(
    ("step", "kind"),
    [("MAIL", OutcomeKind.TEMPORARY), ("DATA", OutcomeKind.TEMPORARY), ("END", OutcomeKind.UNKNOWN)],
)
def test_silence_is_bounded(monkeypatch: pytest.MonkeyPatch, step: str, kind: OutcomeKind) -> None:
    monkeypatch.setattr(smtp_wire, "REPLY_SECONDS", 0.2)
    with mail_server() as server:
        server.answer({step: STALL})
        started = time.monotonic()
        (outcome,) = send(server.account, letters(1))
        assert outcome.kind == kind
        assert time.monotonic() - started < 5


def test_silent_connection_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_wire, "REPLY_SECONDS", 0.5)
    messages = letters(40)
    with mail_server() as server:
        server.answer({"END": STALL})
        outcomes = send(server.account_with(connections="2"), messages)
        # Unknown is the message that got no answer; the one behind it on that connection was not handed over.
        assert Counter(kinds(outcomes).values()) == {
            OutcomeKind.ACCEPTED: 38,
            OutcomeKind.UNKNOWN: 1,
            OutcomeKind.TEMPORARY: 1,
        }


@pytest.mark.parametrize(
    ("banner", "kind"),
    [
        ("SSH-2.0-OpenSSH_9.2", OutcomeKind.TEMPORARY),
        ("421 4.3.2 too busy", OutcomeKind.TEMPORARY),
        ("554 5.7.1 we do not know you", OutcomeKind.ACCOUNT),
        (DROP, OutcomeKind.TEMPORARY),
    ],
)
def test_bad_banner_answers_for_all_messages_after_one_try(banner: str, kind: OutcomeKind) -> None:
    messages = letters(3)
    with mail_server(banner=banner) as server:
        outcomes = send(server.account, messages)
        assert kinds(outcomes) == dict.fromkeys((message.id for message in messages), kind)
        assert server.connections == 1


def test_next_message_is_pulled_only_when_a_connection_is_free_for_it() -> None:
    pulled: list[str] = []

    def source() -> Iterator[Message]:
        for message in letters(50):
            pulled.append(message.id)
            yield message

    with mail_server() as server, channels.get("smtp").open(server.account_with(connections="1")) as session:
        for number, _ in enumerate(session.send(source()), start=1):
            assert len(pulled) <= number + 2


def test_closing_in_mid_window_abandons_the_connection_in_use() -> None:
    with mail_server() as server, channels.get("smtp").open(server.account) as session:
        outcomes = session.send(letters(50))
        next(iter(outcomes))
        outcomes.close()  # type: ignore[attr-defined]  # the session's own generator
        late = Message(id="late", to="late@example.org", text="x")
        assert kinds(list(session.send([late]))) == all_accepted([late])
        assert max(recipients(server).values()) == 1


def test_raw_message_is_sent_as_it_stands() -> None:
    raw = Skeleton(sender="n@example.org").fill(to="a@example.org", subject="Я", text=".точка\n..две\nкрай")
    with mail_server() as server:
        send(server.account, [Message(id="1", to="a@example.org", text="", raw=raw)])
        assert server.messages == [("a@example.org", raw)]
        assert "MAIL FROM:<news@example.org> BODY=8BITMIME" in server.commands


@pytest.mark.parametrize("offered", ["", "DSN"])
def test_returned_mail_comes_to_an_address_of_the_message(offered: str) -> None:
    message = Message(id="1-2", to="a@example.org", text="x", message_id="1-2.0123456789abcdef@example.org")
    parameters, wishes = (" RET=HDRS ENVID=1-2", " NOTIFY=FAILURE,DELAY") if offered else ("", "")
    with mail_server(extensions=("PIPELINING", "8BITMIME", *([offered] if offered else []))) as server:
        outcomes = send(server.account_with(bounce_address="bounces@bücher.example"), [message])
        assert kinds(outcomes) == all_accepted([message])
        assert server.commands[1:3] == [
            f"MAIL FROM:<bounces+1-2.0123456789abcdef@xn--bcher-kva.example>{parameters}",
            f"RCPT TO:<a@example.org>{wishes}",
        ]


def test_an_address_for_returned_mail_is_one() -> None:
    faults = Smtp().find_faults({"bounce_address": "bounces at example.org"}, ())
    assert [(fault.field, fault.code) for fault in faults] == [("bounce_address", "invalid_bounce_address")]
    assert Smtp().find_faults({"bounce_address": "bounces@example.org"}, ()) == []


def test_server_without_8bitmime_gets_seven_bits() -> None:
    with mail_server(extensions=("PIPELINING",)) as server:
        send(server.account, letters(1))
        ((_, content),) = server.messages
        assert content.isascii()
        assert "MAIL FROM:<news@example.org>" in server.commands


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b".\r\n", b"\r\n."]), max_size=30))
def test_dot_stuffing_is_undone_by_the_receiver(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    *lines, end, rest = (stuff_dots(raw) + b".\r\n").split(b"\r\n")
    assert (end, rest) == (b".", b"")
    assert b"." not in lines
    assert b"\r\n".join(line.removeprefix(b".") for line in lines) == raw.removesuffix(b"\r\n")


@given(st.lists(st.sampled_from([b".", b"a", b"\r\n", b"\n", b"\r"]), max_size=30))
def test_no_line_end_of_any_kind_smuggles_an_end_of_data(pieces: list[bytes]) -> None:
    wire = stuff_dots(b"".join(pieces)).removesuffix(b"\r\n")
    assert b"." not in re.split(rb"\r\n|\r|\n", wire)


def test_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    message = Message(id="1", to="ана@example.org", subject="s", text="x")
    with mail_server() as server:
        assert kinds(send(server.account, [message])) == all_accepted([message])
        assert server.commands[1] == "MAIL FROM:<news@example.org> BODY=8BITMIME SMTPUTF8"
        assert server.attempts == ["ана@example.org"]
    with mail_server(extensions=("PIPELINING", "8BITMIME")) as server:
        assert kinds(send(server.account, [message])) == {"1": OutcomeKind.UNSUPPORTED}
        assert server.attempts == []


def test_international_domain_travels_in_its_ascii_form() -> None:
    with mail_server(extensions=()) as server:
        send(server.account, [Message(id="1", to="ana@пример.бг", subject="s", text="x")])
        assert server.attempts == ["ana@xn--e1afmkfd.xn--90ae"]


@pytest.mark.parametrize(
    ("password", "kind"), [("тайна", OutcomeKind.ACCEPTED), ("wrong", OutcomeKind.ACCOUNT)], ids=["right", "wrong"]
)
def test_cram_md5_keeps_the_password_off_the_wire(password: str, kind: OutcomeKind) -> None:
    with mail_server(extensions=("AUTH PLAIN CRAM-MD5",), password="тайна") as server:
        account = server.account_with(username="ana", password=password)
        assert kinds(send(account, letters(1))) == {"d0": kind}
        assert server.commands[1] == "AUTH CRAM-MD5"


def test_server_without_log_in_or_encryption_is_an_account_problem() -> None:
    with mail_server() as server:
        for settings in ({"username": "ana", "password": "x"}, {"security": "starttls"}):
            assert kinds(send(server.account_with(**settings), letters(1))) == {"d0": OutcomeKind.ACCOUNT}
        assert server.attempts == []


def test_port_that_is_no_number_is_an_account_problem() -> None:
    with mail_server() as server:
        assert kinds(send(server.account_with(port="smtp"), letters(2))) == dict.fromkeys(
            ("d0", "d1"), OutcomeKind.ACCOUNT
        )


def test_check_reports_the_sender_and_an_unprotected_connection() -> None:
    with mail_server() as server:
        check = channels.get("smtp").check
        assert check(server.account) == []
        assert check(server.account_with(sender="news")) == [
            Problem(
                severity="error",
                code="invalid_sender",
                message="The sender is not an e-mail address.",
                remedy="Write an address, or a name and an address such as News <news@example.org>.",
                field="sender",
            )
        ]
        assert server.attempts == []


def test_check_says_that_the_log_in_was_refused() -> None:
    with mail_server(extensions=("AUTH CRAM-MD5",), password="right") as server:
        account = server.account_with(username="ana", password="wrong-one")
        assert channels.get("smtp").check(account) == [
            Problem(
                severity="error",
                code="server",
                message="The mail server refused the log-in: 535 5.7.8 wrong password.",
                remedy="Correct the user name and the password.",
            )
        ]


def test_server_that_repeats_the_password_does_not_bring_it_into_the_ledger() -> None:
    with mail_server() as server:
        server.answer({"RCPT": "550 5.7.1 hunter2 is no password"})
        (outcome,) = send(server.account_with(password="hunter2"), letters(1))
        assert outcome.detail == "550 5.7.1 … is no password"


def test_two_messages_to_one_person_both_arrive() -> None:
    (message,) = letters(1)
    with mail_server() as server:
        outcomes = send(server.account, [message, replace(message, id="second")])
        assert kinds(outcomes) == {"d0": OutcomeKind.ACCEPTED, "second": OutcomeKind.ACCEPTED}
