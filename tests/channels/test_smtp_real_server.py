"""The adapter against Postfix with Dovecot's passwords: what they take, refuse and lay into a mailbox."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from channels.base import Account, Message, Outcome, OutcomeKind, Part
from channels.mime import assemble
from channels.smtp import Smtp
from tests.channels.mail_server import CYRILLIC, LARGEST, MailExchange
from tests.channels.test_dkim import keys, signer, verdicts

pytestmark = pytest.mark.xdist_group("mail-exchange")

#: Lines that servers are known to change: with dots, an mbox's `From`, spaces at the end, nothing at the end.
TEXT = "Здравейте, Ивана!\n\n.точка\n..две\nFrom today on\nинтервали   \n-- \nОбщина Пловдив\n\n\n"
LETTER = Message(
    id="1-7",
    to="ivana@mail.test",
    subject="Новата е-услуга за местни данъци вече работи и е достъпна за всички",
    text=TEXT,
    html="<p>Здравейте, <b>Ивана</b>!</p>\n.<br>\n",
    sender="Община Пловдив <news@mail.test>",
    message_id="1-7.0123456789abcdef@mail.test",
    language="bg",
    headers=(("List-Unsubscribe", "<https://mail.test/u/token>"),),
    parts=(Part(name="logo.png", media_type="image/png", data=bytes(range(256)) * 20, content_id="logo"),),
)


def send(account: Account, *messages: Message) -> dict[str, tuple[OutcomeKind, str]]:
    return {outcome.id: (outcome.kind, outcome.reason) for outcome in hand_over(account, *messages)}


def hand_over(account: Account, *messages: Message) -> list[Outcome]:
    with Smtp().open(account) as session:
        return list(session.send(messages))


def letters_to(*people: str) -> list[Message]:
    return [
        replace(LETTER, id=f"1-{number}", to=to, message_id=f"1-{number}.0123456789abcdef@mail.test", parts=())
        for number, to in enumerate(people)
    ]


def test_a_letter_lies_in_the_mailbox_byte_for_byte_and_its_signatures_hold(exchange: MailExchange) -> None:
    raw = assemble(LETTER)
    account = exchange.account(**keys(), bounce_address="bounces@mail.test")
    assert send(account, replace(LETTER, raw=raw)) == {"1-7": (OutcomeKind.ACCEPTED, "")}

    (letter,) = exchange.wait_for("ivana", LETTER.message_id)
    parsed: Any = message_from_bytes(letter, policy=policy.default)
    assert letter.endswith(raw)
    assert verdicts(letter, signer(sender="news@mail.test")) == [True, True]
    assert parsed["Return-Path"] == f"<bounces+{LETTER.message_id.partition('@')[0]}@mail.test>"
    assert [re.findall(r"with (\w+)", hop) for hop in parsed.get_all("Received")] == [["LMTP"], ["ESMTPSA"]]
    assert (parsed["From"], parsed["Subject"]) == (LETTER.sender, LETTER.subject)
    # The blank line before a boundary belongs to the boundary (RFC 2046, 5.1.1).
    assert parsed.get_body(("plain",)).get_content().splitlines() == TEXT.splitlines()[:-1]
    assert parsed.get_body(("html",)).get_content().splitlines() == LETTER.html.splitlines()
    (picture,) = [part for part in parsed.walk() if part.get_content_maintype() == "image"]
    assert picture.get_content() == LETTER.parts[0].data


@pytest.mark.parametrize("connections", ["1", "4"])
def test_pipelined_letters_arrive_once_each(exchange: MailExchange, connections: str) -> None:
    messages = letters_to(*["ivana@mail.test"] * 40)
    outcomes = hand_over(exchange.account(connections=connections), *messages)

    assert {outcome.id: outcome.kind for outcome in outcomes} == {
        message.id: OutcomeKind.ACCEPTED for message in messages
    }
    assert len({outcome.provider_id for outcome in outcomes}) == 40
    for outcome in outcomes:
        exchange.wait_for_log(f"{outcome.provider_id}: removed")
    arrived = [str(message_from_bytes(letter)["Message-ID"]) for letter in exchange.letters("ivana")]
    assert Counter(arrived) == Counter(f"<{message.message_id}>" for message in messages)


def test_refused_recipients_and_a_letter_too_big_do_not_disturb_their_neighbours(exchange: MailExchange) -> None:
    messages = letters_to("ivana@mail.test", "nobody@mail.test", "ivan@mail.test", "ivana@mail.test", "news@mail.test")
    messages[3] = replace(messages[3], text="Текст\n" * (LARGEST // 10))
    outcomes = hand_over(exchange.account(connections="1"), *messages)

    assert {outcome.id: (outcome.kind, outcome.reason) for outcome in outcomes} == {
        "1-0": (OutcomeKind.ACCEPTED, ""),
        "1-1": (OutcomeKind.PERMANENT, "unknown_recipient"),
        "1-2": (OutcomeKind.ACCEPTED, ""),
        "1-3": (OutcomeKind.PERMANENT, "refused"),
        "1-4": (OutcomeKind.ACCEPTED, ""),
    }
    said = {outcome.id: outcome.detail for outcome in outcomes if outcome.detail}
    assert said["1-1"].startswith("550 5.1.1 <nobody@mail.test>: Recipient address rejected: User unknown")
    assert said["1-3"].startswith("552 5.3.4 ")
    for person, number in (("ivana", 0), ("ivan", 2), ("news", 4)):
        exchange.wait_for(person, f"1-{number}.0123456789abcdef")


def test_a_list_full_of_old_addresses_outlasts_the_servers_patience(exchange: MailExchange) -> None:
    """Postfix hangs up after twenty errors on one connection (`smtpd_hard_error_limit`)."""
    people = [f"gone{number}@mail.test" for number in range(50)]
    outcomes = send(exchange.account(connections="1"), *letters_to(*people, "ivana@mail.test"))

    assert outcomes == {
        **{f"1-{number}": (OutcomeKind.PERMANENT, "unknown_recipient") for number in range(50)},
        "1-50": (OutcomeKind.ACCEPTED, ""),
    }


def test_an_address_in_cyrillic_goes_by_smtputf8(exchange: MailExchange) -> None:
    (message,) = letters_to(CYRILLIC)
    assert send(exchange.account(), message) == {"1-0": (OutcomeKind.ACCEPTED, "")}

    (letter,) = exchange.wait_for("ivan", message.message_id)
    assert letter.endswith(assemble(message).partition(b"\r\nDate: ")[2].partition(b"\r\n")[2])
    assert f"Delivered-To: {CYRILLIC}\r\n".encode() in letter
    assert b"with UTF8SMTPSA id" in letter


@pytest.mark.parametrize(
    ("auth", "said"), [("auto", "PLAIN"), ("plain", "PLAIN"), ("login", "LOGIN"), ("scram-sha-256", "SCRAM-SHA-256")]
)
def test_ways_to_log_in_with_a_password_in_cyrillic(exchange: MailExchange, auth: str, said: str) -> None:
    (outcome,) = hand_over(exchange.account(auth=auth), *letters_to("ivana@mail.test"))

    assert (outcome.kind, outcome.reason) == (OutcomeKind.ACCEPTED, "")
    login = f"sasl_method={said}, sasl_username=news@mail.test"
    exchange.wait_for_log(f"{outcome.provider_id}: client=localhost[127.0.0.1], {login}")


@pytest.mark.parametrize("auth", ["auto", "scram-sha-256"])
def test_a_wrong_password_stops_the_account(exchange: MailExchange, auth: str) -> None:
    account = exchange.account(password="друга", auth=auth)
    assert send(account, LETTER) == {"1-7": (OutcomeKind.ACCOUNT, "account_problem")}
    assert [problem.message.partition(":")[0] for problem in Smtp().check(account)] == [
        "The mail server refused the log-in"
    ]


def test_without_a_log_in_nothing_is_passed_on(exchange: MailExchange) -> None:
    account = exchange.account(username="", password="")
    here, elsewhere = letters_to("ivana@mail.test", "somebody@elsewhere.test")
    assert send(account, here, elsewhere) == {
        "1-0": (OutcomeKind.ACCEPTED, ""),
        "1-1": (OutcomeKind.PERMANENT, "policy"),
    }


def test_tls_from_the_first_byte_and_what_the_check_says(exchange: MailExchange) -> None:
    account = exchange.account(security="tls", port=str(exchange.wrapped))
    assert (send(account, LETTER), Smtp().check(account)) == ({"1-7": (OutcomeKind.ACCEPTED, "")}, [])
    assert Smtp().check(exchange.account()) == []
    (untrusted,) = Smtp().check(exchange.account(tls_trusted=""))
    assert "is not to be trusted: self-signed certificate" in untrusted.message
