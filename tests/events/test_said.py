"""What a letter's words say: that a program wrote it, that its author wants no more, an answer, a language.

`letters/*.txt` hold them, a line each: what is expected, then the words.
"""

from __future__ import annotations

import pytest

from outreach.core.vocabulary import Question
from outreach.events.answer_words import read_answer
from outreach.events.keywords import asks_to_stop, is_stop
from outreach.events.mail import inspect
from outreach.events.tongue import language_of
from tests.events.composed import FOLDER


def lines(name: str) -> list[list[str]]:
    """The columns of each line."""
    rows = (line for line in (FOLDER / name).read_text().splitlines() if not line.startswith("#"))
    return [[word.strip() for word in row.split("|")] for row in rows]


def kind_of(subject: str, text: str, headers: str = "") -> str:
    head = f"From: Ivan <ivan@firma.bg>\nSubject: {subject}\n{headers}Content-Type: text/plain; charset=utf-8\n\n"
    return str(inspect(f"{head}{text}\n".encode())["kind"])


def test_programs_that_answer_are_told_from_people_by_their_subject() -> None:
    wrong = [row for row in lines("automatic.txt") if kind_of(row[1], row[2]) != row[0]]
    assert wrong == []


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("auto_reply", "Auto-Submitted: auto-replied"),
        ("auto_reply", "Auto-Submitted: auto-replied (vacation)"),
        ("auto_reply", "Auto-Submitted: auto-generated"),
        ("auto_reply", 'Auto-Submitted: auto-notified; owner-email="ivan@firma.bg"'),
        ("auto_reply", "X-Autoreply: yes"),
        ("auto_reply", "X-Autorespond: News"),
        ("auto_reply", "Precedence: auto_reply"),
        ("auto_reply", "X-Auto-Response-Suppress: All"),
        ("auto_reply", "Return-Path: <>"),
        ("reply", "Auto-Submitted: no"),
        ("reply", "X-Autoreply: no"),
        ("reply", "X-FC-MachineGenerated: false"),
        ("reply", "X-Auto-Response-Suppress: DR, OOF, AutoReply"),
        ("reply", "In-Reply-To: <1@plovdiv.bg>\nPrecedence: bulk"),
        ("reply", "Return-Path: <ivan@firma.bg>"),
    ],
)
def test_a_header_tells_whether_a_program_wrote_it(kind: str, header: str) -> None:
    assert kind_of("Re: News", "I am out of the office on Monday.", f"{header}\n") == kind


def test_who_wants_no_more_is_told_from_who_wants_something_else() -> None:
    wrong = [row for row in lines("stops.txt") if is_stop(row[1].replace("/", "\n")) is not (row[0] == "stop")]
    assert wrong == []


@pytest.mark.parametrize(
    ("subject", "text", "expected"),
    [
        ("Unsubscribe", "", True),
        ("Отпишете ме", "Иван Петров", True),
        ("Unsubscribe", "Please do not unsubscribe me, it was a mistake.", False),
        ("Отписване", "Само от темата за паркиране, моля.", False),
        ("Отписване", "Как става това?", False),
        ("Re: News", "STOP", True),
        ("Re: News", "", False),
    ],
)
def test_a_subject_may_say_so_alone(subject: str, text: str, expected: bool) -> None:
    assert asks_to_stop(subject, text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Yes.\n\nOn 2 Nov 2026, at 10:00, Plovdiv <news@plovdiv.bg> wrote:\n\n> STOP\n> Unsubscribe",
        "Yes.\n\n-- \nUnsubscribe",
        "Да.\n\nОт: Община <news@plovdiv.bg>\nИзпратено: 2 ноември 2026 г. 10:00\nДо: Иван\nОтносно: N\n\nСтоп",
    ],
)
def test_a_quotation_or_a_signature_stops_nothing(text: str) -> None:
    found = inspect(f"From: ivan@firma.bg\nSubject: Re: News\n\n{text}\n".encode())["text"]
    assert (found.rstrip(".") in {"Yes", "Да"}, asks_to_stop("Re: News", found)) == (True, False)


def test_an_answer_in_words_is_a_number_of_the_scale_that_was_asked() -> None:
    wrong = []
    for name, value, words in lines("answers.txt"):
        question = Question(name)
        expected = None if value == "-" else (question, int(value))
        if read_answer(words.replace("//", "\n"), [question]) != expected:
            wrong.append((name, value, words))
    assert wrong == []


def test_the_language_of_few_words_is_told() -> None:
    wrong = [(*row, language_of(row[1])) for row in lines("tongues.txt") if language_of(row[1]) != row[0]]
    assert wrong == []
