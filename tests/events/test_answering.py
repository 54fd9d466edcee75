"""What readers answer: counted once a reader, corrected by a second answer, nobody's where a campaign counts in sum."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction

from channels.base import EventWord, ProviderEvent
from outreach.audience.erasure import erase_subscriber
from outreach.campaigns.models import Run, Service
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Question
from outreach.delivery.links import compiled_run
from outreach.delivery.models import Delivery
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.answering import AnswersClosed, Asked, Given, find_asked, take_answers
from outreach.events.feedback import Feedback
from outreach.events.models import Event, Reply
from outreach.events.replies import take_mail, take_reply_event
from outreach.events.retention import close_answers
from outreach.events.stages import StageEvidence
from outreach.events.talk import Conversation
from tests.events.conftest import Sent, make_sent
from tests.events.test_replies import letter, message_id
from tests.road.installation import wait_until

pytestmark = pytest.mark.django_db

SATISFIED = Question.SATISFIED


def asking(sent: Sent, body: str = "{{ ask.satisfied }}", *, tracking: str = "individual") -> Run:
    """The run as if its message had asked."""
    Service.objects.create(organisation=sent.organisation, slug="card", name={"bg": "Карта"}, url="https://c.example")
    run = sent.run
    channel = run.frozen["channels"][0]
    content = {"channel": channel, "language": "bg", "variant": "", "subject": "Карта", "body": body, "account": None}
    run.frozen |= {
        "campaign": {"id": run.campaign_id, "name": "Карта", "goal": "uses"},
        "organisation": {"id": 1, "slug": "plovdiv", "name": {"bg": "Пловдив"}, "timezone": "UTC"},
        "contents": [content],
        "services": [{"slug": "card", "name": {"bg": "Карта"}, "url": "https://c.example", "steps": {}}],
        "tracking": tracking,
    }
    run.save()
    compiled_run.cache_clear()
    return run


def asked(sent: Sent, channel: str = "email") -> Asked:
    token = Token(kind=TokenKind.FEEDBACK, run=sent.run.pk, delivery=sent.delivery, channel=channel, language="bg")
    found = find_asked(token)
    assert found is not None
    return found


def kept() -> list[tuple[Any, ...]]:
    return list(Feedback.objects.order_by("pk").values_list("question", "value", "text", "subscriber", "delivery"))


def happened() -> list[tuple[Any, ...]]:
    return list(Event.objects.order_by("at", "id").values_list("kind", "reason", "source", "delivery"))


def test_a_changed_mind_corrects_and_counts_once(sent: Sent) -> None:
    asking(sent)
    assert take_answers(asked(sent), {SATISFIED: Given(value=2, text="Бавно.")}, source="page") == 1
    assert take_answers(asked(sent), {SATISFIED: Given(value=5)}, source="page") == 0
    assert kept() == [("satisfied", 5, "Бавно.", sent.subscriber.pk, sent.delivery)]
    assert happened() == [("answered", "satisfied", "page", sent.delivery)]
    assert list(StageEvidence.objects.order_by("pk").values_list("stage", "source", "bearing", "people")) == [
        ("satisfied", "answer", "against", 1),
        ("satisfied", "answer", "against", -1),
        ("satisfied", "answer", "for", 1),
    ]
    row = Feedback.objects.get()
    assert row.service is not None
    assert (row.service.slug, row.campaign, row.organisation) == ("card", sent.run.campaign, sent.organisation)


@pytest.mark.parametrize(("tracking", "is_measured"), [("aggregate", True), ("individual", False), ("none", True)])
def test_without_consent_an_answer_is_nobodys_and_still_counted_once(tracking: str, *, is_measured: bool) -> None:
    sent = make_sent(is_measured=is_measured)
    asking(sent, tracking=tracking)
    for value in (1, 4):
        take_answers(asked(sent), {SATISFIED: Given(value=value)}, source="page")
    assert kept() == [("satisfied", 4, "", None, None)]
    assert happened() == [("answered", "satisfied", "page", None)]


@pytest.mark.django_db(transaction=True)
def test_two_first_answers_at_the_same_moment_are_one_readers(sent: Sent) -> None:
    asking(sent)
    counted: list[int] = []

    def answer_too() -> None:
        counted.append(take_answers(asked(sent), {SATISFIED: Given(value=5)}, source="page"))
        connection.close()

    second = Thread(target=answer_too)
    with transaction.atomic():
        counted.append(take_answers(asked(sent), {SATISFIED: Given(value=2)}, source="page"))
        second.start()
        wait_until(is_waited_for, seconds=10, what="the second waits for the first")
    second.join(10)

    assert (counted, kept()) == ([1, 0], [("satisfied", 5, "", sent.subscriber.pk, sent.delivery)])
    assert happened() == [("answered", "satisfied", "page", sent.delivery)]


def is_waited_for() -> bool:
    """Whether somebody waits for what this connection has locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        return cursor.fetchone() is not None


