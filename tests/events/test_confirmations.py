"""STOP, START and HELP by SMS: what they change, what they leave behind, and the confirmation that really leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from channels.base import EventWord, ProviderEvent
from outreach.audience.models import Consent, Subscriber, Suppression
from outreach.audience.subscriptions import unsubscribe
from outreach.audience.suppression import suppress
from outreach.core import clock
from outreach.core.models import AuditEntry
from outreach.core.secrets import seal
from outreach.core.vocabulary import ReplyKind
from outreach.delivery.alive import alive
from outreach.delivery.door import real_door
from outreach.delivery.engine import work
from outreach.delivery.models import Delivery, Notice
from outreach.events.confirmations import word_confirmation
from outreach.events.keywords import keyword_of
from outreach.events.models import Reply
from outreach.events.receiving import receive_all
from outreach.events.replies import take_reply_event
from tests.channels.smpp_peer import Centre, Delivered, message_centre
from tests.events.conftest import Sent, make_sent

NUMBER = "+359888123456"


@pytest.fixture
def sent(db: None) -> Sent:
    found = make_sent(channel="sms")
    found.account.settings = {"account_sid": "AC1", "sender": "+359880000000"}
    found.account.sealed = seal({"auth_token": "secret"})
    found.account.save()
    return found


def say(sent: Sent, text: str, number: int = 1, *, sender: str = NUMBER, answered: bool = False) -> Reply | None:
    event = ProviderEvent(word=EventWord.REPLIED, event_id=f"SM{number}", address=sender, text=text, answered=answered)
    return take_reply_event(sent.account, event)


def states(sent: Sent) -> list[str]:
    return list(sent.subscriber.subscriptions.order_by("pk").values_list("state", flat=True))


def consents() -> list[tuple[Any, ...]]:
    return list(Consent.objects.order_by("pk").values_list("action", "source", "topic__slug", "evidence"))


def told() -> list[tuple[Any, ...]]:
    """The confirmations: to whom, in which words, why, and as what they are frozen."""
    return [
        (notice.value, notice.data["text"], notice.lawful_basis, notice.run.frozen["notice"]["confirms"])
        for notice in Notice.objects.order_by("pk").select_related("run")
    ]


STOPPED = "Община Пловдив: няма да получавате повече SMS от нас. За да ги получавате отново, отговорете СТАРТ."
RESUMED = "Община Пловдив: отново ще получавате нашите SMS. За да ги спрете, отговорете СТОП."


@pytest.mark.django_db
def test_stop_ends_everything_once_and_is_confirmed(sent: Sent) -> None:
    assert say(sent, "СТОП") is not None
    assert say(sent, "СТОП") is None
    say(sent, "Stop!", 2)
    assert states(sent) == ["unsubscribed", "unsubscribed"]
    assert consents() == [
        ("withdrawn", "stop", "taxes", {"message": "SM1"}),
        ("withdrawn", "stop", "schools", {"message": "SM1"}),
    ]
    assert list(Suppression.objects.values_list("reason", flat=True)) == ["stop"]
    assert list(AuditEntry.objects.values_list("action", "noun", "facts")) == [
        ("reply.stop", "reply", {"subscriptions": 2})
    ]
    assert told() == [(NUMBER, STOPPED, "legal_obligation", "stop")]
    assert [reply.kind for reply in Reply.objects.order_by("pk")] == ["stop", "stop"]


@pytest.mark.django_db
def test_start_takes_back_what_that_stop_did_and_nothing_else(sent: Sent) -> None:
    unsubscribe(sent.subscriber, topics=[sent.other_topic], source="one_click")
    say(sent, "стоп")
    assert states(sent) == ["unsubscribed", "unsubscribed"]
    say(sent, "Старт", 2)
    say(sent, "Старт", 3)
    assert states(sent) == ["subscribed", "unsubscribed"]
    assert consents()[1:] == [
        ("withdrawn", "stop", "taxes", {"message": "SM1"}),
        ("given", "start", "taxes", {"message": "SM2"}),
    ]
    assert Suppression.objects.count() == 0
    assert [(text, word) for _, text, _, word in told()] == [(STOPPED, "stop"), (RESUMED, "start")]
    say(sent, "СТОП", 4)
    assert states(sent) == ["unsubscribed", "unsubscribed"]
    assert Suppression.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("is_later", [True, False])
def test_start_heeds_what_a_joined_record_said_last(sent: Sent, is_later: bool) -> None:
    """The other record left the topic on a page, after the STOP or before it."""
    say(sent, "СТОП")
    other = Subscriber.objects.create(organisation=sent.organisation, merged_into=sent.subscriber)
    Consent.objects.create(
        subscriber=other, topic=sent.topic, channel="sms", action="withdrawn", source="page",
        at=clock.now() + timedelta(days=1 if is_later else -1),
    )  # fmt: skip
    say(sent, "СТАРТ", 2)

    assert states(sent) == ["unsubscribed" if is_later else "subscribed", "subscribed"]


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["complaint", "hard_bounce"])
def test_start_does_not_take_anything_else_back(sent: Sent, reason: str) -> None:
    suppress(sent.organisation, "sms", NUMBER, reason)
    say(sent, "START")
    assert list(Suppression.objects.values_list("reason", flat=True)) == [reason]
    assert (told(), AuditEntry.objects.count()) == ([], 0)


@pytest.mark.django_db
def test_help_changes_nothing_and_says_who_writes(sent: Sent) -> None:
    say(sent, "help?")
    assert states(sent) == ["subscribed", "subscribed"]
    assert told() == [
        (
            NUMBER,
            "Община Пловдив Ви изпраща тези SMS, защото сте ги поискали. За да ги спрете, отговорете СТОП.",
            "legal_obligation",
            "help",
        )
    ]


@pytest.mark.django_db
def test_stranger_is_stopped_and_answered_in_the_language_of_the_word(sent: Sent) -> None:
    say(sent, "stop", sender="+447700900123")
    assert Suppression.objects.count() == 1
    assert [(to, text) for to, text, *_ in told()] == [
        ("+447700900123", "City of Plovdiv: you will get no more SMS from us. To get them again, answer START.")
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(("answered", "setting"), [(True, "yes"), (False, "no")])
def test_nobody_is_told_twice(sent: Sent, answered: bool, setting: str) -> None:
    sent.account.settings["keywords"] = setting
    say(sent, "STOP", answered=answered)
    assert (states(sent), told()) == (["unsubscribed", "unsubscribed"], [])


@pytest.mark.django_db
def test_machines_that_answer_each_other_come_to_an_end(sent: Sent) -> None:
    for number in range(9):
        say(sent, "HELP", number)
    assert len(told()) == 5


@pytest.mark.django_db
def test_account_that_cannot_send_obeys_all_the_same(sent: Sent) -> None:
    type(sent.account).objects.update(channel="email")
    say(sent, "СТОП", sender="1620")
    say(sent, "СТОП", 2)
    assert (states(sent), told()) == (["unsubscribed", "unsubscribed"], [])


@pytest.fixture(autouse=True)
def nothing_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker: what is to be done is done here."""
    monkeypatch.setattr("outreach.core.queue._publish", lambda _name, _args, _lane: None)


