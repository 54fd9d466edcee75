"""A reply that says nothing but an answer: a number of the scale, or a word for one. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from outreach.core.vocabulary import Question
from outreach.delivery.questions import SCALES, Scale
from outreach.events.courtesies import without_courtesies

#: Numbers as people write them, in Bulgarian also as typed without Cyrillic.
_COUNTED: Final = (
    "нула nula zero", "едно един една edno edin edna one", "две два dve dva two", "три tri three",
    "четири chetiri four", "пет pet five", "шест shest six", "седем sedem seven", "осем osem eight",
    "девет devet nine", "десет deset ten",
)  # fmt: skip
_VALUES: Final = {word: value for value, words in enumerate(_COUNTED) for word in words.split()}
#: A number alone, or as marks are given: "I give 4 stars", "5 of 5".
_NUMBER: Final = re.compile(
    r"(?:(?:моята )?оценка(?:та ми е)?|давам(?: ви)?|отговорът ми е|my (?:answer|rating) is|rating|i give(?: you)?)? ?"
    rf"(?P<value>[0-9]{{1,2}}|{'|'.join(_VALUES)})(?: (?:звезди|точки|stars|points))?"
    rf"(?: (?:от|of|out of) (?P<most>[0-9]{{1,2}}))?",
    re.IGNORECASE,
)
#: With these a number is none of a scale.
_NO_MARK: Final = re.compile(r"[?%№#]|-\s?[0-9]|[0-9]\s?[.,]\s?[0-9]")
#: Words that change nothing: "I am satisfied" is "satisfied".
_AM: Final = re.compile(r"\b(?:съм|сме|бях|бяхме|sam|sum|sme|i am|i m|i was|we are|we were) ?", re.IGNORECASE)
#: Words for numbers, as the scale's own and as people write them; in Bulgarian also as typed without Cyrillic.
_WORDS: Final = {
    Question.SATISFIED: {
        1: r"никак|(?:никак|изобщо) не(?: ?довол(?:ен|на|ни))?|много недовол(?:ен|на|ни)|nikak|izobshto ne"
        r"|mnogo nedovol(?:en|na|ni)|not at all|not satisfied at all|very (?:dis|un)satisfied",
        2: r"не|по скоро не|не ?довол(?:ен|на|ни)|ne|po skoro ne|nedovol(?:en|na|ni)|no|not satisfied"
        r"|(?:dis|un)satisfied|rather not(?: satisfied)?",
        3: r"нито да нито не|средно|горе долу|nito da nito ne|sredno|gore dolu|so so"
        r"|neither(?: the one nor the other)?",
        4: r"да|(?:да )?довол(?:ен|на|ни)|da|dovol(?:en|na|ni)|yes|satisfied",
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
    said = without_courtesies(text)
    if _NO_MARK.search(said):
        return None
    plain = " ".join(re.sub(r"[^\w\s]", " ", said.replace("/", " of ")).split())
    for question in questions:
        if (value := _value(plain, question)) is not None:
            return question, value
    return None


def _value(plain: str, question: Question) -> int | None:
    scale = SCALES.get(question)
    if scale is None:
        return None
    if found := _NUMBER.fullmatch(plain):
        return _counted(found, scale)
    bare = " ".join(_AM.sub("", plain).split())
    return next((value for value, words in _PATTERNS[question].items() if words.fullmatch(bare)), None)


def _counted(found: re.Match[str], scale: Scale) -> int | None:
    """The number, if it is on the scale, and the scale is the one that was meant."""
    word = found["value"].lower()
    value = _VALUES[word] if word in _VALUES else int(word)
    is_meant = found["most"] is None or int(found["most"]) == scale.high
    return value if is_meant and value in scale.values else None
