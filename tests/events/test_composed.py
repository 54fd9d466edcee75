"""Mail that nobody has seen: what its author wrote is found, whatever program quoted, signed and encoded it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest

from outreach.events.mail import inspect
from tests.events.composed import (
    Composed,
    html_replies,
    letters,
    plain_replies,
    replies_in_both,
    signed_replies,
)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _exactly(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("replies", "seen_as"),
    [
        (plain_replies, _exactly),
        (signed_replies, _exactly),
        (replies_in_both, _exactly),
        (html_replies, _squeezed),
    ],
)
def test_what_its_author_wrote_is_found(
    replies: Callable[[], Iterable[Composed]], seen_as: Callable[[str], str]
) -> None:
    wrong = []
    for each in replies():
        found = inspect(each.content)
        if (found["kind"], seen_as(found["text"])) != ("reply", seen_as(each.own)):
            wrong.append((each.name, found["kind"], found["text"][:200], each.own))
    assert wrong == []


@pytest.mark.parametrize("letter", [pytest.param(row[-1], id=row[0]) for row in letters("tricky.txt")])
def test_what_looks_like_a_quotation_is_told_from_one(letter: str) -> None:
    own, _, whole = letter.partition("\n=======\n")
    found = inspect(
        b"From: ivan@firma.bg\nSubject: Re: News\nContent-Type: text/plain; charset=utf-8\n\n" + whole.encode()
    )
    assert (found["kind"], found["text"]) == ("reply", own)
