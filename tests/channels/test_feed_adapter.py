from __future__ import annotations

import pytest

from channels.base import Account, Message, Outcome, OutcomeKind, Problem
from channels.feed import Feed


def test_entry_is_accepted_under_its_own_id() -> None:
    entries = [Message(id=f"e{n}", to="", subject="Новина", text="Текст") for n in range(2)]
    with Feed().open(Account(id="f", adapter="feed", name="News")) as session:
        assert list(session.send(entries)) == [
            Outcome(id="e0", kind=OutcomeKind.ACCEPTED, provider_id="e0"),
            Outcome(id="e1", kind=OutcomeKind.ACCEPTED, provider_id="e1"),
        ]


@pytest.mark.parametrize("site", ["", "https://example.org/"])
def test_check_takes_a_web_address_or_none(site: str) -> None:
    assert Feed().check(Account(id="f", adapter="feed", name="News", settings={"site": site})) == []


def test_check_refuses_a_site_that_is_no_web_address() -> None:
    assert Feed().check(Account(id="f", adapter="feed", name="News", settings={"site": "javascript:alert(1)"})) == [
        Problem(
            severity="error",
            code="invalid_url",
            message="The address of the site is not a web address.",
            remedy="Write it with https:// in front, such as https://example.org/.",
            field="site",
        )
    ]
