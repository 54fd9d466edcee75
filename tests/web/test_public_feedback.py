"""The page of answers: a GET shows and never counts, a POST counts; whatever a scanner does, nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from outreach.delivery import tokens
from outreach.delivery.tokens import Token, TokenKind
from outreach.events.feedback import Feedback
from outreach.events.models import Event
from tests.events.conftest import Sent, make_sent
from tests.events.test_answering import asking

pytestmark = [pytest.mark.django_db, pytest.mark.urls("outreach.web.public.urls")]


@pytest.fixture
def sent() -> Sent:
    return make_sent()


def link(sent: Sent, kind: TokenKind = TokenKind.FEEDBACK, delivery: int = 0) -> str:
    told: dict[str, Any] = {
        "run": sent.run.pk,
        "delivery": delivery or sent.delivery,
        "channel": "email",
        "language": "bg",
    }
    return f"/f/{tokens.make(Token(kind=kind, **told))}"


def test_a_scanner_that_follows_every_link_answers_nothing(client: Client, sent: Sent) -> None:
    asking(sent, "{{ ask.satisfied }} {{ ask.recommends }}")
    for question, values in (("satisfied", range(7)), ("recommends", range(12))):
        for value in values:
            assert client.get(f"{link(sent)}?{question}={value}").status_code == 200
            assert client.head(f"{link(sent)}?{question}={value}").status_code == 200
    assert (Feedback.objects.count(), Event.objects.count()) == (0, 0)


def test_the_pressed_answer_is_chosen_and_sending_it_counts(client: Client, sent: Sent) -> None:
    asking(sent)
    page = client.get(f"{link(sent)}?satisfied=4", headers={"accept-language": "en"})
    text = page.content.decode()
    assert (page["Content-Language"], page["Cache-Control"], "Set-Cookie" in page) == ("bg", "no-store, private", False)
    assert 'value="4" checked' in text
    assert text.count("checked") == 1
    assert "Доволни ли сте от „Карта“?" in text
    for value in ("4", "5"):
        taken = client.post(f"{link(sent)}?language=en", {"satisfied": value, "text": "<b>Thanks</b>"})
        assert "Your answer is counted." in taken.content.decode()
    assert list(Feedback.objects.values_list("value", "text", "source")) == [(5, "<b>Thanks</b>", "page")]


@pytest.mark.parametrize(
    ("form", "field"),
    [({}, "satisfied"), ({"satisfied": "9"}, "satisfied"), ({"satisfied": "3", "text": "x" * 2001}, "text")],
)
def test_a_wrong_answer_is_told_at_its_field(client: Client, sent: Sent, form: dict[str, str], field: str) -> None:
    asking(sent)
    page = client.post(f"{link(sent)}?language=en", form, headers={"accept-language": "bg"})
    text = page.content.decode()
    assert (page.status_code, f'id="problem-{field}"' in text) == (422, True)
    assert any(said in text for said in ("Choose an answer or", "Choose one of", "This is too long"))
    assert Feedback.objects.count() == 0


def test_another_kind_of_token_another_message_and_one_that_asks_nothing_open_no_page(
    client: Client, sent: Sent
) -> None:
    assert client.get(link(sent)).status_code == 404
    asking(sent)
    wrong = (link(sent, TokenKind.PERSON), link(sent, delivery=sent.delivery + 1), "/f/nonsense")
    assert [client.post(path, {"satisfied": "4"}).status_code for path in wrong] == [404, 404, 404]
    assert Feedback.objects.count() == 0
