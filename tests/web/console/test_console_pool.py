"""An account's page says how its channel is shared now, what its trouble is and since when, and offers a test."""

from __future__ import annotations

import html

import pytest

from outreach.core import clock
from outreach.core.models import Account
from tests.web.console.conftest import Person


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            ("How it stands", "100% of the messages now, weight 1", "It is paused. no credit", "Send yourself a test"),
        ),
        ("bg", ("Как стои", "от съобщенията сега, тежест 1", "На пауза е. no credit", "Изпратете си проба")),
    ],
)
def test_a_shared_channel_and_a_trouble_are_told(alice: Person, language: str, expected: tuple[str, ...]) -> None:
    values = {"organisation": alice.organisation, "adapter": "smtp", "channel": "email"}
    Account.objects.create(name="well", hook_key="a", **values)
    ill = Account.objects.create(
        name="ill", hook_key="b", state="paused", trouble="no credit", trouble_since=clock.now(), share=0.1, **values
    )
    alice.user.language = language
    alice.user.save()

    page = html.unescape(alice.see(f"/accounts/{ill.pk}")).replace("\xa0", " ").replace("100 %", "100%")

    assert [text for text in expected if text not in page] == []
