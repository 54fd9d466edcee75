from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from outreach.core import clock
from outreach.core.errors import ApprovalRequired, Forbidden, Invalid, ReviewFailed, StateConflict
from outreach.core.vocabulary import ApprovalPolicy, CampaignState

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio


@pytest.fixture
def studio(db: None) -> Studio:
    return ready()


def ready(**options: Any) -> Studio:
    from tests.campaigns.studio import Studio

    studio = Studio(**options)
    studio.account()
    studio.person()
    return studio


def test_a_draft_starts_after_its_review(studio: Studio) -> None:
    from outreach.delivery.launch import start

    campaign = studio.campaign()
    run = start(studio.publisher, campaign)
    campaign.refresh_from_db()
    assert (run.state, campaign.state, run.kind, run.started_by) == (
        "running",
        "running",
        "campaign",
        studio.publisher.user,
    )
    with pytest.raises(StateConflict):
        start(studio.publisher, campaign)


def test_a_failed_review_stops_everything_and_says_why(studio: Studio) -> None:
    from outreach.delivery.launch import schedule, start

    campaign = studio.campaign(audience={"topics": []})
    for attempt in (
        lambda: start(studio.publisher, campaign),
        lambda: schedule(studio.publisher, campaign, at=clock.now() + timedelta(hours=1)),
    ):
        with pytest.raises(ReviewFailed) as caught:
            attempt()
        assert [problem["code"] for problem in caught.value.facts["problems"]] == ["no_topics"]
    campaign.refresh_from_db()
    assert (campaign.state, campaign.starts_at, campaign.runs.count()) == ("draft", None, 0)


def test_four_eyes_are_asked_for(db: None) -> None:
    from outreach.campaigns.approval import approve, submit
    from outreach.delivery.launch import start

    studio = ready(approval=ApprovalPolicy.FOUR_EYES)
    campaign = studio.campaign()
    with pytest.raises(ApprovalRequired) as caught:
        start(studio.publisher, campaign)
    assert caught.value.code == "approval_required"
    submit(studio.author, campaign)
    approve(studio.approver, campaign)
    assert start(studio.publisher, campaign).state == "running"


def test_an_author_may_not_start(studio: Studio) -> None:
    from outreach.delivery.launch import start

    with pytest.raises(Forbidden):
        start(studio.author, studio.campaign())


@pytest.mark.parametrize(
    ("at", "timezone", "expected"),
    [
        ("2030-04-14T09:30:00+03:00", None, "2030-04-14T06:30:00+00:00"),
        ("2030-04-14T09:30", "Europe/Sofia", "2030-04-14T06:30:00+00:00"),
        ("2030-03-31T03:30", "Europe/Sofia", "2030-03-31T01:30:00+00:00"),
    ],
)
def test_a_campaign_is_scheduled_for_a_moment(studio: Studio, at: str, timezone: str | None, expected: str) -> None:
    from outreach.delivery.launch import schedule, unschedule

    campaign = studio.campaign()
    schedule(studio.publisher, campaign, at=at, timezone=timezone)
    campaign.refresh_from_db()
    assert campaign.starts_at is not None
    assert (campaign.state, campaign.starts_at.isoformat()) == ("scheduled", expected)
    assert unschedule(studio.publisher, campaign).state == "draft"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "at"),
        ({"at": "soon"}, "at"),
        ({"at": "2030-04-14T09:30"}, "at"),
        ({"at": "2030-04-14T09:30", "timezone": "Mars/Base"}, "timezone"),
    ],
)
def test_a_bad_time_is_named(studio: Studio, arguments: dict[str, Any], field: str) -> None:
    from outreach.delivery.launch import schedule

    with pytest.raises(Invalid) as caught:
        schedule(studio.publisher, studio.campaign(), **arguments)
    assert list(caught.value.facts["fields"]) == [field]


def test_a_time_in_the_past_is_refused(studio: Studio) -> None:
    from outreach.delivery.launch import schedule

    with pytest.raises(ReviewFailed) as caught:
        schedule(studio.publisher, studio.campaign(), at=clock.now() - timedelta(minutes=1))
    assert [(p["code"], p["field"]) for p in caught.value.facts["problems"]] == [("past", "schedule/at")]


def test_a_scheduled_campaign_is_cancelled_at_once(studio: Studio) -> None:
    from outreach.delivery.launch import cancel, schedule

    campaign = studio.campaign()
    schedule(studio.publisher, campaign, at=clock.now() + timedelta(hours=1))
    assert cancel(studio.publisher, campaign).state == "cancelled"


@pytest.mark.django_db(transaction=True)
def test_a_running_campaign_is_paused_resumed_and_cancelled(published: list[Any]) -> None:
    from outreach.delivery.launch import cancel, pause, resume, start

    studio = ready()
    campaign = studio.campaign()
    run = start(studio.publisher, campaign)
    states = []
    for verb in (pause, resume, cancel):
        verb(studio.publisher, campaign)
        run.refresh_from_db()
        states.append((campaign.state, run.state))
    assert states == [("paused", "paused"), ("running", "running"), ("cancelled", "cancelled")]


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_a_draft_is_not_steered(studio: Studio, verb: str) -> None:
    from outreach.delivery import launch

    with pytest.raises(StateConflict):
        getattr(launch, verb)(studio.publisher, studio.campaign())


def test_a_test_goes_to_named_addresses_without_approval(db: None) -> None:
    from outreach.delivery.launch import send_test

    studio = ready(approval=ApprovalPolicy.FOUR_EYES)
    campaign = studio.campaign(audience={"topics": []}, schedule={"at": "2020-01-01T00:00:00+00:00"})
    run = send_test(studio.author, campaign, to=[{"channel": "email", "value": " Me@Example.BG "}], language="bg")
    campaign.refresh_from_db()
    assert (run.kind, campaign.state) == ("test", CampaignState.DRAFT)
    assert run.frozen["recipients"] == [
        {"channel": "email", "value": "me@example.bg", "language": "bg", "subscriber": None}
    ]


@pytest.mark.parametrize(
    ("to", "field"),
    [
        ([], "to"),
        ([{"channel": "email", "value": "nobody"}], "to/0/value"),
        ([{"channel": "sms", "value": "+359888123456"}], "to/0/channel"),
        ([{"channel": "social", "value": ""}], "to/0/channel"),
    ],
)
def test_a_bad_test_recipient_is_named(studio: Studio, to: list[dict[str, str]], field: str) -> None:
    from outreach.delivery.launch import send_test

    with pytest.raises(Invalid) as caught:
        send_test(studio.author, studio.campaign(), to=to)
    assert list(caught.value.facts["fields"]) == [field]


def test_a_broken_text_cannot_be_tested(studio: Studio) -> None:
    from outreach.delivery.launch import send_test

    campaign = studio.campaign(
        contents=[{"channel": "email", "language": "bg", "subject": "Карта", "body": "{{ nmae }}"}]
    )
    with pytest.raises(ReviewFailed):
        send_test(studio.author, campaign, to=[{"channel": "email", "value": "me@example.bg"}])
