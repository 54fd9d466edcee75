"""Mailboxes of Dovecot, and what Postfix itself returns: read by the product, matched, taken once."""

from __future__ import annotations

import imaplib
from typing import Any

import pytest
from imap_tools.errors import ImapToolsError

from channels.base import Message, OutcomeKind
from channels.smtp import Smtp
from outreach.audience.models import Address
from outreach.audience.suppression import is_suppressed
from outreach.core.errors import OutreachError
from outreach.core.models import Account, Alert
from outreach.core.secrets import address_digest, seal
from outreach.delivery.adapters import LOOPBACK, session_for
from outreach.delivery.models import Delivery
from outreach.events.mail import inspect
from outreach.events.mailbox import Position, read_mailbox
from outreach.events.models import DomainReport, Event, Reply
from outreach.events.polling import poll_replies
from tests.channels.mail_server import DOWN, PASSWORD, REFUSED, UNDELIVERABLE, MailExchange
from tests.events.reports import dmarc_mail, record
from tests.events.test_replies import letter, message_id

pytestmark = pytest.mark.xdist_group("mail-exchange")


def read(settings: dict[str, str], position: Position | None = None) -> list[tuple[int, bytes]]:
    """Numbers and subjects' lines of what is read."""
    return [
        (behind.uid, content.partition(b"Subject: ")[2].partition(b"\r\n")[0])
        for behind, content in read_mailbox(settings, position or Position(), allow_private=LOOPBACK)
    ]


def lay(exchange: MailExchange, *subjects: str, folder: str = "INBOX") -> None:
    for subject in subjects:
        exchange.append("ivan", f"From: a@b.test\r\nSubject: {subject}\r\n\r\nТекст\r\n".encode(), folder=folder)


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_a_mailbox_is_read_from_where_the_reading_stands(exchange: MailExchange, security: str) -> None:
    port = exchange.imaps if security == "tls" else exchange.imap
    settings = exchange.mailbox("ivan", security=security, port=str(port))
    assert read(settings) == []
    lay(exchange, "one", "two", "three")
    positions = [behind for behind, _ in read_mailbox(settings, Position(), allow_private=LOOPBACK)]

    assert [subject for _, subject in read(settings)] == [b"one", b"two", b"three"]
    assert [subject for _, subject in read(settings, positions[1])] == [b"three"]
    assert read(settings, positions[2]) == []


def test_what_is_read_stays_whole_and_unread(exchange: MailExchange) -> None:
    content = b"From: a@b.test\r\nSubject: x\r\n\r\n\xd0\x94\xd0\xb0\r\n.\r\nFrom me\r\n" + b"x" * 100_000 + b"\r\n\r\n"
    exchange.append("ivan", content)

    assert [found for _, found in read_mailbox(exchange.mailbox("ivan"), Position(), allow_private=LOOPBACK)] == [
        content
    ]
    with exchange.open("ivan") as box:
        box.select("INBOX", readonly=True)
        assert box.search(None, "UNSEEN")[1] == [b"1"]


def test_a_letter_that_somebody_takes_away_meanwhile_is_passed_over(exchange: MailExchange) -> None:
    lay(exchange, "one", "two", "three")
    reading = read_mailbox(exchange.mailbox("ivan"), Position(), allow_private=LOOPBACK)
    first = next(reading)
    with exchange.open("ivan") as box:
        box.select("INBOX")
        box.store("2", "+FLAGS.SILENT", r"(\Deleted)")
        box.close()
    rest = list(reading)

    assert [behind.uid - first[0].uid for behind, _ in rest] == [1, 2]
    assert rest[0][1] in (b"", first[1].replace(b"one", b"two"))
    assert b"Subject: three" in rest[1][1]


def test_a_folder_in_cyrillic_that_was_made_anew_is_read_from_its_beginning(exchange: MailExchange) -> None:
    settings = exchange.mailbox("ivan", folder="Отговори")
    encoded = "&BB4EQgQzBD4EMgQ+BEAEOA-"
    with exchange.open("ivan") as box:
        box.delete(encoded)
        box.create(encoded)
    lay(exchange, "one", "two", folder=encoded)
    (_, _), (before, _) = read_mailbox(settings, Position(), allow_private=LOOPBACK)
    with exchange.open("ivan") as box:
        box.delete(encoded)
        box.create(encoded)
    lay(exchange, "three", folder=encoded)

    ((after, content),) = read_mailbox(settings, before, allow_private=LOOPBACK)
    assert (after.uid, after.validity != before.validity, b"Subject: three" in content) == (1, True, True)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_no_password_is_told_to_a_server_whose_certificate_nobody_vouches_for(
    exchange: MailExchange, security: str
) -> None:
    port = exchange.imaps if security == "tls" else exchange.imap
    settings = exchange.mailbox("ivan", security=security, port=str(port), trusted="")
    with pytest.raises((OSError, OutreachError), match="self-signed certificate"):
        read(settings)


@pytest.mark.parametrize("password", ["wrong", "друга"])
def test_a_wrong_password_is_refused(exchange: MailExchange, password: str) -> None:
    with pytest.raises((imaplib.IMAP4.error, ImapToolsError), match="AUTHENTICATIONFAILED"):
        read(exchange.mailbox("ivan", password=password))


