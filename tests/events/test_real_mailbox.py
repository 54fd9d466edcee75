"""Mailboxes of Dovecot, and what Postfix itself returns: read by the product, matched, taken once."""

from __future__ import annotations

import imaplib
import threading
from typing import Any

import pytest
from django.db import connection
from imap_tools import BaseMailBox
from imap_tools.errors import ImapToolsError

from channels.base import Message, OutcomeKind
from channels.smtp import Smtp
from outreach.audience.models import Address
from outreach.audience.suppression import is_suppressed
from outreach.core.access import product_itself
from outreach.core.errors import OutreachError
from outreach.core.models import Account, Alert
from outreach.core.secrets import address_digest, seal
from outreach.delivery.adapters import LOOPBACK, session_for
from outreach.delivery.alive import alive
from outreach.delivery.door import real_door
from outreach.delivery.engine import work
from outreach.delivery.models import Delivery
from outreach.effectiveness.talk import talk_of
from outreach.events import mailbox, polling
from outreach.events.inbox import answer
from outreach.events.letters import header, parse, text_of
from outreach.events.mail import inspect
from outreach.events.mail_watch import watch_account
from outreach.events.mailbox import Position, read_mailbox
from outreach.events.models import DomainReport, Event, Reply
from outreach.events.polling import poll_replies, watched_accounts
from outreach.events.talk import Conversation
from tests.channels.mail_server import DOWN, PASSWORD, REFUSED, UNDELIVERABLE, MailExchange
from tests.events.reports import dmarc_mail, record
from tests.events.test_replies import letter, message_id
from tests.road.installation import wait_until

pytestmark = pytest.mark.xdist_group("mail-exchange")


