"""A question in a message: drawn with its answers in an e-mail, worded in an SMS, never in public."""

from __future__ import annotations

import re

import pytest

from outreach.core.vocabulary import Question
from outreach.delivery import tokens
from outreach.delivery.letterform import LetterForm
from outreach.delivery.render import Outgoing, Recipient
from outreach.delivery.tokens import TokenKind
from tests.delivery.letter import ANNA, BASE_URL, compiled, problems, rendered

_LINK = re.compile(rf"{BASE_URL}/f/([\w-]+)(\?\w+=\d+)?")


def links(text: str) -> list[str]:
    """What stands behind the token in each link to the page of answers."""
    found = _LINK.findall(text)
    assert {token for token, _ in found} <= {_token()}
    return [answer for _, answer in found]


def _token() -> str:
    return tokens.make(tokens.Token(kind=TokenKind.FEEDBACK, run=42, delivery=99, channel="email", language="bg"))


@pytest.mark.parametrize(
    ("question", "words", "answers"),
    [
        ("satisfied", "Доволни ли сте от „Карта“?", [f"?satisfied={n}" for n in range(1, 6)]),
        ("recommends", "препоръчате „Карта“", [f"?recommends={n}" for n in range(11)]),
        ("words", "по-добре в „Карта“?", [""]),
    ],
)
def test_an_e_mail_has_a_button_for_each_answer_and_its_text_the_address(
    question: str, words: str, answers: list[str]
) -> None:
    message = rendered(f"Здравейте\n\n{{{{ ask.{question} }}}}\n\nПоздрави", tracking="aggregate")
    assert (links(message.html), links(message.text)) == (answers, [""])
    assert words in message.html
    assert words in message.text
    assert "<p><table" not in message.html


def test_mjml_and_html_of_ones_own_have_the_same_buttons() -> None:
    whole = "<html><body><div>{{ ask.satisfied }}</div><a href='{{ unsubscribe_url }}'>x</a></body></html>"
    mjml = (
        "<mjml><mj-body><mj-section><mj-column><mj-text>{{ ask.satisfied }} {{ unsubscribe_url }}</mj-text>"
        "</mj-column></mj-section></mj-body></mjml>"
    )
    for body, format in ((whole, "html"), (mjml, "mjml")):
        html = rendered(body, format=format).html
        assert len(links(html)) == 5
        # Its styles stand in the elements: the document has no others.
        assert (html.count("background-color: #12397f"), ".ask-step" in html) == (5, False)


def test_a_message_that_asks_still_goes_the_short_way() -> None:
    run = compiled("{{ subscriber.name }}\n\n{{ ask.satisfied }}", tracking="aggregate", subject="{{ ask.satisfied }}")
    anna = Recipient(delivery=99, channel="email", language="bg", to="anna@example.org", subscriber=ANNA)
    content = run.content_for(anna)
    short = content.mail(anna)
    assert isinstance(content._form, LetterForm)
    assert short is not None
    assert short.subject == "Доволни ли сте от „Карта“?"
    without_date = [re.sub(rb"Date: [^\r]+", b"", message.raw) for message in (short, run.render(anna))]
    assert without_date[0] == without_date[1]
    assert Outgoing(run).render(anna).raw


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{{ ask.satisfied }}", "Доволни ли сте от „Карта“? Отговорете с цифра от 1 (не) до 5 (много)."),
        (
            "{{ (ask.satisfied)|latin }}",
            'Dovolni li ste ot "Karta"? Otgovorete s tsifra ot 1 (ne) do 5 (mnogo).',
        ),
    ],
)
def test_an_sms_says_how_to_answer(body: str, text: str) -> None:
    run = compiled(body, channel="sms")
    message = run.render(Recipient(delivery=99, channel="sms", language="bg", to="+359888", subscriber=ANNA))
    assert message.text == text
    assert [content.asks for content in run.contents()] == [(Question.SATISFIED,)]


def test_a_service_with_braces_in_its_name_is_shown_as_it_is() -> None:
    services = [{"slug": "x", "name": {"bg": "{{ 7 * 7 }} & <b>"}, "url": "https://x.example", "steps": {}}]
    message = rendered("{{ ask.satisfied }}", services=services)
    assert "„{{ 7 * 7 }} &amp; &lt;b&gt;“" in message.html
    assert "„{{ 7 * 7 }} & <b>“" in message.text


def test_an_address_alone_asks_how_satisfied_they_are_and_nothing_asks_nothing() -> None:
    asked = {body: compiled(body).contents()[0].questions for body in ("[x]({{ feedback_url }})", "x")}
    assert asked == {"[x]({{ feedback_url }})": (Question.SATISFIED,), "x": ()}
    assert links(rendered("[x]({{ feedback_url }})", tracking="aggregate").html) == [""]


def test_a_public_post_asks_nothing() -> None:
    assert [(field, line) for field, line, _ in problems("{{ ask.satisfied }}", channel="social")] == [("body", 1)]
    assert [line for _, line, _ in problems("{{ ask.happy }}")] == [1]