def test_what_postfix_returns_is_understood(exchange: MailExchange) -> None:
    people = (f"a@{REFUSED}", "full@mail.test", UNDELIVERABLE, f"b@{DOWN}")
    messages = [
        Message(id=f"1-{number}", to=to, subject="Здравейте", text="Текст", message_id=f"1-{number}.0123@mail.test")
        for number, to in enumerate(people)
    ]
    with Smtp().open(exchange.account(bounce_address="bounces@mail.test")) as session:
        assert {outcome.kind for outcome in session.send(messages)} == {OutcomeKind.ACCEPTED}
    returned = exchange.wait_for("bounces", "MAILER-DAEMON", count=4)

    found = {reading["recipients"][0]: reading for reading in map(inspect, returned)}
    assert {to: (each["kind"], each["status"], each["reason"], each["hard"]) for to, each in found.items()} == {
        people[0]: ("bounce", "5.1.1", "userunknown", True),
        people[1]: ("bounce", "5.2.2", "mailboxfull", False),
        people[2]: ("bounce", "5.6.7", "undefined", False),
        people[3]: ("bounce", "4.4.1", "networkerror", False),
    }
    numbers = {b"Original-Envelope-Id: 1-%d\n" % number for number in range(4)}
    assert {line for line in numbers if any(line in each.replace(b"\r\n", b"\n") for each in returned)} == numbers


@pytest.fixture
def sending(sent: Any, exchange: MailExchange) -> Account:
    """The account of the message to Ivana: it sends by Postfix, and reads its mailbox at Dovecot."""
    mailbox = exchange.mailbox("bounces", trusted=exchange.trusted)
    kept = {f"imap_{name}": value for name, value in mailbox.items() if name != "password"}
    own = exchange.settings(bounce_address="bounces@mail.test", sender="Община Пловдив <news@mail.test>")
    own.pop("password")
    account: Account = sent.account
    account.adapter, account.settings = "smtp", own | kept
    account.sealed = seal({"password": PASSWORD, "imap_password": PASSWORD})
    account.save()
    return account


def message_to(sent: Any, to: str) -> Message:
    public_id = f"{sent.run.pk}-{sent.delivery}"
    return Message(id=public_id, to=to, subject="Данъци", text="Текст", message_id=message_id(sent).strip("<>"))


def kept() -> list[tuple[Any, ...]]:
    return list(Reply.objects.order_by("pk").values_list("kind", "text", "delivery", "matched_by"))


@pytest.mark.parametrize("to", [f"ivana@{REFUSED}", "full@mail.test", UNDELIVERABLE, f"ivana@{DOWN}"])
@pytest.mark.django_db(transaction=True)
def test_a_message_that_comes_back_is_told_of_its_own_delivery_once(
    sent: Any, sending: Account, exchange: MailExchange, to: str
) -> None:
    Address.objects.filter(pk=sent.address.pk).update(value=to, normalised=to, digest=address_digest("email", to))
    with session_for(sending.pk) as session:
        assert [outcome.kind for outcome in session.send([message_to(sent, to)])] == [OutcomeKind.ACCEPTED]
    exchange.wait_for("bounces", "MAILER-DAEMON")

    assert (poll_replies(), poll_replies()) == (1, 0)
    assert kept() == [("bounce", "", sent.delivery, "message_id")]
    came_back = "" if to.endswith(DOWN) else "bounced"
    assert Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery).receipt == came_back
    assert Event.objects.values_list("kind", "delivery").get() == (came_back or "delayed", sent.delivery)
    assert is_suppressed(sent.organisation, "email", to) is to.endswith(REFUSED)


@pytest.mark.django_db(transaction=True)
def test_a_reply_and_a_report_that_postfix_lays_into_the_mailbox_are_read_once(
    sent: Any, sending: Account, exchange: MailExchange
) -> None:
    exchange.write("bounces", letter("Кога е срокът?", In_Reply_To=message_id(sent)))
    exchange.write("bounces", dmarc_mail(record("1.2.3.4", 3), domain="mail.test"))
    exchange.wait_for("bounces", "someone@elsewhere.test", count=2)

    assert (poll_replies(), poll_replies()) == (1, 0)
    assert kept() == [("reply", "Кога е срокът?", sent.delivery, "message_id")]
    assert list(DomainReport.objects.values_list("kind", "passed")) == [("dmarc", 3)]


@pytest.mark.django_db(transaction=True)
def test_one_mailbox_with_settings_that_cannot_work_keeps_no_other_from_being_read(
    sent: Any, sending: Account, exchange: MailExchange
) -> None:
    """STARTTLS on port 993, where TLS begins with the first byte: what the form offers when only one is changed."""
    wrong = replace_account(sending, imap_security="starttls", imap_port=993)
    exchange.write("bounces", letter("Благодаря!", In_Reply_To=message_id(sent)))
    exchange.wait_for("bounces", "someone@elsewhere.test")

    assert (poll_replies(), kept()) == (1, [("reply", "Благодаря!", sent.delivery, "message_id")])
    alert = Alert.objects.get()
    assert (alert.code, alert.noun_id, alert.resolved_at) == ("inbound_unreadable", str(wrong.pk), None)


def replace_account(account: Account, **settings: Any) -> Account:
    """An older account of the same organisation, with other settings: it is read first."""
    first = Account.objects.get(pk=account.pk)
    first.pk, first.hook_key, first.name = account.pk - 1, "hook-key-of-the-first", "First"
    first.settings = account.settings | settings
    first.save(force_insert=True)
    return first
