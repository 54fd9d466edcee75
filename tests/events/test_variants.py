"""The same letter in another dress is taken for the same: by another road, in another encoding, to other people."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from outreach.events.mail import inspect
from tests.events.composed import letters
from tests.events.variants import VARIANTS

RETURNED = {row[0]: row[-1].encode() for row in letters("returned.txt")}
OTHERS = {row[0]: row[-1].encode() for row in letters("not_returned.txt")}
#: What gets lost on the way: JSON that begins the letter, spaces that begin a line, borders within a border.
LOST = {
    ("sns-json", "with_a_banner"), ("sns-delivered", "with_a_banner"), ("sns-json-full", "with_a_banner"),
    ("names-below-each-other", "as_html"), ("border-lost", "in_a_wrapper"), ("no-border-promised", "in_a_wrapper"),
}  # fmt: skip
#: People who are called like what servers say, and like servers.
NAMES = (
    "spam.filter",
    "mailbox.full",
    "no-such-user",
    "unknown",
    "policy",
    "virus",
    "o'neil",
    "blocked+news",
    "because",
)


@cache
def answer(letter: bytes) -> dict[str, Any]:
    return {name: found for name, found in inspect(letter).items() if name != "text"}


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_what_is_returned_is_read_the_same_in_whatever_dress(change: Callable[[bytes], bytes]) -> None:
    wrong = [
        (name, answer(letter), found)
        for name, letter in RETURNED.items()
        if (found := answer(change(letter))) != answer(letter) and (name, change.__name__) not in LOST
    ]
    assert wrong == []


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_what_is_not_returned_stays_so_in_whatever_dress(change: Callable[[bytes], bytes]) -> None:
    wrong = [
        (name, answer(letter)["kind"], found)
        for name, letter in OTHERS.items()
        if (found := answer(change(letter))["kind"]) != answer(letter)["kind"] and (name, change.__name__) not in LOST
    ]
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_what_somebody_is_called_changes_nothing(name: str) -> None:
    wrong = []
    for which, letter in RETURNED.items():
        before = answer(letter)
        renamed, expected = letter, []
        for number, address in enumerate(before["recipients"]):
            other = f"{name}{number or ''}@{address.partition('@')[2]}"
            pattern = rb"(?i)(?<![\w.+-])" + re.escape(address.encode())
            renamed = re.sub(pattern, other.encode(), renamed)
            expected.append(other)
        if answer(renamed) != {**before, "recipients": expected} and renamed != letter:
            wrong.append((which, before, answer(renamed)))
    assert wrong == []
