"""The page behind a question in a message. Its address may name the answer that was pressed; only a POST counts it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from outreach.core.errors import Invalid
from outreach.core.vocabulary import Question
from outreach.delivery import tokens
from outreach.delivery.questions import SCALES, word_ends, word_question, word_steps
from outreach.delivery.tokens import TokenKind
from outreach.events.answering import LONGEST_TEXT, AnswersClosed, Asked, Given, find_asked, take_answers
from outreach.web.public.pages import choose_language, draw


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def feedback_page(request: HttpRequest, text: str) -> HttpResponse:
    """Show what the message asks, with the pressed answer chosen; count what is sent."""
    token = tokens.read(text, TokenKind.FEEDBACK)
    asked = find_asked(token) if token else None
    language = choose_language(request, usual=language_of(asked))
    if asked is None:
        return draw("link_unknown", language=language, status=404)
    organisation = asked.person.run.organisation
    if asked.is_gone or not asked.is_open:
        template = "nobody" if asked.is_gone else "feedback_closed"
        return draw(template, language=language, organisation=organisation)
    if request.method != "POST":
        return _draw_form(asked, request.GET, language)
    try:
        with override(language):
            take_answers(asked, _given(asked, request.POST), source="page")
    except Invalid as invalid:
        return _draw_form(asked, request.POST, language, problems=invalid.fields)
    except AnswersClosed:
        return draw("feedback_closed", language=language, organisation=organisation)
    return draw(
        "feedback_taken",
        language=language,
        organisation=organisation,
        is_counted=asked.is_counted,
        said=[one for one in _drawn(asked, request.POST, language) if one["chosen"] is not None],
    )


def language_of(asked: Asked | None) -> str:
    """The language of whoever was asked; '' where that is nobody."""
    if asked is None:
        return ""
    person = asked.person
    return person.subscriber.language if person.subscriber else person.delivery.language


def _draw_form(asked: Asked, given: QueryDict, language: str, problems: Any = None) -> HttpResponse:
    return draw(
        "feedback",
        language=language,
        organisation=asked.person.run.organisation,
        status=422 if problems else 200,
        asked=_drawn(asked, given, language),
        has_scale=any(question in SCALES for question in asked.questions),
        text=given.get("text", ""),
        longest=LONGEST_TEXT,
        problems=problems or {},
    )


def _drawn(asked: Asked, given: QueryDict, language: str) -> list[dict[str, Any]]:
    """Each question for the page: its words, its steps, and the one that is chosen."""
    service = asked.service_name(language)
    return [
        {
            "name": question.value,
            "words": word_question(question, service, language),
            "steps": word_steps(question, language) if question in SCALES else {},
            "ends": word_ends(question, language) if question in SCALES else (),
            "chosen": _chosen(question, given),
        }
        for question in asked.questions
    ]


def _chosen(question: str, given: QueryDict) -> int | None:
    return number_in(given.get(question, ""), SCALES[question].values) if question in SCALES else None


def _given(asked: Asked, form: QueryDict) -> dict[Question, Given]:
    """What the form says; the words go with the first question that is answered by it."""
    values = {question: _number(form.get(question, "")) for question in asked.questions}
    words = form.get("text", "").strip()
    answered = [question for question, value in values.items() if value is not None]
    holder = next(iter(answered or asked.questions))
    return {
        question: Given(value=value, text=words if question == holder else "") for question, value in values.items()
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else None


def number_in(text: str, numbers: range) -> int | None:
    """The number that the text is, if it is one of these."""
    found = _number(text)
    return found if found in numbers else None
