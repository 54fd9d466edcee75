"""Mail that other servers hand to us, over real sockets: kept before it is confirmed, bounded, nobody else's taken."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from outreach.core.errors import Invalid
from outreach.core.models import Account
from outreach.delivery.models import Delivery
from outreach.events import mail_door, reception, replies
from outreach.events.mail_door import Bounds, Doorkeeper, Handler, opening
from outreach.events.models import Reply
from outreach.events.reception import Mailboxes, bare
from outreach.management.mail import read_place
from tests.events.test_replies import letter, message_id

OURS = "replies@plovdiv.bg"


@contextmanager
def door(protocol: str, **bounds: int) -> Iterator[int]:
    """The port of a door that is open."""
    loop = asyncio.new_event_loop()
    keeper = Doorkeeper(bounds=Bounds(**{"largest": 100_000, "per_minute": 0, **bounds}))
    make = opening(protocol, Handler(keeper), hostname="mail.plovdiv.bg")
    server = loop.run_until_complete(_listen(loop, make))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _listen(loop: asyncio.AbstractEventLoop, make: Callable[[], asyncio.Protocol]) -> asyncio.Server:
    return await loop.create_server(make, "127.0.0.1", 0)


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads' connections end with their work: the test's database is dropped."""
    monkeypatch.setattr(mail_door, "close_old_connections", lambda: connections.close_all())


@pytest.fixture
def own(sent: Any) -> Account:
    account: Account = sent.account
    account.settings = {"sender": "Пловдив <news@plovdiv.bg>", "reply_address": OURS, "bounce_address": "b@plovdiv.bg"}
    account.save()
    return account


