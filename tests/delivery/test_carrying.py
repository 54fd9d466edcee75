"""What a channel cannot carry is refused at review, with the reason and the number of recipients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from channels.base import Capabilities
from outreach.delivery.carrying import Carrier, Readers, find_refusals
from tests.delivery.letter import compiled
from tests.delivery.mails import CALENDAR, KEY

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio

EVERYTHING = {"calendar": CALENDAR, "written": "2026-11-27T08:00:00+00:00"}


@pytest.fixture
def studio(db: None) -> Studio:
    from tests.campaigns.studio import Studio

    return Studio()


def refused(studio: Studio, **changes: Any) -> list[tuple[str, str, str]]:
    """(severity, field, message) of what the review says of a campaign's contents."""
    from outreach.delivery.review import find_errors, review

    campaign = studio.campaign(**changes)
    problems = review(campaign).problems
    errors = {problem.message for problem in find_errors(campaign)}
    found = [(p.severity, p.field, p.message) for p in problems if p.code in {"too_long", "too_large", "unsupported"}]
    assert errors == {problem.message for problem in problems if problem.severity == "error"}
    return found


def sms(body: str, **changes: Any) -> dict[str, Any]:
    content = {"channel": "sms", "language": "bg", "format": "text", "body": body, **changes}
    return {"channels": {"order": ["sms"]}, "contents": [content]}


def test_an_sms_that_is_too_long_for_some_is_refused_with_their_number(studio: Studio) -> None:
    studio.account("sms")
    for city in ("Рила", "Нови пазар", "Белоградчик"):
        studio.person(channel="sms", attributes={"city": city})
    studio.person("Ann", language="en", channel="sms", attributes={"city": "Veliko Tarnovo"})
    body = "ж" * 664 + "{{ subscriber.attributes.city }}"
    english = {"channel": "sms", "language": "en", "format": "text", "body": "{{ subscriber.attributes.city }}"}
    changes = sms(body)
    assert refused(studio, **changes) == [
        (
            "error",
            "contents/0/body",
            "The SMS has up to 11 parts; networks take at most 10. Messages that are too long: 3.",
        )
    ]
    changes["contents"].append(english)
    assert [message.rpartition(": ")[2] for _s, _f, message in refused(studio, **changes)] == ["2."]


def test_an_sms_that_fits_everybody_is_not_refused(studio: Studio) -> None:
    studio.account("sms")
    studio.person("ж" * 100, channel="sms")
    assert refused(studio, **sms("ж" * 500 + "{{ subscriber.name }}")) == []


def test_a_post_longer_than_its_account_takes_is_refused(studio: Studio) -> None:
    studio.account("social", name="Our X")
    post = {"channel": "social", "language": "bg", "format": "text", "body": "ж" * 281}
    assert refused(studio, channels={"order": ["social"]}, contents=[post]) == [
        (
            "error",
            "contents/0/body",
            "“Our X” takes at most 280 characters. Messages that are longer: 1; the longest has 281.",
        )
    ]


def test_an_e_mail_that_gmail_would_cut_is_warned_of_with_its_size(studio: Studio) -> None:
    studio.account()
    studio.person()
    ((severity, field, message),) = refused(studio, contents=[{**studio.data()["contents"][0], "body": "ж" * 60_000}])
    assert (severity, field) == ("warning", "contents/0/body")
    assert message.startswith("The e-mail has 123 kB of HTML. Gmail cuts it after 102 kB")


def refusals(content: Any, can: Capabilities, *, count: int = 7, pictures: Any = None) -> list[tuple[str, str, str]]:
    readers = Readers(count=lambda: count, people=lambda: pytest.fail("nobody is looked at"), render=lambda _: ("", ""))
    found = find_refusals(content, Carrier(name="Mail", can=can), readers, pictures or {})
    return [(finding.severity, finding.field, finding.message) for finding in found]


def plain(**can: Any) -> Capabilities:
    return Capabilities(window=1, unknown_policy="resend", **can)


def content_with(**extras: Any) -> Any:
    from tests.delivery.letter import frozen

    plan = frozen()
    plan["contents"][0].update(extras)
    return compiled(contents=plan["contents"], pictures={KEY: {}}).contents()[0]


@pytest.mark.parametrize(
    ("extras", "can", "expected"),
    [
        ({}, {"html": True, "subject": True}, []),
        (EVERYTHING, {"html": True, "subject": True, "files": True}, []),
        (
            EVERYTHING,
            {"html": True, "subject": True},
            [("calendar", "an entry for the calendar or pictures within the e-mail")],
        ),
        (
            {"pictures": "attached"},
            {"html": True, "subject": True},
            [("pictures", "an entry for the calendar or pictures within the e-mail")],
        ),
        ({}, {}, [("body", "HTML"), ("subject", "a subject")]),
    ],
)
def test_what_an_adapter_does_not_carry_is_refused(
    extras: dict[str, Any], can: dict[str, bool], expected: list[tuple[str, str]]
) -> None:
    assert refusals(content_with(**extras), plain(**can)) == [
        ("error", field, f"“Mail” cannot carry {what}. Messages that it would refuse: 7.") for field, what in expected
    ]


def test_pictures_that_would_make_every_copy_large_are_refused() -> None:
    able = plain(html=True, subject=True, files=True)
    pictures = {KEY: {"data": "a" * 800_000}}
    assert refusals(content_with(pictures="attached"), able, pictures=pictures) == [
        (
            "error",
            "pictures",
            "Pictures within the e-mail take 600 kB; at most 500 kB are sent to everybody.",
        )
    ]


def test_every_adapter_of_e_mail_carries_what_an_e_mail_may_have() -> None:
    """What our own e-mails need is carried by each adapter of e-mail."""
    from outreach.delivery.adapters import adapter_names, describe

    able = {name: describe(name).capabilities for name in adapter_names() if describe(name).channel == "email"}
    assert {name for name, can in able.items() if not (can.html and can.subject and can.files)} == set()
    assert {"smtp", "sendgrid", "postmark"} <= set(able)