def test_the_same_person_by_another_channel_corrects_too(sent: Sent) -> None:
    run = asking(sent)
    take_answers(asked(sent), {SATISFIED: Given(value=2)}, source="page")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outreach_delivery (run_id, target, channel, subscriber_id, language, state)"
            " VALUES (%s, %s, 'sms', %s, 'bg', 'accepted') RETURNING id",
            [run.pk, f"s:{sent.subscriber.pk}", sent.subscriber.pk],
        )
        other = cursor.fetchone()[0]
    found = asked(sent)
    sms = Delivery.objects.get(run_id=run.pk, id=other)
    by_sms = replace(found, person=replace(found.person, delivery=sms))
    assert take_answers(by_sms, {SATISFIED: Given(value=4)}, source="twilio") == 0
    assert [row[1] for row in kept()] == [4]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({SATISFIED: Given(value=6)}, "satisfied"),
        ({SATISFIED: Given(value=0)}, "satisfied"),
        ({SATISFIED: Given()}, "satisfied"),
        ({Question.RECOMMENDS: Given(value=5)}, "recommends"),
        ({SATISFIED: Given(value=3, text="x" * 2001)}, "text"),
    ],
)
def test_what_is_no_answer_changes_nothing(sent: Sent, given: dict[Question, Given], field: str) -> None:
    asking(sent)
    with pytest.raises(Invalid) as caught:
        take_answers(asked(sent), given, source="page")
    assert (list(caught.value.fields), kept(), happened()) == ([field], [], [])


def test_after_ninety_days_answers_are_final_and_nobodys(sent: Sent) -> None:
    run = asking(sent, tracking="aggregate")
    take_answers(asked(sent), {SATISFIED: Given(value=3)}, source="page")
    assert close_answers() == 0
    old = clock.now() - timedelta(days=91)
    Run.objects.filter(pk=run.pk).update(as_of=old)
    Feedback.objects.update(at=old)
    with pytest.raises(AnswersClosed):
        take_answers(asked(sent), {SATISFIED: Given(value=1)}, source="page")
    assert (close_answers(), list(Feedback.objects.values_list("value", "voter"))) == (1, [(3, None)])


@pytest.mark.parametrize("tracking", ["aggregate", "individual"])
def test_an_erasure_takes_the_words_and_leaves_the_number(sent: Sent, tracking: str) -> None:
    asking(sent, tracking=tracking)
    take_answers(asked(sent), {SATISFIED: Given(value=1, text="Аз съм Ивана.")}, source="page")
    erase_subscriber(product_itself(sent.organisation), sent.subscriber)
    assert kept() == [("satisfied", 1, "", None, None)]


def test_a_test_send_counts_nothing(sent: Sent) -> None:
    run = asking(sent)
    Run.objects.filter(pk=run.pk).update(kind="test")
    assert (take_answers(asked(sent), {SATISFIED: Given(value=5)}, source="page"), kept(), happened()) == (0, [], [])


