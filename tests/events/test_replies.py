from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from outreach.audience.bounce_rules import set_thresholds
from outreach.audience.models import Address
from outreach.audience.suppression import is_suppressed
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.vocabulary import SubscriptionState
from outreach.delivery.letters import Letterhead
from outreach.delivery.models import Delivery
from outreach.events.keywords import is_stop
from outreach.events.models import Event, Reply
from outreach.events.replies import take_mail
from outreach.events.talk import Conversation

pytestmark = pytest.mark.django_db


def message_id(sent: Any) -> str:
    head = Letterhead(
        run_id=sent.run.pk,
        sender="",
        reply_to="",
        host="plovdiv.bg",
        fixed=(),
        names_delivery=True,
        skeleton=None,
    )
    return f"<{head.message_id(f'{sent.run.pk}-{sent.delivery}')}>"


def letter(text: str, *, sender: str = "Ивана <ivana@example.bg>", **headers: str) -> bytes:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = "replies@plovdiv.bg"
    message["Subject"] = headers.pop("Subject", "Re: Данъци 2026")
    message["Message-ID"] = headers.pop("Message_ID", "<1@example.bg>")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


def kept() -> list[tuple[Any, ...]]:
    return list(Reply.objects.order_by("pk").values_list("kind", "text", "delivery", "matched_by"))


def happened() -> list[tuple[Any, ...]]:
    return list(Event.objects.order_by("at").values_list("kind", "delivery", "reason"))


QUOTED = """Кога е срокът?

Поздрави

На пон, 2.03.2026 г. в 10:15 Община Пловдив <news@plovdiv.bg> написа:

> Здравейте, Ивана!
> Платете данъците си.
"""


def test_a_reply_is_matched_by_the_message_it_answers_and_kept_once(sent: Any) -> None:
    content = letter(QUOTED, sender="other@example.com", In_Reply_To=message_id(sent))
    assert take_mail(sent.account, content) is not None
    assert take_mail(sent.account, content) is None
    assert kept() == [("reply", "Кога е срокът?\n\nПоздрави", sent.delivery, "message_id")]
    assert happened() == [("replied", sent.delivery, "")]


def test_a_message_id_that_we_did_not_sign_is_not_believed(sent: Any) -> None:
    forged = f"<{sent.run.pk}-{sent.delivery}.{'0' * 16}@plovdiv.bg>"
    take_mail(sent.account, letter("Здравейте", sender="other@example.com", In_Reply_To=forged))
    assert kept() == [("reply", "Здравейте", None, "")]


def test_a_reply_without_a_trace_is_matched_by_its_sender(sent: Any) -> None:
    take_mail(sent.account, letter("Благодаря!"))
    assert kept() == [("reply", "Благодаря!", sent.delivery, "address")]
    assert Reply.objects.get().subscriber == sent.subscriber


def test_a_reply_address_with_the_signed_delivery_in_it_counts_first(sent: Any) -> None:
    address = f"replies+{message_id(sent).strip('<>').partition('@')[0]}@plovdiv.bg"
    take_mail(sent.account, letter("Да", sender="other@example.com", Delivered_To=address))
    assert kept() == [("reply", "Да", sent.delivery, "message_id")]


@pytest.mark.parametrize("said", ["STOP", "Къде да платя?"])
def test_a_stranger_who_writes_another_persons_number_is_nobody(sent: Any, said: str) -> None:
    number = f"{sent.run.pk}-{sent.delivery}"
    headers = {
        "Delivered_To": f"replies+{number}@plovdiv.bg",
        "In_Reply_To": f"<{number}@plovdiv.bg>",
        "X_Outreach_Delivery": number,
    }
    take_mail(sent.account, letter("Кога е срокът?"))
    take_mail(sent.account, letter(said, sender="other@example.com", Message_ID="<2@example.com>", **headers))

    wanted = sent.subscriber.subscriptions.filter(state=SubscriptionState.SUBSCRIBED)
    assert sorted(wanted.values_list("topic__slug", flat=True)) == ["schools", "taxes"]
    theirs = Reply.objects.get(sender="other@example.com")
    assert (theirs.delivery, theirs.subscriber, theirs.run, theirs.matched_by) == (None, None, None, "")
    person = Conversation.objects.get(subscriber=sent.subscriber)
    assert (person.sender, person.replies.count()) == ("ivana@example.bg", 1)
    assert [kind for kind, _, _ in happened()] == ["replied"]