@pytest.fixture
def centre(monkeypatch: pytest.MonkeyPatch) -> Iterator[Centre]:
    monkeypatch.setattr("channels.smpp.QUIET", 0.2)
    with message_centre() as centre:
        yield centre


@pytest.mark.django_db(transaction=True)
def test_confirmation_leaves_though_the_number_is_stopped(centre: Centre) -> None:
    sent = make_sent(channel="sms")
    settings = dict(centre.account.settings)
    sent.account.sealed = seal({"password": settings.pop("password")})
    sent.account.adapter, sent.account.settings = "smpp", settings
    sent.account.save()
    alive()
    centre.waiting = [Delivered(source=NUMBER[1:], octets="Спри".encode("utf-16-be"), data_coding=8)]
    assert receive_all() == 1
    work("notices", door=real_door(), seconds=5)
    notice = Notice.objects.get()
    delivery = Delivery.objects.get(run=notice.run_id, id=notice.delivery)
    assert (delivery.state, delivery.reason, delivery.provider_id) == ("accepted", "", "id-1 id-2")
    assert "".join(part.octets[6:].decode("utf-16-be") for part in centre.submitted) == STOPPED
    assert centre.attempts == [NUMBER, NUMBER]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("STOP", ReplyKind.STOP),
        ("край", ReplyKind.STOP),
        ("Старт", ReplyKind.START),
        ("unstop", ReplyKind.START),
        ("ПОМОЩ!", ReplyKind.HELP),
        ("Info", ReplyKind.HELP),
        ("Помощ за данъците", None),
        ("start tomorrow", None),
        ("", None),
    ],
)
def test_words_count_where_they_are_all(text: str, kind: ReplyKind | None) -> None:
    assert keyword_of(text) == kind


def test_confirmations_are_two_parts_at_most() -> None:
    from channels.gsm import cut
    from outreach.core.models import Organisation

    organisation = Organisation(slug="x", name={"bg": "Министерство на е-управление", "en": "Ministry of e-Government"})
    parts = {
        (kind, language): len(cut(word_confirmation(organisation, kind, language)).parts)
        for kind in ("stop", "start", "help")
        for language in ("bg", "en")
    }
    assert parts == {
        ("stop", "bg"): 2,
        ("stop", "en"): 1,
        ("start", "bg"): 2,
        ("start", "en"): 1,
        ("help", "bg"): 2,
        ("help", "en"): 1,
    }
