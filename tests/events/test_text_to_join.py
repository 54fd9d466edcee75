"""JOIN and a topic's name by SMS: who gets subscribed, what is answered, what stays as it was."""

from __future__ import annotations

import pytest

from outreach.audience.models import Consent, Subscriber, Suppression
from outreach.audience.suppression import suppress
from outreach.core.models import AuditEntry
from outreach.core.vocabulary import ReplyKind
from outreach.delivery.models import Notice
from outreach.events.keywords import keyword_of, topic_asked_for
from outreach.events.models import Reply
from tests.events.conftest import Sent
from tests.events.test_confirmations import NUMBER, say, sent

__all__ = ["sent"]

STRANGER = "+359887654321"


def answers() -> list[tuple[str, str]]:
    return [(notice.value, notice.data["text"]) for notice in Notice.objects.order_by("pk")]


def wanted(number: str) -> list[tuple[str, str]]:
    rows = Subscriber.objects.filter(addresses__normalised=number, subscriptions__state="subscribed")
    return sorted(rows.values_list("subscriptions__topic__slug", "subscriptions__channel"))


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("JOIN local taxes", "local taxes"),
        ("Запиши ме за Местни данъци!", "Местни данъци"),
        ("абонирай e-services", "e-services"),
        ("abonirai me za mestni danatsi", "mestni danatsi"),
        ("Join", ""),
    ],
)
def test_the_word_and_what_stands_behind_it(text: str, topic: str) -> None:
    assert (keyword_of(text), topic_asked_for(text)) == (ReplyKind.JOIN, topic)


@pytest.mark.parametrize("text", ["I join you", "joint", "join " + "word " * 9, "запишете", "STOP"])
def test_a_sentence_is_none(text: str) -> None:
    assert keyword_of(text) != ReplyKind.JOIN


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["JOIN taxes", "join Local Taxes", "ЗАПИШИ МЕ ЗА МЕСТНИ ДАНЪЦИ", "zapishi mestni danatsi"]
)
def test_a_stranger_is_subscribed_to_that_topic_and_told(sent: Sent, text: str) -> None:
    assert say(sent, text, sender=STRANGER) is not None
    assert say(sent, text, sender=STRANGER) is None
    assert wanted(STRANGER) == [("taxes", "sms")]
    given = Consent.objects.get(source="sms")
    assert (given.text_version, given.evidence, given.action) == ("sms-join-1", {"message": "SM1"}, "given")
    ((to, answer),) = answers()
    assert to == STRANGER
    assert "STOP" in answer or "СТОП" in answer
    assert AuditEntry.objects.filter(action="reply.join").values_list("facts", flat=True).get() == {"topic": "taxes"}
    assert list(Reply.objects.values_list("kind", flat=True)) == ["join"]


@pytest.mark.django_db
def test_an_unknown_topic_is_answered_with_those_that_there_are(sent: Sent) -> None:
    say(sent, "JOIN fishing", sender=STRANGER)
    assert wanted(STRANGER) == []
    ((_, answer),) = answers()
    assert answer.endswith("Kindergartens; Local taxes")


@pytest.mark.django_db
def test_it_takes_back_the_own_stop_for_this_topic_alone_and_nothing_else(sent: Sent) -> None:
    say(sent, "STOP")
    say(sent, "JOIN schools", 2)
    assert (wanted(NUMBER), Suppression.objects.count()) == ([("schools", "sms")], 0)
    suppress(sent.organisation, "sms", STRANGER, "complaint")
    before = len(answers())
    say(sent, "JOIN schools", 3, sender=STRANGER)
    assert (wanted(STRANGER), len(answers())) == ([], before)
