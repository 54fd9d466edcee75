"""A reader fills in the survey that a message leads to; who does so again corrects what they said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outreach.campaigns.survey import Item, Survey, open_survey
from outreach.core import clock
from outreach.core.errors import Invalid, StateConflict
from outreach.core.vocabulary import SurveyQuestion
from outreach.delivery.questions import SCALES
from outreach.delivery.tokens import Token
from outreach.events.answering import LONGEST_TEXT, AnswersClosed, Asked, happening, is_measured
from outreach.events.asked_twice import answered_in_message, answers_by_stage
from outreach.events.feedback import SurveyResponse
from outreach.events.optout import find_person
from outreach.events.record import record
from outreach.events.stage_answers import add_answer
from outreach.events.storable import storable_text
from outreach.events.voters import survey_voter


class QuestionsChanged(StateConflict):
    """Other questions are asked than those that the reader saw."""

    message = gettext_lazy("The questions have changed since you opened this page. Please answer these.")


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """A survey, and the reader who may fill it in."""

    asked: Asked
    survey: Survey


def find_surveyed(token: Token) -> Surveyed | None:
    """The survey that the message of a FEEDBACK token leads to; None where its service has none that is open."""
    person = find_person(token)
    services = person.run.frozen.get("services") if person else None
    survey = open_survey(services[0]["slug"]) if services else None
    if person is None or survey is None:
        return None
    return Surveyed(asked=Asked(person=person, questions=()), survey=survey)


@transaction.atomic
def take_response(surveyed: Surveyed, answers: Mapping[int, int | str], *, seen: str = "") -> bool:
    """Write down the answers, by the place of their question; whether this reader answered for the first time.

    What is not answered stays as it was said before. `seen` is the mark of the survey that the reader
    saw, where it is known.

    Raises:
        QuestionsChanged: the reader saw other questions.
        Invalid: nothing is answered, or something is none of the answers.
        AnswersClosed
    """
    said = {place: answer for place, answer in answers.items() if answer != ""}
    if seen not in ("", surveyed.survey.mark) or _are_other_by_now(surveyed.survey):
        raise QuestionsChanged(survey=surveyed.survey.pk)
    _check(surveyed.survey.items, said)
    if not surveyed.asked.is_open:
        raise AnswersClosed(run=surveyed.asked.person.run.pk)
    if not surveyed.asked.is_counted:
        return False
    kept = {str(place): storable_text(one) if isinstance(one, str) else one for place, one in said.items()}
    row, is_new = SurveyResponse.objects.select_for_update().get_or_create(
        survey=surveyed.survey, voter=_voter(surveyed), defaults={**_facts(surveyed), "answers": kept}
    )
    before = {} if is_new else row.answers
    _take_as_evidence(surveyed, row, kept, before)
    if not is_new:
        SurveyResponse.objects.filter(pk=row.pk).update(answers={**before, **kept}, changed_at=clock.now())
        return False
    Survey.objects.filter(pk=surveyed.survey.pk, first_answer_at=None).update(first_answer_at=clock.now())
    record(happening(surveyed.asked, reason="survey", source="page"))
    return True


def _are_other_by_now(survey: Survey) -> bool:
    """Whether somebody changed the questions since they were read; holds them until the first answer is kept."""
    if survey.first_answer_at:
        return False
    return Survey.objects.select_for_update().get(pk=survey.pk).mark != survey.mark


def _take_as_evidence(
    surveyed: Surveyed, row: SurveyResponse, said: Mapping[str, Any], before: Mapping[str, Any]
) -> None:
    """Satisfaction and recommending are stages, whichever page asked.

    It is evidence of the run that was answered first: a correction that comes by another run's link takes back there
    what was counted there. What its message asked as well counts by that answer.
    """
    person = surveyed.asked.person
    told = answered_in_message(row.run_id, person.delivery.target) if row.run_id else set()
    items = surveyed.survey.items
    earlier = answers_by_stage(items, before)
    for kind, value in answers_by_stage(items, {**before, **said}).items():
        if value != earlier.get(kind) and kind not in told:
            add_answer(
                kind,
                value,
                before=earlier.get(kind),
                organisation=person.run.organisation_id,
                run=row.run,
                service=surveyed.survey.service,
                subscriber=person.subscriber,
                channel=row.channel,
                language=row.language,
            )


def _check(items: list[Item], said: Mapping[int, int | str]) -> None:
    wrong = {str(place): [sentence] for place, one in said.items() if (sentence := _wrong(items, place, one))}
    if not said:
        wrong = {"0": [_("Choose an answer or write something.")]}
    if wrong:
        raise Invalid(wrong)


def _wrong(items: list[Item], place: int, answer: int | str) -> str:
    """What is wrong with an answer; '' where nothing is."""
    if not 0 <= place < len(items):
        return _("Choose one of the answers.")
    item = items[place]
    if isinstance(answer, str):
        if item.kind != SurveyQuestion.WORDS:
            return _("Choose one of the answers.")
        too_long = _("This is too long: at most %(most)s characters.") % {"most": LONGEST_TEXT}
        return too_long if len(answer) > LONGEST_TEXT else ""
    return "" if answer in numbers_of(item) else _("Choose one of the answers.")


def numbers_of(item: Item) -> range:
    """The numbers that answer it: those of the scale, or the places of the options."""
    if item.kind in SCALES:
        return SCALES[item.kind].values
    return range(len(item.options))


def _voter(surveyed: Surveyed) -> bytes:
    return survey_voter(surveyed.survey.pk, surveyed.asked.person.delivery.target)


def forget_responses(subscriber_id: int) -> None:
    """Take an erased person out of their responses, and their words; numbers and choices stay."""
    surveys = Survey.objects.values_list("pk", flat=True)
    voters = [survey_voter(survey, f"s:{subscriber_id}") for survey in surveys]
    theirs = SurveyResponse.objects.filter(Q(subscriber=subscriber_id) | Q(voter__in=voters))
    for row in theirs:
        row.answers = {place: one for place, one in row.answers.items() if not isinstance(one, str)}
        row.subscriber, row.delivery, row.voter = None, None, None
        row.save()


def _facts(surveyed: Surveyed) -> dict[str, Any]:
    person = surveyed.asked.person
    facts = {"run": person.run, "campaign_id": person.run.campaign_id, "at": clock.now()}
    whose = {"delivery": person.delivery.id, "subscriber": person.subscriber} if is_measured(surveyed.asked) else {}
    return {**facts, "channel": person.delivery.channel, "language": person.delivery.language, **whose}
