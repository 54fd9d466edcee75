"""Surveys of a service: made on one page, open or closed by a button, their answers summed and given as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.models import Service
from outreach.campaigns.survey import Survey
from outreach.campaigns.surveys import MOST_QUESTIONS, change_survey, create_survey
from outreach.core import audit
from outreach.core.errors import Invalid
from outreach.core.models import in_language
from outreach.core.spreadsheet import csv_rows
from outreach.core.vocabulary import Permission, SurveyQuestion
from outreach.delivery.questions import word_question
from outreach.effectiveness.survey_results import Result, answers_in_words, results_of
from outreach.web.console.forms import ConsoleForm, initial_texts, long_text
from outreach.web.console.opinions import draw_opinion
from outreach.web.console.visit import Visit, filling, posting, visiting

MOST_LINES: Final = 100_000


class SurveyForm(ConsoleForm):
    """A title and a fixed number of places for questions, so that it works without JavaScript."""

    title_bg = forms.CharField(
        label=_("Title in Bulgarian"), required=False, max_length=200, help_text=_("In one language at least.")
    )
    title_en = forms.CharField(label=_("Title in English"), required=False, max_length=200)

    def __init__(self, *args: Any, are_questions_kept: bool = False, **kwargs: Any) -> None:
        #: Whether somebody answered, so that only the title can be changed.
        self.are_questions_kept = are_questions_kept
        super().__init__(*args, extra_fields={} if are_questions_kept else _question_fields(), **kwargs)

    def places(self) -> list[dict[str, Any]]:
        """The fields of each question together, for the page."""
        places = () if self.are_questions_kept else range(MOST_QUESTIONS)
        return [{name: self[f"{name}_{place}"] for name in _FIELDS} for place in places]

    def clean(self) -> None:
        """Refuse words of which nobody said how they are answered: they would be lost."""
        for place in range(MOST_QUESTIONS):
            given = [self.cleaned_data.get(f"{name}_{place}") for name in _FIELDS]
            if any(given) and not given[0]:
                self.add_error(f"kind_{place}", _("Say how it is answered, or empty the question."))

    def data_of_survey(self) -> dict[str, Any]:
        """As the verbs and the API write it; places that nobody filled are left out."""
        if self.are_questions_kept:
            return {"title": self.texts("title")}
        used = [place for place in range(MOST_QUESTIONS) if self.cleaned_data[f"kind_{place}"]]
        self.paths = {
            path: f"{name}_{place}"
            for n, place in enumerate(used)
            for path, name in ((f"questions/{n}/text", "bg"), (f"questions/{n}/options", "options_bg"))
        } | {"questions": "kind_0"}
        return {"title": self.texts("title"), "questions": [self._question(place) for place in used]}

    def _question(self, place: int) -> dict[str, Any]:
        given = {name: self.cleaned_data[f"{name}_{place}"] for name in _FIELDS}
        found: dict[str, Any] = {"kind": given["kind"], "text": _both(given["bg"], given["en"])}
        if given["kind"] == SurveyQuestion.CHOICE:
            found["options"] = _options(given["options_bg"], given["options_en"])
        return found


_FIELDS: Final = ("kind", "bg", "en", "options_bg", "options_en")


def _question_fields() -> dict[str, forms.Field]:
    kinds = (("", _("no question")), *SurveyQuestion.choices)
    found: dict[str, forms.Field] = {}
    for place in range(MOST_QUESTIONS):
        found |= {
            f"kind_{place}": forms.ChoiceField(label=_("Answered by"), choices=kinds, required=False),
            f"bg_{place}": forms.CharField(label=_("Question in Bulgarian"), required=False, max_length=300),
            f"en_{place}": forms.CharField(label=_("Question in English"), required=False, max_length=300),
            f"options_bg_{place}": long_text(_("Answers in Bulgarian"), help_text=_("One a line; only for a choice.")),
            f"options_en_{place}": long_text(_("Answers in English"), help_text=_("In the same order.")),
        }
    return found


def _both(bulgarian: str, english: str) -> dict[str, str]:
    return {language: text for language, text in (("bg", bulgarian.strip()), ("en", english.strip())) if text}


def _options(bulgarian: str, english: str) -> list[dict[str, str]]:
    columns = [[line.strip() for line in text.splitlines() if line.strip()] for text in (bulgarian, english)]
    rows = range(max(map(len, columns)))
    return [_both(*(column[n] if n < len(column) else "" for column in columns)) for n in rows]


def _initial(survey: Survey) -> dict[str, Any]:
    found = initial_texts("title", survey.title)
    for place, item in enumerate(survey.items):
        found |= {
            f"kind_{place}": item.kind,
            f"bg_{place}": item.text.get("bg", ""),
            f"en_{place}": item.text.get("en", ""),
            f"options_bg_{place}": "\n".join(option.get("bg", "") for option in item.options),
            f"options_en_{place}": "\n".join(option.get("en", "") for option in item.options),
        }
    return found


@filling(needs=Permission.EDIT_SERVICES)
def new_survey(visit: Visit, service_id: int) -> HttpResponse:
    service = visit.find(Service.objects.select_related("organisation"), service_id)
    form = SurveyForm(visit.request.POST or None, initial={"kind_0": SurveyQuestion.SATISFIED})
    if visit.is_post and form.is_valid():
        try:
            made = create_survey(visit.actor, service, form.data_of_survey())
            visit.tell(_("The survey is open. The button “Survey” above the text of a message leads to it."))
            return visit.go("survey", key=made.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("surveys/form.html", form=form, service=service, survey=None)


@filling(needs=Permission.EDIT_SERVICES)
def edit_survey(visit: Visit, key: int) -> HttpResponse:
    survey = _find(visit, key)
    is_answered = survey.first_answer_at is not None
    form = SurveyForm(visit.request.POST or None, initial=_initial(survey), are_questions_kept=is_answered)
    if visit.is_post and form.is_valid():
        try:
            change_survey(visit.actor, survey, form.data_of_survey())
            visit.tell(_("The changes are saved."))
            return visit.go("survey", key=key)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("surveys/form.html", form=form, service=survey.service, survey=survey)


@visiting()
def survey(visit: Visit, key: int) -> HttpResponse:
    """What it came to."""
    found = _find(visit, key)
    return visit.show(
        "surveys/page.html",
        survey=found,
        responses=found.responses.count(),
        results=[_drawn(found, place, result) for place, result in enumerate(results_of(found))],
    )


@posting(needs=Permission.EDIT_SERVICES)
def switch_survey(visit: Visit, key: int) -> HttpResponse:
    """Open a closed one, close an open one."""
    found = _find(visit, key)
    change_survey(visit.actor, found, {"is_open": not found.is_open})
    visit.tell(_("The survey is closed.") if found.is_open else _("The survey is open."))
    return visit.go("survey", key=key)


@visiting()
def export_survey(visit: Visit, key: int) -> HttpResponse:
    """Every reader's answers as CSV, a column a question."""
    found = _find(visit, key)
    audit.record(visit.actor, "survey.exported", found)
    language = get_language() or "bg"
    asked = (_words(found, place, language) for place in range(len(found.items)))
    head = ["at", "language", "channel", "subscriber", *asked]
    rows = found.responses.order_by("-pk")[:MOST_LINES]
    lines = (
        [row.at.isoformat(), row.language, row.channel, row.subscriber_id, *answers_in_words(found, row, language)]
        for row in rows
    )
    answer = HttpResponse("\ufeff" + csv_rows([head, *lines]), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="survey-{found.pk}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


def _find(visit: Visit, key: int) -> Survey:
    return visit.find(Survey.objects.select_related("organisation", "service"), key)


def _words(survey: Survey, place: int, language: str) -> str:
    item, service = survey.items[place], in_language(survey.service.name, language)
    return in_language(dict(item.text), language) or word_question(item.kind, service, language)


def _drawn(survey: Survey, place: int, result: Result) -> Mapping[str, Any]:
    language = get_language() or "bg"
    shares = [one.share.high for one in result.chosen if one.share]
    return {
        "result": result,
        "title": _words(survey, place, language),
        "drawn": draw_opinion(result.opinion) if result.opinion else None,
        "options": [(in_language(dict(one.option), language), one) for one in result.chosen],
        "widest": max(shares, default=1.0),
    }
