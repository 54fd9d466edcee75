"""What a survey came to: numbers by question, choices with their intervals, the newest words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from outreach.campaigns.survey import Item, Survey
from outreach.core.vocabulary import SurveyQuestion
from outreach.delivery.questions import SCALES
from outreach.effectiveness.intervals import Share, wilson
from outreach.effectiveness.opinions import Opinion, opinion_json
from outreach.events.feedback import SurveyResponse

#: How often each number was given to each question, by its place.
COUNTS: Final = """
SELECT said.key::int, said.value::text::int, count(*)
FROM outreach_surveyresponse r, jsonb_each(r.answers) AS said
WHERE r.survey_id = %s AND jsonb_typeof(said.value) = 'number'
GROUP BY 1, 2
"""
#: Responses that are looked through for words.
WORDS_FROM: Final = 200
QUOTED: Final = 6


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One answer of a choice, and how many chose it."""

    option: Mapping[str, str]
    count: int
    #: Of all who chose.
    share: Share | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one question came to."""

    item: Item
    #: Of a scale.
    opinion: Opinion | None = None
    #: Of a choice.
    chosen: tuple[Chosen, ...] = ()
    #: Of words, the newest.
    words: tuple[str, ...] = ()


def results_of(survey: Survey) -> list[Result]:
    """Each question with what it came to, in order; two queries."""
    counts = _counts(survey)
    newest = list(survey.responses.order_by("-pk").values_list("answers", flat=True)[:WORDS_FROM])
    return [_result(item, counts[place], _words(newest, place)) for place, item in enumerate(survey.items)]


def _counts(survey: Survey) -> dict[int, dict[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [survey.pk])
        rows = cursor.fetchall()
    counts: dict[int, dict[int, int]] = defaultdict(dict)
    for place, value, count in rows:
        counts[place][value] = count
    return counts


def _words(newest: list[dict[str, Any]], place: int) -> tuple[str, ...]:
    said = (answers.get(str(place)) for answers in newest)
    return tuple(text for text in said if isinstance(text, str))[:QUOTED]


def _result(item: Item, counts: Mapping[int, int], words: tuple[str, ...]) -> Result:
    if item.kind in SCALES:
        return Result(item=item, opinion=Opinion(item.kind, counts) if counts else None)
    if item.kind == SurveyQuestion.WORDS:
        return Result(item=item, words=words)
    whole = sum(counts.values())
    found = (
        Chosen(option=option, count=counts.get(place, 0), share=wilson(counts.get(place, 0), whole))
        for place, option in enumerate(item.options)
    )
    return Result(item=item, chosen=tuple(found))


def result_json(result: Result) -> dict[str, Any]:
    """As the API gives it."""
    whole = {"kind": result.item.kind, "text": dict(result.item.text)}
    if result.item.kind in SCALES:
        return whole | {"spread": opinion_json(result.opinion) if result.opinion else None}
    if result.item.kind == SurveyQuestion.WORDS:
        return whole | {"newest": list(result.words)}
    return whole | {"options": [_chosen_json(one) for one in result.chosen]}


def _chosen_json(one: Chosen) -> dict[str, Any]:
    return {"text": dict(one.option), "count": one.count, "share": one.share and one.share.as_json()}


def answers_in_words(survey: Survey, response: SurveyResponse, language: str) -> list[str | int]:
    """One reader's answers as a row of a table, in the order of the questions; '' for one that was left."""
    return [_in_words(item, response.answers.get(str(place)), language) for place, item in enumerate(survey.items)]


def _in_words(item: Item, answer: Any, language: str) -> str | int:
    if item.kind == SurveyQuestion.CHOICE and isinstance(answer, int) and answer < len(item.options):
        return item.option_names(language)[answer]
    return "" if answer is None else answer