def text_message(text: str, *, number: str = "+359888123456", id: str = "SM1") -> ProviderEvent:
    return ProviderEvent(word=EventWord.REPLIED, event_id=id, text=text, address=number)


@pytest.fixture
def texted(db: None) -> Sent:
    sent = make_sent(channel="sms")
    asking(sent, tracking="aggregate")
    return sent


def test_a_digit_by_sms_answers_the_last_question_and_waits_for_nobody(texted: Sent) -> None:
    for _ in range(2):
        take_reply_event(texted.account, text_message(" 4. "))
    assert kept() == [("satisfied", 4, "", None, None)]
    assert list(Reply.objects.values_list("kind", "text", "delivery")) == [("answer", " 4. ", texted.delivery)]
    assert list(Conversation.objects.values_list("state", "due_at", "excerpt")) == [("closed", None, "4.")]
    assert {row[:3] for row in happened()} == {("answered", "satisfied", "twilio"), ("replied", "", "twilio")}


@pytest.mark.parametrize(
    ("text", "number", "days"), [("7", None, 0), ("кога?", None, 0), ("4", "+359888000000", 0), ("4", None, 8)]
)
def test_what_answers_no_question_is_a_reply_that_waits(texted: Sent, text: str, number: str | None, days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE outreach_delivery SET created_at = created_at - make_interval(days => %s)", [days])
    take_reply_event(texted.account, text_message(text, number=number or "+359888123456"))
    assert (kept(), [row[0] for row in Reply.objects.values_list("kind")]) == ([], ["reply"])
    assert Conversation.objects.get().state == "waiting"


def test_a_strangers_digit_answers_nobodys_test_send(texted: Sent) -> None:
    Run.objects.filter(pk=texted.run.pk).update(kind="test")
    Delivery.objects.filter(id=texted.delivery).update(target="n:0", subscriber=None, address=None)
    take_reply_event(texted.account, text_message("4", number="+359888000000"))
    assert list(Reply.objects.values_list("kind", "delivery")) == [("reply", None)]
    assert Conversation.objects.get().state == "waiting"


def test_a_digit_leaves_what_waits_in_sight(texted: Sent) -> None:
    take_reply_event(texted.account, text_message("Кога е срокът?", id="SM1"))
    take_reply_event(texted.account, text_message("5", id="SM2"))
    assert list(Conversation.objects.values_list("state", "excerpt")) == [("waiting", "Кога е срокът?")]


def test_words_by_sms_answer_the_question_for_words_and_wait(db: None) -> None:
    sent = make_sent(channel="sms")
    asking(sent, "{{ ask.words }}")
    take_reply_event(sent.account, text_message("По-малко хартия."))
    assert kept() == [("words", None, "По-малко хартия.", sent.subscriber.pk, sent.delivery)]
    assert (Reply.objects.get().kind, Conversation.objects.get().state) == ("reply", "waiting")


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("Много доволна!\n\n> Доволни ли сте?", 5), ("Кога е срокът?", None)]
)
def test_a_word_by_e_mail_answers_the_message_that_it_replies_to(sent: Sent, text: str, value: int | None) -> None:
    asking(sent)
    take_mail(sent.account, letter(text, sender="other@example.com", In_Reply_To=message_id(sent)))
    assert [row[1] for row in kept()] == ([value] if value else [])
    assert [row[0] for row in Reply.objects.values_list("kind")] == ["answer" if value else "reply"]


def test_a_strangers_digit_answers_none_of_the_first_notices(texted: Sent) -> None:
    Run.objects.filter(pk=texted.run.pk).update(kind="notice", campaign=None)
    Delivery.objects.filter(id=texted.delivery).update(target="n:1", subscriber=None, address=None)
    take_reply_event(texted.account, text_message("4", number="+359888000000"))
    assert list(Reply.objects.values_list("kind", "delivery")) == [("reply", None)]
    assert Conversation.objects.get().state == "waiting"
