"""Surveys are made, changed, opened and closed here; how they are answered is `events.survey_answering`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.fields import Reader
from outreach.campaigns.models import Service
from outreach.campaigns.survey import Survey
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.vocabulary import Language, Permission, SurveyQuestion

MOST_QUESTIONS: Final = 8
MOST_OPTIONS: Final = 12
LONGEST_QUESTION: Final = 300
LONGEST_OPTION: Final = 200
KEYS: Final = dict.fromkeys(("title", "questions", "is_open"), 0)
_QUESTION_KEYS: Final = dict.fromkeys(("kind", "text", "options"), 0)
#: Kinds that have words of their own where nobody writes others.
_WORDED: Final = frozenset({SurveyQuestion.SATISFIED, SurveyQuestion.RECOMMENDS})


class SurveyAnswered(StateConflict):
    """Somebody answered already."""

    message = _("Somebody answered this survey already, so its questions stay. Close it and make another.")


@transaction.atomic
def create_survey(actor: Actor, service: Service, data: Mapping[str, Any]) -> Survey:
    """Make a survey about a service; messages about the service lead to it as long as it is its newest open one.

    Raises:
        Invalid: with every bad field, by path.
    """
    actor.require(Permission.EDIT_SERVICES)
    survey = Survey(organisation=service.organisation, service=service)
    _write(survey, data, required=("title", "questions"))
    audit.record(actor, "survey.created", survey, service=service.slug)
    return survey


@transaction.atomic
def change_survey(actor: Actor, survey: Survey, data: Mapping[str, Any]) -> Survey:
    """Change what is given; open or close it.

    Raises:
        Invalid: with every bad field, by path.
        SurveyAnswered: other questions are given, and it has answers.
    """
    actor.require(Permission.EDIT_SERVICES)
    locked = Survey.objects.select_for_update().get(pk=survey.pk)
    before = locked.questions
    _write(locked, data, required=())
    if locked.first_answer_at and locked.questions != before:
        raise SurveyAnswered(survey=survey.pk)
    audit.record(actor, "survey.changed", locked, fields=sorted(data))
    return locked


def _write(survey: Survey, data: Mapping[str, Any], *, required: tuple[str, ...]) -> None:
    reader = Reader(survey.organisation)
    given = reader.mapping(data, "", KEYS)
    for key in required:
        if not given.get(key):
            reader.complain(key, _("This must not be empty."))
    if "title" in given:
        survey.title = _texts(reader, given["title"], "title", longest=200, is_needed=True)
    if "questions" in given:
        survey.questions = _questions(reader, given["questions"])
    if "is_open" in given:
        survey.is_open = reader.flag(given["is_open"], "is_open")
    if reader.problems:
        raise Invalid(reader.problems)
    survey.save()


def _questions(reader: Reader, value: Any) -> list[dict[str, Any]]:
    items = reader.items(value, "questions")
    if len(items) > MOST_QUESTIONS:
        reader.complain("questions", _("At most %(most)s questions.") % {"most": MOST_QUESTIONS})
    return [_question(reader, item, f"questions/{n}") for n, item in enumerate(items[:MOST_QUESTIONS])]


def _question(reader: Reader, value: Any, path: str) -> dict[str, Any]:
    given = reader.mapping(value, path, _QUESTION_KEYS)
    kind = reader.choice(given.get("kind", ""), f"{path}/kind", SurveyQuestion)
    text = _texts(
        reader, given.get("text", {}), f"{path}/text", longest=LONGEST_QUESTION, is_needed=kind not in _WORDED
    )
    options = reader.items(given.get("options", []), f"{path}/options")
    if kind == SurveyQuestion.CHOICE and not 2 <= len(options) <= MOST_OPTIONS:
        reader.complain(f"{path}/options", _("A choice is from 2 to %(most)s answers.") % {"most": MOST_OPTIONS})
    if kind != SurveyQuestion.CHOICE:
        return {"kind": kind, "text": text}
    named = [
        _texts(reader, option, f"{path}/options/{n}", longest=LONGEST_OPTION, is_needed=True)
        for n, option in enumerate(options[:MOST_OPTIONS])
    ]
    return {"kind": kind, "text": text, "options": named}


def _texts(reader: Reader, value: Any, path: str, *, longest: int, is_needed: bool) -> dict[str, str]:
    given = reader.mapping(value, path, dict.fromkeys(Language.values, 0))
    texts = {str(key): reader.text(text, f"{path}/{key}", longest=longest).strip() for key, text in given.items()}
    if is_needed and not any(texts.values()):
        reader.complain(path, _("Write it in at least one language."))
    return {language: text for language, text in texts.items() if text}
