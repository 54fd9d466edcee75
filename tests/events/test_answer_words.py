from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.core.vocabulary import Language, Question
from outreach.delivery.questions import SCALES, word_steps
from outreach.events.answer_words import read_answer

SATISFIED, RECOMMENDS = Question.SATISFIED, Question.RECOMMENDS


@given(st.sampled_from([SATISFIED, RECOMMENDS]), st.integers(0, 200), st.sampled_from(["{}", " {}. ", "{}!", "({})"]))
def test_a_number_answers_if_it_is_on_the_scale(question: Question, number: int, form: str) -> None:
    expected = (question, number) if number in SCALES[question].values else None
    assert read_answer(form.format(number), [question]) == expected


@given(st.sampled_from([SATISFIED, RECOMMENDS]), st.sampled_from(Language.values))
def test_the_words_of_the_scale_are_read_back(question: Question, language: str) -> None:
    steps = {value: meaning for value, meaning in word_steps(question, language).items() if meaning}
    assert {value: read_answer(meaning, [question]) for value, meaning in steps.items()} == {
        value: (question, value) for value in steps
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("Много доволна!", 5), ("доволни", 4), ("Недоволен.", 2), ("very satisfied", 5), ("mnogo", 5), ("Да", 4)],
)
def test_people_use_words_of_their_own(text: str, value: int) -> None:
    assert read_answer(text, [SATISFIED]) == (SATISFIED, value)


@pytest.mark.parametrize("text", ["", "5 дни чакам", "4 или 5", "да, но кога", "11", "по-скоро", "1000000", "٣"])
def test_who_says_more_or_something_else_answers_nothing(text: str) -> None:
    assert read_answer(text, [SATISFIED]) is None


def test_of_two_questions_the_first_that_fits_is_answered() -> None:
    assert read_answer("4", [SATISFIED, RECOMMENDS]) == (SATISFIED, 4)
    assert read_answer("8", [SATISFIED, RECOMMENDS]) == (RECOMMENDS, 8)
    assert read_answer("8", [Question.WORDS]) is None
