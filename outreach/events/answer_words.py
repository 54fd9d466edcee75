"""A reply that says nothing but an answer: a number of the scale, or a word for one. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from outreach.core.vocabulary import Question
from outreach.delivery.questions import SCALES

_NUMBER: Final = re.compile(r"[0-9]{1,2}")
#: Words for numbers, as the scale's own and as people write them; in Bulgarian also as typed without Cyrillic.
_WORDS: Final = {
    Question.SATISFIED: {
        1: r"никак|изобщо не|много недовол(?:ен|на|ни)|nikak|izobshto ne|mnogo nedovol(?:en|na|ni)|not at all"
        r"|not satisfied at all|very (?:dis|un)satisfied",
        2: r"не|по скоро не|недовол(?:ен|на|ни)|ne|po skoro ne|nedovol(?:en|na|ni)|no|not satisfied|(?:dis|un)satisfied"
        r"|rather not(?: satisfied)?",
        3: r"нито да нито не|средно|горе долу|nito da nito ne|sredno|gore dolu|so so"
        r"|neither(?: the one nor the other)?",
        4: r"да|довол(?:ен|на|ни)|da|dovol(?:en|na|ni)|yes|satisfied",
        5: r"много|да много|много довол(?:ен|на|ни)|mnogo|mnogo dovol(?:en|na|ni)|very|very satisfied",
    },
    Question.RECOMMENDS: {
        0: r"със сигурност не|sas sigurnost ne|certainly not|never",
        10: r"със сигурност|sas sigurnost|certainly|definitely",
    },
}
_PATTERNS: Final = {
    question: {value: re.compile(words, re.IGNORECASE) for value, words in numbers.items()}
    for question, numbers in _WORDS.items()
}


def read_answer(text: str, questions: Sequence[Question]) -> tuple[Question, int] | None:
    """The first of the questions that the text answers, with the number; None where it says more, or something else."""
    plain = " ".join(re.sub(r"[^\w\s]", " ", text).split())
    for question in questions:
        if (value := _value(plain, question)) is not None:
            return question, value
    return None


def _value(plain: str, question: Question) -> int | None:
    scale = SCALES.get(question)
    if scale is None:
        return None
    if _NUMBER.fullmatch(plain):
        return int(plain) if int(plain) in scale.values else None
    return next((value for value, words in _PATTERNS[question].items() if words.fullmatch(plain)), None)
