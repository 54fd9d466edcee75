"""The inbox: what people wrote is one conversation a person, answered by the way it came, with files kept apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage

import pytest

from channels.base import EventWord, ProviderEvent
from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Address
from outreach.core.access import product_itself
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import AuditEntry, Membership, User
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import Role
from outreach.delivery.models import Delivery, Notice
from outreach.effectiveness.talk import talk_of
from outreach.events import inbox
from outreach.events.enclosures import LARGEST, enclosures_of, html_of
from outreach.events.letters import parse
from outreach.events.models import Reply
from outreach.events.replies import take_mail, take_reply_event
from outreach.events.talk import Answer, Attachment, Conversation
from tests.events.conftest import Sent, make_sent
from tests.events.test_replies import letter, message_id

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    from outreach.core import queue

    monkeypatch.setattr(queue, "_publish", lambda *_: None)


def wrote(sent: Sent, text: str, *, number: int = 1, **headers: str) -> Conversation:
    """What Ivana wrote, and the conversation that it is in."""
    content = letter(text, In_Reply_To=message_id(sent), Message_ID=f"<{number}@example.bg>", **headers)
    reply = take_mail(sent.account, content)
    assert reply is not None
    reply.refresh_from_db()
    assert reply.conversation is not None
    return reply.conversation


def test_what_one_person_writes_is_one_conversation_that_waits(sent: Sent) -> None:
    first = wrote(sent, "Кога е срокът?")
    again = wrote(sent, "И къде?", number=2, Subject="Отг: Re: Данъци 2026")

    assert (first.pk, first.subscriber, first.channel) == (again.pk, sent.subscriber, "email")
    again.refresh_from_db()
    assert (again.state, again.excerpt, again.subject, again.language) == ("waiting", "И къде?", "Данъци 2026", "bg")
    assert again.waiting_since == first.waiting_since
    assert again.due_at == (first.waiting_since or again.last_at) + timedelta(hours=24)


@pytest.mark.parametrize(
    ("fate", "waits"),
    [
        ({"state": "rejected"}, True),
        ({"state": "accepted", "receipt": "bounced"}, True),
        ({"state": "accepted"}, False),
    ],
)
def test_whoever_did_not_get_our_answer_waits_again(sent: Sent, fate: dict[str, str], *, waits: bool) -> None:
    actor = product_itself(sent.organisation)
    talk = wrote(sent, "Кога е срокът?")
    answered = inbox.answer(actor, talk, "До 30 април.")
    assert (answered.notice is not None, inbox.reopen_lost()) == (True, 0)
    Delivery.objects.filter(id=answered.notice.delivery if answered.notice else 0).update(**fate)

    assert (inbox.reopen_lost(), inbox.reopen_lost()) == (int(waits), 0)
    talk.refresh_from_db()
    assert (talk.state, talk.due_at is not None) == (("waiting", True) if waits else ("answered", False))
    assert [said.has_failed or said.came_back for said in talk_of(talk)] == [False, waits]

    inbox.answer(actor, talk, "До 30 април, на другия адрес.")
    assert inbox.reopen_lost() == 0
    inbox.close(actor, talk)
    Delivery.objects.filter(target__startswith="n:").update(**fate)
    assert inbox.reopen_lost() == 0


def test_a_stranger_has_a_conversation_of_their_own(sent: Sent) -> None:
    mine = wrote(sent, "Кога?")
    for number in (1, 2):
        content = letter("Hello", sender="Other@Example.com", Message_ID=f"<o{number}@x>")
        take_mail(sent.account, content)

    assert [(talk.pk == mine.pk, talk.sender, talk.language) for talk in Conversation.objects.order_by("pk")] == [
        (True, "ivana@example.bg", "bg"),
        (False, "Other@Example.com", "en"),
    ]


def test_whoever_a_message_was_forwarded_to_has_a_conversation_of_their_own(sent: Sent) -> None:
    mine = wrote(sent, "Кога?")
    theirs = wrote(sent, "А за мен?", number=2, sender="friend@example.com")
    inbox.answer(product_itself(sent.organisation), mine, "До 30 април.")

    mine.refresh_from_db()
    assert (mine.sender, mine.subscriber) == ("ivana@example.bg", sent.subscriber)
    assert (theirs.sender, theirs.subscriber, theirs.state) == ("friend@example.com", None, "waiting")
    assert Notice.objects.get().value == "ivana@example.bg"
    assert Reply.objects.get(conversation=theirs).delivery == sent.delivery


def test_another_address_of_the_same_person_is_theirs(sent: Sent) -> None:
    other = Address(organisation=sent.organisation, subscriber=sent.subscriber, channel="email", value="i@work.bg")
    other.normalised, other.digest = other.value, address_digest("email", other.value)
    other.save()
    assert wrote(sent, "Кога?").pk == wrote(sent, "И къде?", number=2, sender="Ivana <I@Work.bg>").pk


@pytest.mark.parametrize("headers", [{"Auto_Submitted": "auto-replied"}, {"List_Unsubscribe": "<mailto:x@y>"}])
def test_what_no_person_wrote_waits_for_nobody(sent: Sent, headers: dict[str, str]) -> None:
    take_mail(sent.account, letter("I am away", sender="x@y.bg", **headers))
    assert (Reply.objects.count(), Conversation.objects.count()) == (1, 0)


def test_an_answer_is_a_notice_in_the_same_thread(sent: Sent) -> None:
    talk = wrote(sent, "Кога е срокът?")
    inbox.answer(product_itself(sent.organisation), talk, "До 30 април.\r\n")

    notice = Notice.objects.get()
    assert (notice.value, notice.channel, notice.data) == (
        "ivana@example.bg",
        "email",
        {"text": "До 30 април.", "subject": "Re: Данъци 2026", "in_reply_to": "<1@example.bg>"},
    )
    talk.refresh_from_db()
    assert (talk.state, talk.waiting_since, talk.due_at) == ("answered", None, None)
    reply = Reply.objects.get()
    assert (reply.answer, reply.answered_at is not None) == ("До 30 април.", True)
    assert AuditEntry.objects.filter(action="reply.answered").count() == 1

    wrote(sent, "Благодаря!", number=2)
    talk.refresh_from_db()
    assert talk.state == "waiting"


def test_what_was_said_meanwhile_is_read_before_an_answer_leaves_or_it_is_closed(sent: Sent) -> None:
    talk, actor = wrote(sent, "Кога е срокът?"), product_itself(sent.organisation)
    seen = inbox.mark_of(talk)
    wrote(sent, "Всъщност питам за фирмата.", number=2)
    with pytest.raises(inbox.SaidMeanwhile):
        inbox.answer(actor, talk, "До 30 април.", seen=seen)
    with pytest.raises(inbox.SaidMeanwhile):
        inbox.close(actor, talk, seen=seen)

    talk.refresh_from_db()
    assert (Notice.objects.count(), Reply.objects.filter(answered_at=None).count(), talk.state) == (0, 2, "waiting")
    inbox.answer(actor, talk, "До 30 юни.", seen=inbox.mark_of(talk))
    assert (Notice.objects.count(), Reply.objects.filter(answered_at=None).count()) == (1, 0)


def test_two_who_answer_at_once_send_one_answer(sent: Sent) -> None:
    talk, first = wrote(sent, "Кога е срокът?"), product_itself(sent.organisation)
    second = replace(first, user=User.objects.create_user("b@x.bg", "right horse battery", name="B"))
    seen = inbox.mark_of(talk)
    answers = [inbox.answer(first, talk, "До 30 април.", seen=seen) for _time in range(2)]
    with pytest.raises(inbox.SaidMeanwhile):
        inbox.answer(second, talk, "До 30 април.", seen=seen)

    assert (answers[0].pk == answers[1].pk, Answer.objects.count(), Notice.objects.count()) == (True, 1, 1)


def test_a_conversation_closed_late_keeps_when_its_last_message_came(sent: Sent) -> None:
    old = wrote(sent, "Кога?")
    Conversation.objects.update(last_at=old.last_at + timedelta(hours=1))
    inbox.close(product_itself(sent.organisation), old)
    assert Conversation.objects.get().last_at == old.last_at + timedelta(hours=1)


@pytest.mark.parametrize("text", ["", " \n ", "x" * 10_001])
def test_a_bad_answer_changes_nothing(sent: Sent, text: str) -> None:
    talk = wrote(sent, "Кога?")
    with pytest.raises(Invalid):
        inbox.answer(product_itself(sent.organisation), talk, text)
    assert (Notice.objects.count(), Answer.objects.count(), Conversation.objects.get().state) == (0, 0, "waiting")


def written_by(sent: Sent, channel: str, sender: str) -> Conversation:
    sent.account.channel = channel
    reply = take_reply_event(
        sent.account, ProviderEvent(event_id=channel, word=EventWord.REPLIED, address=sender, text="Koga?")
    )
    assert reply is not None
    reply.refresh_from_db()
    assert reply.conversation is not None
    return reply.conversation


def test_an_sms_is_answered_by_sms_and_a_post_nowhere_here() -> None:
    sent = make_sent(channel="sms")
    actor = product_itself(sent.organisation)
    inbox.answer(actor, written_by(sent, "sms", "+359888123456"), "До 30 април.")
    with pytest.raises(StateConflict):
        inbox.answer(actor, written_by(sent, "social", "@ivana"), "До 30 април.")

    assert list(Notice.objects.values_list("channel", "value")) == [("sms", "+359888123456")]


def test_only_who_may_answer_is_assigned(sent: Sent) -> None:
    talk, actor = wrote(sent, "Кога?"), product_itself(sent.organisation)
    people = {role: User.objects.create_user(f"{role}@x.bg", "right horse battery", name=role) for role in Role.values}
    for role, user in people.items():
        Membership.objects.create(user=user, organisation=sent.organisation, role=role)

    assert {user.name for user in inbox.answerers(sent.organisation)} == {"author", "publisher", "administrator"}
    inbox.assign(actor, talk, people["author"])
    with pytest.raises(Invalid):
        inbox.assign(actor, talk, people["analyst"])
    talk.refresh_from_db()
    assert talk.assignee == people["author"]


def test_labels_are_replaced_and_bounded(sent: Sent) -> None:
    talk, actor = wrote(sent, "Кога?"), product_itself(sent.organisation)
    inbox.label(actor, talk, [" Въпрос ", "Въпрос", "", "Данъци"])
    with pytest.raises(Invalid):
        inbox.label(actor, talk, ["x" * 41])
    talk.refresh_from_db()
    assert talk.labels == ["Въпрос", "Данъци"]


def test_an_erased_person_leaves_no_conversation(sent: Sent) -> None:
    talk = wrote(sent, "Кога?")
    inbox.answer(product_itself(sent.organisation), talk, "Утре.")
    erase_subscriber(product_itself(sent.organisation), sent.subscriber)

    assert (Conversation.objects.count(), Answer.objects.count(), Attachment.objects.count()) == (0, 0, 0)
    assert Reply.objects.values_list("text", "answer", "html", "message_id").get() == ("", "", "", "")
    assert Notice.objects.get().data == {}


def with_files(*files: tuple[str, bytes]) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "Ivana <ivana@example.bg>", "Re: x", "<f@x>"
    message.set_content("Ето ги.")
    message.add_alternative(
        '<p onclick="x()">Ето <b>ги</b>.</p><img src="https://x.test/spy"><script>x()</script>', subtype="html"
    )
    for name, content in files:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def test_files_are_kept_by_what_they_are(sent: Sent) -> None:
    files = (
        ("../../декларация.pdf", b"%PDF-1.7 x"),
        ("virus.pdf", b"MZ\x90"),
        ("таблица.xlsx", b"PK\x03\x04 x"),
        ("archive.zip", b"PK\x03\x04 x"),
        ("бележка.txt", "Здравейте".encode()),
        ("page.html", b"<script>"),
        ("big.pdf", b"%PDF-" + b"x" * LARGEST),
    )
    assert take_mail(sent.account, with_files(*files)) is not None

    kept = Attachment.objects.order_by("pk").values_list("name", "kind", "size")
    office = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert list(kept) == [
        ("декларация.pdf", "application/pdf", 10),
        ("virus.pdf", "", 3),
        ("таблица.xlsx", office, 6),
        ("archive.zip", "", 6),
        ("бележка.txt", "text/plain", 18),
        ("page.html", "", 8),
        ("big.pdf", "", LARGEST + 5),
    ]
    assert [len(bytes(each.content)) for each in Attachment.objects.order_by("pk")] == [10, 0, 6, 0, 18, 0, 0]


def test_html_is_kept_without_what_runs_loads_or_sends() -> None:
    message = parse(with_files())
    assert html_of(message) == "<p>Ето <b>ги</b>.</p>\n"
    assert enclosures_of(message) == []


def test_what_waits_already_keeps_its_deadline_when_it_is_opened_again(sent: Sent) -> None:
    talk = wrote(sent, "Кога е срокът?")
    Conversation.objects.filter(pk=talk.pk).update(due_at=talk.last_at - timedelta(hours=1))
    inbox.reopen(product_itself(sent.organisation), talk)
    assert list(Conversation.objects.values_list("state", "waiting_since", "due_at")) == [
        ("waiting", talk.waiting_since, talk.last_at - timedelta(hours=1))
    ]
    assert not AuditEntry.objects.filter(action="conversation.reopened").exists()
