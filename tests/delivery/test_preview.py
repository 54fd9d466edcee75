from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio


@pytest.fixture
def studio(db: None) -> Studio:
    from tests.campaigns.studio import Studio

    return Studio()


def test_a_preview_is_what_the_person_will_get(studio: Studio) -> None:
    from outreach.delivery.preview import preview

    studio.account()
    anna = studio.person("Анна")
    campaign = studio.campaign(
        channels={"order": ["email", "sms"]},
        contents=[
            {"channel": "email", "language": "bg", "subject": "За {{ subscriber.name }}", "body": "Здравейте"},
            {"channel": "sms", "language": "bg", "body": "{{ subscriber.name }}, здравейте"},
        ],
    )
    shown = preview(campaign, anna)
    assert (shown["email"]["subject"], shown["email"]["to"], shown["email"]["problems"]) == (
        "За Анна",
        f"p{anna.pk}@example.org",
        [],
    )
    assert "Subject: " in shown["email"]["raw"]
    assert shown["sms"] == {
        "language": "bg",
        "to": "",
        "subject": "",
        "html": "",
        "text": "Анна, здравейте",
        "raw": "Анна, здравейте",
        "length": 15,
        "segments": 1,
        "problems": [],
    }


def test_a_preview_needs_no_person_and_no_account(studio: Studio) -> None:
    from outreach.delivery.preview import preview

    shown = preview(studio.campaign(), None)
    assert shown["email"]["text"].startswith("Здравейте, \n\nНовата услуга: вижте я (http://outreach.test/c/")


def test_a_broken_text_shows_its_problem(studio: Studio) -> None:
    from outreach.delivery.preview import preview

    campaign = studio.campaign(contents=[{"channel": "email", "language": "bg", "subject": "x", "body": "{{ nmae }}"}])
    shown = preview(campaign, None)["email"]
    assert (shown["html"], [problem["line"] for problem in shown["problems"]]) == ("", [1])
