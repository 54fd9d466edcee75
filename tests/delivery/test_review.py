from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from outreach.core import clock
from outreach.core.vocabulary import AccountState

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio


@pytest.fixture
def studio(db: None) -> Studio:
    from tests.campaigns.studio import Studio

    return Studio()


def found(studio: Studio, **changes: Any) -> set[tuple[str, str, str, str]]:
    """(section, severity, code, field) of every problem."""
    from outreach.delivery.review import review

    return {(p.section, p.severity, p.code, p.field) for p in review(studio.campaign(**changes)).problems}


def content(**changes: Any) -> dict[str, Any]:
    return {
        "channel": "email",
        "language": "bg",
        "format": "markdown",
        "subject": "Карта",
        "body": "Здравейте",
        **changes,
    }


def test_a_good_campaign_may_go_with_exact_numbers(studio: Studio) -> None:
    from outreach.delivery.review import Review, review

    studio.account()
    studio.account("social")
    for name in ("Анна", "Иван", "Мария"):
        studio.person(name)
    studio.person("Без адрес").addresses.all().delete()
    campaign = studio.campaign(
        channels={"order": ["email", "social"]},
        contents=[content(), content(channel="social", format="text", subject="", body="Вижте {{ service.url }}")],
    )
    assert review(campaign) == Review(
        recipients={"email": 3, "social": 1}, people=3, audience=4, skipped={"unreachable": 1}
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"audience": {"topics": []}}, ("audience", "error", "no_topics", "audience/topics")),
        (
            {"audience": {"topics": ["e-services"], "kinds": ["business"]}},
            ("audience", "error", "unreachable", "audience/topics"),
        ),
        ({"contents": []}, ("message", "error", "no_content", "channels/order/0")),
        ({"channels": {"order": []}}, ("message", "error", "no_channels", "channels/order")),
        ({"channels": {"order": []}}, ("message", "warning", "unused_content", "contents/0")),
        ({"contents": [content(subject="")]}, ("message", "error", "empty_subject", "contents/0/subject")),
        ({"contents": [content(body="")]}, ("message", "error", "no_text", "contents/0/body")),
        ({"contents": [content(body="{{ nmae }}")]}, ("message", "error", "unknown_variable", "contents/0/body")),
        ({"contents": [content(body="{% if %}")]}, ("message", "error", "broken_template", "contents/0/body")),
        ({"contents": [content(body="[a](b.bg/x)")]}, ("message", "error", "bad_link", "contents/0/body")),
        (
            {"contents": [content(body="{{ subscriber.attributes.city }}")]},
            ("message", "warning", "missing_attribute", "contents/0/body"),
        ),
        (
            {"contents": [content(body="[a]({{ survey_url }})")]},
            ("message", "error", "no_survey", "contents/0/body"),
        ),
        (
            {"services": [], "contents": [content(body="{{ ask.satisfied }}")]},
            ("message", "warning", "asks_of_nothing", "contents/0/body"),
        ),
        ({"contents": [content(language="en")]}, ("message", "error", "missing_language", "contents")),
        ({"services": []}, ("aim", "error", "no_service", "services")),
        ({"schedule": {"at": "2020-01-01T00:00:00+00:00"}}, ("when", "error", "past", "schedule/at")),
        ({"schedule": {"not_after": "2020-01-01T00:00:00+00:00"}}, ("when", "error", "over", "schedule/not_after")),
        ({"experiment": {"holdout": 0.1}}, ("holdout", "warning", "too_few", "experiment/holdout")),
    ],
)
def test_each_mistake_is_found_at_its_field(
    studio: Studio, changes: dict[str, Any], problem: tuple[str, str, str, str]
) -> None:
    from outreach.delivery.review import find_errors, review

    studio.account()
    studio.person()
    campaign = studio.campaign(**changes)
    problems = review(campaign).problems

    assert problem in {(p.section, p.severity, p.code, p.field) for p in problems}
    assert find_errors(campaign) == [problem for problem in problems if problem.severity == "error"]


def test_a_start_looks_for_the_first_person_that_can_be_reached(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from outreach.audience import selection
    from outreach.delivery.review import find_errors

    monkeypatch.setattr(selection, "_FIRST_LOOK", 1)
    studio.account()
    for number in range(12):
        studio.person(f"Без адрес {number}").addresses.all().delete()
    campaign = studio.campaign()
    before = [problem.code for problem in find_errors(campaign)]
    studio.person("Анна")

    assert (before, find_errors(campaign)) == (["unreachable"], [])


def test_people_whose_language_is_missing_are_counted(studio: Studio) -> None:
    from outreach.delivery.review import review

    studio.account()
    studio.person()
    for _ in range(2):
        studio.person("Ann", language="en")
    problem = next(p for p in review(studio.campaign()).problems if p.code == "missing_language")
    assert (problem.severity, problem.message) == (
        "warning",
        "E-mail has no text in English. People who read it: 2. They get the text in Български.",
    )


def test_people_who_lack_an_attribute_are_counted(studio: Studio) -> None:
    from outreach.delivery.review import review

    studio.account()
    studio.person(attributes={"city": "Пловдив"})
    studio.person()
    campaign = studio.campaign(contents=[content(body="{{ subscriber.attributes.city }}")])
    problem = next(p for p in review(campaign).problems if p.code == "missing_attribute")
    assert (problem.message, problem.remedy) == (
        "People who have no “city”, so that it stays empty in their message: 1.",
        "Write what they should read instead: {{ subscriber.attributes.city|default('…') }}.",
    )


def test_an_account_is_needed(studio: Studio) -> None:
    studio.person()
    assert ("senders", "error", "no_account", "channels/order/0") in found(studio)


def test_a_paused_account_and_one_without_credentials_are_named(studio: Studio) -> None:
    studio.person()
    account = studio.account(sealed=b"", state=AccountState.PAUSED)
    assert {
        ("senders", "error", "account_paused", f"accounts/{account.pk}"),
        ("senders", "error", "no_credentials", f"accounts/{account.pk}"),
    } <= found(studio)


@pytest.mark.parametrize(
    ("channel", "body", "problem"),
    [
        ("social", "ж" * 281, {("message", "error", "too_long", "contents/0/body")}),
        ("social", "ж" * 250 + " https://a.bg/" + "x" * 200, set()),
        ("sms", "ж" * 71, {("message", "warning", "many_segments", "contents/0/body")}),
        ("sms", "ж" * 700, {("message", "error", "too_long", "contents/0/body")}),
        ("sms", "ж" * 70, set()),
    ],
)
def test_lengths_are_measured_on_the_rendered_text(
    studio: Studio, channel: str, body: str, problem: set[tuple[str, str, str, str]]
) -> None:
    studio.account(channel)
    studio.person(channel="sms")
    changes = {
        "channels": {"order": [channel]},
        "contents": [content(channel=channel, format="text", subject="", body=body)],
    }
    assert found(studio, **changes) == problem


def test_a_review_changes_nothing_and_asks_few_queries(studio: Studio, django_assert_max_num_queries: Any) -> None:
    from outreach.delivery.review import review

    studio.account()
    for _ in range(5):
        studio.person()
    campaign = studio.campaign(schedule={"at": (clock.now() + timedelta(hours=1)).isoformat()})
    with django_assert_max_num_queries(16):
        assert review(campaign).may_go
