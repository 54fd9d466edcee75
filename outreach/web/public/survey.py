"""The page of a survey. A GET shows it; only a POST counts."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from outreach.campaigns.survey import Item
from outreach.core.errors import Invalid
from outreach.core.models import in_language
from outreach.core.vocabulary import SurveyQuestion
from outreach.delivery import tokens
from outreach.delivery.questions import SCALES, word_ends, word_question, word_steps
from outreach.delivery.tokens import TokenKind
from outreach.events.answering import LONGEST_TEXT
from outreach.events.survey_answering import (
    QuestionsChanged,
    Surveyed,
    find_surveyed,
    numbers_of,
    take_response,
)
from outreach.web.public.feedback import language_of, number_in
from outreach.web.public.pages import choose_language, draw


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def survey_page(request: HttpRequest, text: str) -> HttpResponse:
    """Show the survey that the message leads to; count what is sent."""
    token = tokens.read(text, TokenKind.FEEDBACK)
    surveyed = find_surveyed(token) if token else None
    language = choose_language(request, usual=language_of(surveyed.asked if surveyed else None))
    if surveyed is None:
        return draw("survey_closed" if token else "link_unknown", language=language, status=404)
    asked, organisation = surveyed.asked, surveyed.survey.organisation
    if asked.is_gone or not asked.is_open:
        return draw("nobody" if asked.is_gone else "feedback_closed", language=language, organisation=organisation)
    if request.method != "POST":
        return _draw_form(surveyed, request.GET, language)
    try:
        with override(language):
            take_response(surveyed, _answers(surveyed.survey.items, request.POST), seen=request.POST.get("seen", ""))
    except Invalid as invalid:
        return _draw_form(surveyed, request.POST, language, problems=invalid.fields)
    except QuestionsChanged as changed:
        now = find_surveyed(token) if token else None
        return _draw_form(now or surveyed, QueryDict(), language, problems={"survey": [changed.message]})
    is_counted = asked.is_counted
    return draw("feedback_taken", language=language, organisation=organisation, is_counted=is_counted, said=[])


def _draw_form(surveyed: Surveyed, given: QueryDict, language: str, problems: Any = None) -> HttpResponse:
    survey = surveyed.survey
    service = in_language(survey.service.name, language)
    return draw(
        "survey",
        language=language,
        organisation=survey.organisation,
        status=422 if problems else 200,
        title=in_language(survey.title, language),
        mark=survey.mark,
        asked=[_drawn(place, item, service, given, language) for place, item in enumerate(survey.items)],
        longest=LONGEST_TEXT,
        problems=problems or {},
    )


def _drawn(place: int, item: Item, service: str, given: QueryDict, language: str) -> dict[str, Any]:
    words = in_language(dict(item.text), language) or word_question(item.kind, service, language)
    typed = given.get(f"q{place}", "")
    steps = word_steps(item.kind, language) if item.kind in SCALES else dict(enumerate(item.option_names(language)))
    return {
        "name": f"q{place}",
        "place": str(place),
        "kind": item.kind,
        "words": words,
        "steps": steps,
        "ends": word_ends(item.kind, language) if item.kind in SCALES else (),
        "chosen": number_in(typed, numbers_of(item)),
        "text": typed if item.kind == SurveyQuestion.WORDS else "",
    }


def _answers(items: list[Item], form: QueryDict) -> dict[int, int | str]:
    """What the form says, by the place of the question; what is no number there stays as typed, and is refused."""
    typed = {place: form.get(f"q{place}", "").strip() for place in range(len(items))}
    return {place: _answer(items[place], text) for place, text in typed.items()}


def _answer(item: Item, text: str) -> int | str:
    number = None if item.kind == SurveyQuestion.WORDS else number_in(text, numbers_of(item))
    return text if number is None else number