def test_an_automatic_reply_is_no_reply(sent: Any) -> None:
    content = letter("Отсъствам до петък.", Auto_Submitted="auto-replied", In_Reply_To=message_id(sent))
    take_mail(sent.account, content)
    assert kept() == [("auto_reply", "Отсъствам до петък.", sent.delivery, "message_id")]
    assert happened() == []


BOUNCE = """Return-Path: <>
From: MAILER-DAEMON@mx.example.bg
To: bounces@plovdiv.bg
Subject: Undelivered Mail Returned to Sender
Message-ID: <b1@mx.example.bg>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

<ivana@example.bg>: host mx.example.bg said: {diagnostic}

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.bg

Final-Recipient: rfc822; ivana@example.bg
Action: failed
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--b
Content-Type: text/rfc822-headers

From: news@plovdiv.bg
To: ivana@example.bg
X-Outreach-Delivery: {delivery}
Message-ID: <another@relay.example>
Subject: x

--b--
"""


def bounce(sent: Any, *, status: str = "5.1.1", diagnostic: str = "550 5.1.1 No such user") -> bytes:
    signed = message_id(sent).strip("<>")
    return BOUNCE.format(status=status, diagnostic=diagnostic, delivery=signed).encode()


def receipt(sent: Any) -> str:
    return Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery).receipt


@pytest.mark.parametrize(("days", "kept_by"), [(9, "address"), (11, "")])
def test_a_report_that_gives_nothing_back_speaks_of_what_left_lately(sent: Any, days: int, kept_by: str) -> None:
    """Some servers rewrite every id of ours; so may anybody write such a report, of a message of long ago, too."""
    Delivery.objects.filter(id=sent.delivery).update(settled_at=clock.now() - timedelta(days=days))
    take_mail(sent.account, bounce(sent).partition(b"--b\nContent-Type: text/rfc822-headers")[0] + b"--b--\n")
    assert [matched_by for *_, matched_by in kept()] == [kept_by]
    assert is_suppressed(sent.organisation, "email", "ivana@example.bg") == bool(kept_by)


def test_a_hard_bounce_ends_writing_to_the_address(sent: Any) -> None:
    for _ in range(2):
        take_mail(sent.account, bounce(sent))
    assert kept() == [("bounce", "", sent.delivery, "message_id")]
    assert happened() == [("bounced", sent.delivery, "userunknown")]
    assert (receipt(sent), is_suppressed(sent.organisation, "email", "ivana@example.bg")) == ("bounced", True)


def test_returned_mail_that_names_nothing_is_known_by_the_address_it_came_to(sent: Any) -> None:
    tag = message_id(sent).strip("<>").partition("@")[0]
    named = bounce(sent).decode().partition("--b\nContent-Type: text/rfc822-headers")[0] + "--b--\n"
    named = named.replace("bounces@", f"bounces+{tag}@").replace("ivana@example.bg", "somebody@else.example")
    take_mail(sent.account, named.encode())
    assert kept() == [("bounce", "", sent.delivery, "message_id")]
    assert receipt(sent) == "bounced"


def test_a_forged_address_of_returned_mail_is_not_believed(sent: Any) -> None:
    tag = f"{sent.run.pk}-{sent.delivery}.{'0' * 16}"
    forged = bounce(sent).decode().partition("--b\nContent-Type: text/rfc822-headers")[0] + "--b--\n"
    forged = forged.replace("bounces@", f"bounces+{tag}@").replace("ivana@example.bg", "somebody@else.example")
    take_mail(sent.account, forged.encode())
    assert receipt(sent) == ""


