"""Answers over the API: listed, summed, a stranger's unseen."""

from __future__ import annotations

import pytest

from outreach.campaigns.models import Campaign, NoticeTemplate, Run, Service
from outreach.core import clock
from outreach.core.models import Organisation
from outreach.delivery.models import Notice
from outreach.events.feedback import Feedback, SurveyResponse

from .caller import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def answers(ministry: Organisation) -> tuple[Campaign, Service]:
    campaign = Campaign.objects.create(organisation=ministry, name="Карта", channels=["email"])
    service = Service.objects.create(organisation=ministry, slug="card", name={"bg": "Карта"}, url="https://c.example")
    facts = {"organisation": ministry, "campaign": campaign, "service": service, "channel": "email", "source": "page"}
    rows = (("satisfied", 5, ""), ("satisfied", 2, "Бавно"), ("recommends", 9, ""), ("words", None, "Благодаря"))
    for question, value, text in rows:
        Feedback.objects.create(question=question, value=value, text=text, at=clock.now(), language="bg", **facts)
    return campaign, service


def test_answers_are_listed_by_campaign_service_and_question(
    api: Api, stranger: Api, answers: tuple[Campaign, Service]
) -> None:
    campaign, service = answers
    _, found = api.call("GET", f"/feedback?campaign={campaign.pk}&service={service.pk}&question=satisfied&limit=1")
    first = found["items"][0]
    assert {key: first[key] for key in ("question", "value", "text", "campaign", "service", "subscriber")} == {
        "question": "satisfied",
        "value": 2,
        "text": "Бавно",
        "campaign": str(campaign.pk),
        "service": "card",
        "subscriber": None,
    }
    _, rest = api.call("GET", f"/feedback?question=satisfied&cursor={found['next_cursor']}")
    assert ([row["value"] for row in rest["items"]], rest["next_cursor"]) == ([5], None)
    assert stranger.call("GET", "/feedback")[1]["items"] == []
    assert stranger.call("GET", f"/feedback?campaign={campaign.pk}")[0] == 404
    assert stranger.call("GET", f"/services/{service.pk}/feedback")[0] == 404


def test_answers_to_the_notices_of_a_template_are_listed(
    api: Api, stranger: Api, ministry: Organisation, answers: tuple[Campaign, Service]
) -> None:
    permit, other = (
        NoticeTemplate.objects.create(organisation=ministry, slug=slug, name=slug, lawful_basis="public_task")
        for slug in ("permit", "other")
    )
    for template, value in ((permit, 4), (other, 1)):
        run = Run.objects.create(
            organisation=ministry, kind="notice", occurrence=clock.now(), as_of=clock.now(), salt=b"", frozen={}
        )
        Notice.objects.create(
            organisation=ministry, run=run, delivery=1, template=template, channel="email", digest=b"",
            created_at=clock.now(),
        )  # fmt: skip
        Feedback.objects.create(
            organisation=ministry, run=run, question="satisfied", value=value, channel="email", at=clock.now()
        )
    path = f"/feedback?template={permit.pk}"
    assert [row["value"] for row in api.get(path)[1]["items"]] == [4]
    assert api.get(f"{path}&campaign={answers[0].pk}")[1]["items"] == []
    assert stranger.get(path)[0] == 404


def test_a_service_and_a_report_tell_how_answers_are_spread(api: Api, answers: tuple[Campaign, Service]) -> None:
    campaign, service = answers
    status, found = api.call("GET", f"/services/{service.pk}/feedback")
    assert (status, found["service"]) == (200, "card")
    assert [(one["question"], one["answered"], one["good"], one["poor"]) for one in found["questions"]] == [
        ("satisfied", 2, 1, 1),
        ("recommends", 1, 1, 0),
    ]
    assert api.call("GET", f"/campaigns/{campaign.pk}/report")[1]["feedback"] == found["questions"]


def test_a_survey_is_made_read_changed_and_its_answers_listed(
    api: Api, stranger: Api, answers: tuple[Campaign, Service]
) -> None:
    service = answers[1]
    question = {"kind": "choice", "text": {"bg": "Откъде?"}, "options": [{"bg": "Писмо"}, {"bg": "Познат"}]}
    body = {"service": str(service.pk), "title": {"bg": "Анкета"}, "questions": [question]}
    status, made = api.call("POST", "/surveys", body)
    assert (status, made["questions"], made["is_open"]) == (201, [question], True)
    SurveyResponse.objects.create(survey_id=int(made["id"]), answers={"0": 1}, channel="email", at=clock.now())
    path = f"/surveys/{made['id']}"
    options = api.call("GET", path)[1]["results"][0]["options"]
    assert [(one["text"], one["count"]) for one in options] == [({"bg": "Писмо"}, 0), ({"bg": "Познат"}, 1)]
    assert [row["answers"] for row in api.call("GET", f"{path}/responses")[1]["items"]] == [{"0": 1}]
    assert api.call("PATCH", path, {"is_open": False})[1]["is_open"] is False
    assert api.call("POST", "/surveys", {**body, "questions": []})[0] == 422
    assert stranger.call("POST", "/surveys", body)[0] == 422
    unseen = [("GET", path), ("PATCH", path), ("GET", f"{path}/responses")]
    assert [stranger.call(verb, where, {})[0] for verb, where in unseen] == [404, 404, 404]