def kept() -> list[tuple[Any, ...]]:
    return list(Reply.objects.order_by("pk").values_list("kind", "text", "delivery", "matched_by"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_an_answer_and_a_returned_message_are_kept_once(sent: Any, own: Account, protocol: str) -> None:
    returned = f"b+{message_id(sent).strip('<>').partition('@')[0]}@plovdiv.bg"
    bounce = (
        b"From: MAILER-DAEMON@mx.example.bg\r\nTo: someone@else.where\r\nSubject: Undelivered Mail\r\n"
        b"Content-Type: text/plain\r\n\r\nYour message could not be delivered to\r\n\r\n"
        b"<ivana@example.bg>: 550 5.2.2 mailbox is full\r\n"
    )
    # Python's client of LMTP reads one answer, so it may name one recipient.
    client, to = (smtplib.LMTP, [OURS]) if protocol == "lmtp" else (smtplib.SMTP, [OURS, "News@PLOVDIV.bg"])
    with door(protocol) as port, client("127.0.0.1", port, timeout=10) as peer:
        answer = letter("Кога е срокът?", In_Reply_To=message_id(sent))
        for _ in range(2):
            assert peer.sendmail("ivana@example.bg", to, answer) == {}
        assert peer.sendmail("", [returned], bounce) == {}
        assert peer.sendmail("", to, letter("Няма ме до понеделник.", In_Reply_To=message_id(sent))) == {}

    assert kept() == [
        ("reply", "Кога е срокът?", sent.delivery, "message_id"),
        ("bounce", "", sent.delivery, "message_id"),
        ("auto_reply", "Няма ме до понеделник.", sent.delivery, "message_id"),
    ]
    assert Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery).receipt == "bounced"


@pytest.mark.django_db(transaction=True)
def test_nobody_elses_mail_is_taken_and_who_guesses_is_sent_away(own: Account) -> None:
    with door("smtp") as port, smtplib.SMTP("127.0.0.1", port, timeout=10) as peer:
        peer.ehlo()
        peer.mail("x@example.org")
        guesses = [f"{name}@{host}" for host in ("plovdiv.bg", "example.org") for name in "acdef"]
        assert {peer.rcpt(address)[0] for address in guesses} == {550}
        assert peer.rcpt(OURS)[0] == 421
    assert kept() == []


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_kept_is_not_confirmed_and_what_is_too_much_is_refused(
    sent: Any, own: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = letter("Да", In_Reply_To=message_id(sent))

    def away(*_: Any) -> bool:
        raise OperationalError

    with door("lmtp", largest=20_000, per_minute=3) as port, smtplib.LMTP("127.0.0.1", port, timeout=10) as peer:
        with monkeypatch.context() as patch:
            patch.setattr(reception, "take_in", away)
            with pytest.raises(smtplib.SMTPDataError) as put_off:
                peer.sendmail("i@example.bg", [OURS], answer)
        with pytest.raises(smtplib.SMTPSenderRefused) as large:
            peer.sendmail("i@example.bg", [OURS], letter("x" * 30_000))
        assert peer.docmd("RSET")[0] == 250
        # Without SIZE=, and to two: an answer for each recipient (RFC 2033), and the conversation goes on.
        for line in ("MAIL FROM:<i@example.bg>", f"RCPT TO:<{OURS}>", "RCPT TO:<b@plovdiv.bg>"):
            assert peer.docmd(line)[0] == 250
        assert peer.docmd("DATA")[0] == 354
        peer.send(b"x" * 30_000 + b"\r\n.\r\n")
        assert [peer.getreply()[0] for _ in range(2)] == [552, 552]
        assert peer.sendmail("i@example.bg", [OURS], answer) == {}
        with pytest.raises(smtplib.SMTPSenderRefused) as often:
            peer.sendmail("i@example.bg", [OURS], answer)

    assert (put_off.value.smtp_code, large.value.smtp_code, often.value.smtp_code) == (451, 552, 451)
    assert [each[1] for each in kept()] == ["Да"]


@pytest.mark.django_db(transaction=True)
def test_a_message_that_cannot_be_stored_as_it_is_is_accounted_for(
    own: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import DataError

    def broken(*_: Any) -> None:
        raise DataError

    with monkeypatch.context() as patch:
        patch.setattr(replies, "read_mail", broken)
        assert (replies.take_in(own, b"x"), replies.take_in(own, b"x")) == (True, False)
    assert kept() == [("other", "", None, "")]
    assert connection.is_usable()


def test_only_so_many_connections_are_open_at_once() -> None:
    with door("smtp") as port:
        with connections_to(port, mail_door.MOST_OF_ONE) as sockets:
            greetings = [each.recv(100)[:3] for each in sockets]
            with socket.create_connection(("127.0.0.1", port), timeout=10) as one_more:
                assert one_more.recv(100)[:3] == b"421"
        assert set(greetings) == {b"220"}


@contextmanager
def connections_to(port: int, count: int) -> Iterator[list[socket.socket]]:
    sockets = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]
    yield sockets
    for each in sockets:
        each.close()


@pytest.mark.parametrize("seed", range(20))
def test_no_minute_holds_more_messages_than_allowed(seed: int) -> None:
    chance = Random(seed)
    moments, limit = sorted(chance.uniform(0, 200) for _ in range(chance.randint(1, 40))), chance.randint(1, 5)
    now = [0.0]
    keeper = Doorkeeper(bounds=Bounds(largest=1, per_minute=limit), clock=lambda: now[0])
    taken = []
    for moment in moments:
        now[0] = moment
        if keeper.lets_write("a"):
            taken.append(moment)
    assert all(sum(start <= each < start + 60 for each in taken) <= limit for start in taken)
    assert taken[:1] == moments[:1]


@pytest.mark.django_db
def test_of_accounts_with_one_address_the_one_that_sent_is_meant_else_the_highest(sent: Any, own: Account) -> None:
    from outreach.core.models import Organisation

    below = Organisation.objects.create(slug="school", name={"bg": "Училище"}, parent=sent.organisation)
    other = Account.objects.create(
        organisation=below, adapter="smtp", channel="email", name="B", unknown_policy="resend", hook_key="b",
        settings=own.settings,
    )  # fmt: skip
    Delivery.objects.filter(run_id=sent.run.pk).update(account=other)
    tag = message_id(sent).strip("<>").partition("@")[0]
    boxes = Mailboxes()

    asked = (OURS, "REPLIES+x@plovdiv.bg", f"b+{tag}@plovdiv.bg", "nobody@plovdiv.bg", "replies@elsewhere.bg", "")
    assert [boxes.account_for(address) for address in asked] == [own.pk, own.pk, other.pk, None, None, None]


@pytest.mark.parametrize(
    ("written", "compared"),
    [("Ivan+1-2@ПЛОВДИВ.бг", "ivan@xn--b1aafqmsf.xn--90ae"), ("no-at-sign", "@no-at-sign"), ("a+b+c@D.e", "a@d.e")],
)
def test_how_addresses_are_compared(written: str, compared: str) -> None:
    assert bare(written) == compared


@pytest.mark.parametrize("text", ["", "lmtp://", "http://a:1", "smtp://a", "smtp://a:x"])
def test_where_to_listen_is_read(text: str) -> None:
    assert read_place("lmtp://127.0.0.1:2400") == ("lmtp", "127.0.0.1", 2400)
    with pytest.raises(Invalid):
        read_place(text)
