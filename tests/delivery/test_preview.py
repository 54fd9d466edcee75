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
        "encoding": "ucs2",
        "left": 55,
        "latin": None,
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


def test_a_long_sms_shows_what_latin_letters_would_make_of_it(studio: Studio) -> None:
    from outreach.delivery.preview import preview

    body = "Здравейте! Можете да подадете данъчната си декларация по интернет до 30 април."
    contents = [{"channel": "sms", "language": "bg", "body": body}]
    shown = preview(studio.campaign(channels={"order": ["sms"]}, contents=contents), None)["sms"]
    assert {name: shown[name] for name in ("length", "segments", "encoding", "left", "latin")} == {
        "length": 78,
        "segments": 2,
        "encoding": "ucs2",
        "left": 56,
        "latin": {"length": 81, "segments": 1, "encoding": "gsm7", "left": 79},
    }
