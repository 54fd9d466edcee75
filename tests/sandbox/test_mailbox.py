from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from outreach.sandbox.mailbox import find_header, read_mail
from tests.sandbox.conftest import Kept


def compose(to: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = "Новини <news@example.org>", to
    message["Subject"], message["Message-ID"] = "Новата услуга работи", "<one@example.org>"
    message.set_content("Текст на писмото\n")
    message.add_alternative("<p>Текст на <b>писмото</b></p>", subtype="html")
    return message


def test_mail_is_kept_before_it_is_answered(mailbox_port: int, kept: Callable[[], list[Kept]]) -> None:
    message = compose("ana@example.org")
    with smtplib.SMTP("127.0.0.1", mailbox_port, timeout=5) as smtp:
        refused = smtp.sendmail("bounces@example.org", ["ana@example.org", "bob@example.org"], message.as_bytes())
        found = kept()
    expected = {
        "channel": "email",
        "sender": "bounces@example.org",
        "subject": "Новата услуга работи",
        "body": "Текст на писмото\r\n",
        "raw": message.as_bytes(),
        "provider_id": "one@example.org",
    }
    assert refused == {}
    assert found == [Kept(recipient=to, **expected) for to in ("ana@example.org", "bob@example.org")]  # type: ignore[arg-type]  # one type of value


@pytest.mark.parametrize(
    ("address", "first", "second"),
    [("bounce-1@example.org", 550, 550), ("Refused@example.org", 550, 550), ("later7@example.org", 450, 250)],
)
def test_some_addresses_are_refused(mailbox_port: int, address: str, first: int, second: int) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox_port, timeout=5) as smtp:
        smtp.ehlo()
        smtp.mail("news@example.org")
        assert [smtp.rcpt(address)[0] for _ in range(2)] == [first, second]


def test_pipelined_commands_are_answered_in_order(mailbox_port: int, kept: Callable[[], list[Kept]]) -> None:
    with socket.create_connection(("127.0.0.1", mailbox_port), timeout=5) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        connection.sendall(b"EHLO sender.example.org\r\n")
        offered = [line := lines.readline()]
        while line[3:4] == b"-":
            offered.append(line := lines.readline())
        connection.sendall(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        connection.sendall(
            b"Subject: One\r\n\r\nText\r\n.\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<bounce@example.org>\r\n"
        )
        answers = [lines.readline()[:3] for _ in range(6)]
    assert b"250-PIPELINING\r\n" in offered
    assert answers == [b"250", b"250", b"354", b"250", b"250", b"550"]
    assert [row.subject for row in kept()] == ["One"]


def test_mail_that_is_no_mail_is_kept_too() -> None:
    (arrival,) = read_mail(b"\xff\x00 not a message", sender="", recipients=["a@example.org"])
    assert (arrival.recipient, arrival.raw) == ("a@example.org", b"\xff\x00 not a message")


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Subject: =?utf-8?b?0JfQtNGA0LDQstC10Lk=?=", "Здравей"),
        ("subject: Здравей,\r\n ана", "Здравей, ана"),
        ("Subject: =?no-such-charset?b?0JfQ?=", "=?no-such-charset?b?0JfQ?="),
        ("Subject: =?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("X-Other: a", ""),
        ("Subject: Plain", "Plain"),
    ],
)
def test_header_is_read_as_people_see_it(header: str, text: str) -> None:
    message = message_from_bytes(f"{header}\r\n\r\nText".encode())
    assert find_header(message, "Subject") == text
