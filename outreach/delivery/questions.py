"""Questions that a message asks its reader: their words, their scales, and what a number on one means. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.utils.translation import gettext, override

from outreach.core.vocabulary import Question
from outreach.delivery.latin import to_latin


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The numbers that answer a question."""

    low: int
    high: int
    #: From here on an answer is a good one: its giver is at the stage that the question is named for.
    good: int
    #: Up to here it is a bad one.
    poor: int

    @property
    def values(self) -> range:
        return range(self.low, self.high + 1)


#: Five steps of satisfaction; and the eleven of Reichheld's question (Harvard Business Review, December 2003).
SCALES: Final[dict[str, Scale]] = {
    Question.SATISFIED: Scale(low=1, high=5, good=4, poor=2),
    Question.RECOMMENDS: Scale(low=0, high=10, good=9, poor=6),
}
#: As authors write it, and as `delivery.latin` rewrites it.
_ASK: Final = re.compile(r"\{\{-?\s*\(?ask\.(\w+)\)?\s*(\|\s*latin)?\s*-?\}\}")


class AskTag(NamedTuple):
    """A variable that asks."""

    question: Question
    #: Whether its author wants Bulgarian in Latin letters.
    is_latin: bool


def read_ask(tag: str) -> AskTag | None:
    """What a template's variable asks; None for one that asks nothing."""
    found = _ASK.fullmatch(tag)
    if found is None or found[1] not in Question.values:
        return None
    return AskTag(Question(found[1]), is_latin=bool(found[2]))


def word_question(question: str, service: str, language: str) -> str:
    """The question itself, about a service where one is named."""
    with override(language):
        named = {
            Question.SATISFIED: gettext("How satisfied are you with “%(service)s”?"),
            Question.RECOMMENDS: gettext("How likely are you to recommend “%(service)s” to somebody you know?"),
            Question.WORDS: gettext("What should we do better about “%(service)s”?"),
        }
        unnamed = {
            Question.SATISFIED: gettext("How satisfied are you?"),
            Question.RECOMMENDS: gettext("How likely are you to recommend us to somebody you know?"),
            Question.WORDS: gettext("What should we do better?"),
        }
        return named[Question(question)] % {"service": service} if service else unnamed[Question(question)]


def word_ends(question: str, language: str) -> tuple[str, str]:
    """What the lowest and the highest number of its scale mean."""
    with override(language):
        if question == Question.SATISFIED:
            return gettext("not satisfied at all"), gettext("very satisfied")
        return gettext("certainly not"), gettext("certainly")


def word_steps(question: str, language: str) -> dict[int, str]:
    """Each number of its scale with what it means; '' for one between those that have words."""
    scale = SCALES[question]
    low, high = word_ends(question, language)
    if question != Question.SATISFIED:
        return {value: {scale.low: low, scale.high: high}.get(value, "") for value in scale.values}
    with override(language):
        between = (gettext("rather not satisfied"), gettext("neither the one nor the other"), gettext("satisfied"))
        return dict(zip(scale.values, (low, *between, high), strict=True))


def word_in_sms(tag: AskTag, service: str, language: str) -> str:
    """The question as an SMS asks it: with how to answer, since nobody can press anything."""
    asked = word_question(tag.question, service, language)
    with override(language):
        how = {
            Question.SATISFIED: gettext("Answer with a digit, from 1 (no) to 5 (very)."),
            Question.RECOMMENDS: gettext("Answer with a number, from 0 (no) to 10 (certainly)."),
            Question.WORDS: gettext("Answer this message."),
        }[tag.question]
    words = f"{asked} {how}"
    return to_latin(words) if tag.is_latin else words