@pytest.mark.parametrize("tail", ["", f".{'0' * 16}@plovdiv.bg"])
def test_a_made_up_bounce_with_another_persons_number_suppresses_nobody(sent: Any, tail: str) -> None:
    signed, number = message_id(sent).strip("<>"), f"{sent.run.pk}-{sent.delivery}"
    forged = bounce(sent).decode().replace(signed, f"{number}{tail}")
    forged = forged.replace("ivana@example.bg", "somebody@else.example")
    take_mail(sent.account, forged.encode())
    assert kept() == [("bounce", "", None, "")]
    assert (receipt(sent), happened()) == ("", [])
    addresses = ("ivana@example.bg", "somebody@else.example")
    assert [is_suppressed(sent.organisation, "email", each) for each in addresses] == [False, False]


def test_full_mailboxes_end_it_after_as_many_as_the_organisation_set(sent: Any) -> None:
    set_thresholds(product_itself(sent.organisation), soft_after=2)
    held = []
    for number in (1, 1, 2):
        told = bounce(sent, status="4.2.2", diagnostic="452 4.2.2 Mailbox full").decode()
        take_mail(sent.account, told.replace("Message-ID: <", f"Message-ID: <{number}", 1).encode())
        held.append(is_suppressed(sent.organisation, "email", "ivana@example.bg"))
    address = Address.objects.get(normalised="ivana@example.bg")
    assert (held, address.state) == ([False, False, True], "bouncing")


def test_a_full_mailbox_is_not_for_ever(sent: Any) -> None:
    take_mail(sent.account, bounce(sent, status="5.2.2", diagnostic="552 5.2.2 Mailbox full"))
    assert happened() == [("bounced", sent.delivery, "mailboxfull")]
    assert (receipt(sent), is_suppressed(sent.organisation, "email", "ivana@example.bg")) == ("bounced", False)


COMPLAINT = """From: fbl@provider.example
To: abuse@plovdiv.bg
Subject: complaint
Message-ID: <c1@provider.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider/1.0
Version: 1
Original-Rcpt-To: <ivana@example.bg>

--b
Content-Type: message/rfc822

From: news@plovdiv.bg
To: ivana@example.bg
Message-ID: {message_id}
Subject: x

x
--b--
"""


def test_a_complaint_ends_writing_to_the_address(sent: Any) -> None:
    take_mail(sent.account, COMPLAINT.format(message_id=message_id(sent)).encode())
    assert kept() == [("complaint", "", sent.delivery, "message_id")]
    assert happened() == [("complained", sent.delivery, "abuse")]
    assert (receipt(sent), is_suppressed(sent.organisation, "email", "ivana@example.bg")) == ("complained", True)


def test_an_answer_that_only_says_unsubscribe_is_obeyed(sent: Any) -> None:
    take_mail(sent.account, letter("Отпишете ме, моля!\n", In_Reply_To=message_id(sent)))
    assert Reply.objects.get().kind == "stop"
    wanted = sent.subscriber.subscriptions.filter(state=SubscriptionState.SUBSCRIBED)
    assert list(wanted.values_list("topic__slug", flat=True)) == ["schools"]
    assert sorted(kind for kind, _, _ in happened()) == ["replied", "unsubscribed"]


def test_what_nobody_can_be_found_for_is_kept_all_the_same(sent: Any) -> None:
    take_mail(sent.account, letter("Кой сте вие?", sender="stranger@example.com"))
    take_mail(sent.account, b"\xff\xfe not a message at all \x00")
    assert [(kind, matched) for kind, _, _, matched in kept()] == [("reply", ""), ("reply", "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("STOP", True),
        ("Стоп!", True),
        (" отпишете  ме, моля ", True),
        ("unsubscribe me please", True),
        ("Please stop", True),
        ("Кога ще спрете ремонта?", False),
        ("stop by tomorrow", False),
        ("", False),
    ],
)
def test_is_stop(text: str, expected: bool) -> None:
    assert is_stop(text) is expected
