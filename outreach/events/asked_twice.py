"""One thing is asked twice, by a message and the survey that it leads to, or by two questions of a survey.

Whoever answers both is counted once, named or not. The answer to the message's own question counts. The survey's counts
where it is the only one, and is taken back when the other comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run, Service
from outreach.campaigns.survey import Item, Survey
from outreach.delivery.questions import SCALES
from outreach.events.feedback import Feedback, SurveyResponse
from outreach.events.stage_answers import add_answer
from outreach.events.voters import survey_voter, voter_of


def answered_in_message(run_id: int, target: str) -> set[str]:
    """Questions that the reader of a run's message answered with a number."""
    theirs = Feedback.objects.filter(voter=voter_of(run_id, target), value__isnull=False)
    return set(theirs.values_list("question", flat=True))


def answers_by_stage(items: Sequence[Item], answers: Mapping[str, Any]) -> dict[str, int]:
    """What a reader's answers to a survey say of stages: of several questions of a kind the first that was answered."""
    found: dict[str, int] = {}
    for place, item in enumerate(items):
        value = answers.get(str(place))
        if item.kind in SCALES and value is not None:
            found.setdefault(item.kind.value, value)
    return found


def take_back_from_surveys(
    question: str, *, run: Run, service: Service, target: str, subscriber: Subscriber | None
) -> None:
    """Take back what surveys of the service said of the same question and reader in the run."""
    surveys = Survey.objects.filter(service=service).values_list("pk", flat=True)
    voters = [survey_voter(survey, target) for survey in surveys]
    for response in SurveyResponse.objects.filter(run=run, voter__in=voters).select_related("survey"):
        add_answer(
            question,
            None,
            before=answers_by_stage(response.survey.items, response.answers).get(question),
            organisation=run.organisation_id,
            run=run,
            service=service,
            subscriber=subscriber,
            channel=response.channel,
            language=response.language,
        )