def read(settings: dict[str, str], position: Position | None = None) -> list[tuple[int, bytes]]:
    """Numbers and subjects' lines of what is read."""
    return [
        (behind.uid, content.partition(b"Subject: ")[2].partition(b"\r\n")[0])
        for behind, content in read_mailbox(settings, position or Position(), folder="INBOX", allow_private=LOOPBACK)
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
    positions = [behind for behind, _ in read_mailbox(settings, Position(), folder="INBOX", allow_private=LOOPBACK)]

    assert [subject for _, subject in read(settings)] == [b"one", b"two", b"three"]
    assert [subject for _, subject in read(settings, positions[1])] == [b"three"]
    assert read(settings, positions[2]) == []


def test_what_is_read_stays_whole_and_unread(exchange: MailExchange) -> None:
    content = b"From: a@b.test\r\nSubject: x\r\n\r\n\xd0\x94\xd0\xb0\r\n.\r\nFrom me\r\n" + b"x" * 100_000 + b"\r\n\r\n"
    exchange.append("ivan", content)

    assert [
        found for _, found in read_mailbox(exchange.mailbox("ivan"), Position(), folder="INBOX", allow_private=LOOPBACK)
    ] == [content]
    with exchange.open("ivan") as box:
        box.select("INBOX", readonly=True)
        assert box.search(None, "UNSEEN")[1] == [b"1"]


def test_a_letter_that_somebody_takes_away_meanwhile_is_passed_over(exchange: MailExchange) -> None:
    lay(exchange, "one", "two", "three")
    reading = read_mailbox(exchange.mailbox("ivan"), Position(), folder="INBOX", allow_private=LOOPBACK)
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
    settings, folder = exchange.mailbox("ivan"), "Отговори"
    encoded = "&BB4EQgQzBD4EMgQ+BEAEOA-"
    with exchange.open("ivan") as box:
        box.delete(encoded)
        box.create(encoded)
    lay(exchange, "one", "two", folder=encoded)
    (_, _), (before, _) = read_mailbox(settings, Position(), folder=folder, allow_private=LOOPBACK)
    with exchange.open("ivan") as box:
        box.delete(encoded)
        box.create(encoded)
    lay(exchange, "three", folder=encoded)

    ((after, content),) = read_mailbox(settings, before, folder=folder, allow_private=LOOPBACK)
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
def test_what_a_person_writes_is_answered_in_the_same_thread(
    sent: Any, sending: Account, exchange: MailExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: Postfix brings it, Dovecot keeps it, we read, file and answer it, Postfix takes it back."""
    monkeypatch.setattr("outreach.core.queue._publish", lambda *_: None)  # the worker is called by this test itself
    Address.objects.filter(pk=sent.address.pk).update(value="ivana@mail.test", normalised="ivana@mail.test")
    question = letter("Кога е срокът?", sender="Ивана <ivana@mail.test>", In_Reply_To=message_id(sent))
    exchange.write("bounces", question)
    exchange.wait_for("bounces", "someone@elsewhere.test")
    assert poll_replies() == 1
    talk = Conversation.objects.get()
    assert (talk.state, talk.subscriber) == ("waiting", sent.subscriber)

    answer(product_itself(sent.organisation), talk, "До 30 април.")
    alive()
    work("notices", door=real_door(), seconds=5)

    [arrived] = [parse(content) for content in exchange.wait_for("ivana", "In-Reply-To: <1@example.bg>")]
    assert (header(arrived, "Subject"), header(arrived, "From"), arrived["Auto-Submitted"]) == (
        "Re: Данъци 2026",
        "Община Пловдив <news@mail.test>",
        None,
    )
    assert text_of(arrived).replace("\r\n", "\n").strip() == "До 30 април.\n\n-- \nОбщина Пловдив"
    assert [(one.fate.state if one.fate else "", one.text) for one in talk_of(talk)] == [
        ("", "Кога е срокът?"),
        ("accepted", "До 30 април."),
    ]


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


@pytest.mark.django_db(transaction=True)
def test_every_folder_of_every_mailbox_is_read_and_one_that_fails_keeps_no_other_from_it(
    sent: Any, sending: Account, exchange: MailExchange
) -> None:
    second = exchange.mailbox("ivan", folder="INBOX, Junk", trusted=exchange.trusted)
    third = exchange.mailbox("ivana", password="wrong", trusted=exchange.trusted)
    for name, box in (("imap2", second), ("imap3", third)):
        sending.settings |= {f"{name}_{key}": value for key, value in box.items() if key != "password"}
    passwords = {"imap_password": PASSWORD, "imap2_password": PASSWORD, "imap3_password": "wrong"}
    sending.sealed = seal({"password": PASSWORD, **passwords})
    sending.save()
    with exchange.open("ivan") as ivans:
        ivans.create("Junk")
    for person, folder, text in (("bounces", "INBOX", "Едно"), ("ivan", "INBOX", "Две"), ("ivan", "Junk", "Три")):
        exchange.append(person, letter(text, In_Reply_To=message_id(sent)), folder=folder)

    assert (poll_replies(), sorted(each[1] for each in kept())) == (0, ["Две", "Едно", "Три"])
    assert "AUTHENTICATIONFAILED" in Alert.objects.get().facts["trouble"]
    sending.refresh_from_db()
    places = [sending.inbound_position, *sending.inbound_position["more"].values()]
    assert [(place["uid"] >= 1, place["modseq"] >= 1) for place in places] == [(True, True)] * 3


def test_a_mailbox_in_which_nothing_changed_is_not_searched(
    exchange: MailExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = exchange.mailbox("ivan")
    lay(exchange, "one", "two")
    *_, (position, _content) = read_mailbox(settings, Position(), folder="INBOX", allow_private=LOOPBACK)
    searches: list[str] = []
    search = BaseMailBox.uids

    def watched(box: BaseMailBox, criteria: str) -> list[str]:
        searches.append(criteria)
        found: list[str] = search(box, criteria)
        return found

    monkeypatch.setattr(BaseMailBox, "uids", watched)

    assert (read(settings, position), searches) == ([], [])
    lay(exchange, "three")
    assert [subject for _, subject in read(settings, position)] == [b"three"]


def test_a_letter_that_the_server_does_not_hand_out_is_not_passed_over(exchange: MailExchange) -> None:
    lay(exchange, "one", "two")
    [*files] = sorted((exchange.folder / "mail/ivan/new").iterdir()) or sorted(
        (exchange.folder / "mail/ivan/cur").iterdir()
    )
    files[0].chmod(0)

    with pytest.raises(imaplib.IMAP4.error, match=r"does not hand out message|Internal error"):
        read(exchange.mailbox("ivan"))
    files[0].chmod(0o600)
    assert [subject for _, subject in read(exchange.mailbox("ivan"))] == [b"one", b"two"]


@pytest.mark.parametrize("moment", ["take_in", "_move"])
@pytest.mark.django_db(transaction=True)
def test_a_reader_that_is_killed_in_the_middle_skips_nothing_and_takes_nothing_twice(
    sent: Any, sending: Account, exchange: MailExchange, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    for text in ("Едно", "Две", "Три"):
        exchange.append("bounces", letter(text, In_Reply_To=message_id(sent)))
    calls: list[object] = []
    real = getattr(polling, moment)

    def dies_at_the_second(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(polling, moment, dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            poll_replies()

    assert len(kept()) == (1 if moment == "take_in" else 2)
    poll_replies()
    assert [each[1] for each in kept()] == ["Едно", "Две", "Три"]
    assert poll_replies() == 0


@pytest.mark.django_db(transaction=True)
def test_what_comes_to_a_watched_mailbox_is_read_at_once_and_polling_leaves_it_alone(
    sent: Any, sending: Account, exchange: MailExchange
) -> None:
    is_over = threading.Event()

    def watch() -> None:
        try:
            watch_account(sending.pk, is_over.is_set)
        finally:
            connection.close()

    exchange.append("bounces", letter("Преди", In_Reply_To=message_id(sent)))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        wait_until(lambda: len(kept()) == 1, seconds=20, what="the letter from before is read")
        assert watched_accounts() == [sending.pk]
        exchange.append("bounces", letter("Сега", In_Reply_To=message_id(sent)))
        wait_until(lambda: len(kept()) == 2, seconds=20, what="the mailbox tells of the new letter")
        exchange.append("ivan", letter("Другаде", In_Reply_To=message_id(sent)))
        assert poll_replies() == 0
    finally:
        is_over.set()
        watcher.join(20)
    assert ([each[1] for each in kept()], watched_accounts()) == (["Преди", "Сега"], [])


@pytest.mark.django_db(transaction=True)
def test_of_a_letter_that_is_too_large_the_beginning_is_read_and_the_next_one_too(
    sent: Any, sending: Account, exchange: MailExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "LARGEST", 20_000)
    large = letter("Прилагам снимките.", In_Reply_To=message_id(sent)) + b"\r\n> " + b"x" * 300_000 + b"\r\n"
    for content in (large, letter("Следващо", In_Reply_To=message_id(sent))):
        exchange.append("bounces", content)

    assert (poll_replies(), poll_replies()) == (2, 0)
    assert [each[1] for each in kept()] == ["Прилагам снимките.", "Следващо"]
