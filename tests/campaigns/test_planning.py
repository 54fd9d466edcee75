from __future__ import annotations

from datetime import timedelta

import pytest

from outreach.campaigns import planning
from outreach.campaigns.models import Campaign, Run
from outreach.campaigns.planning import NoAccount, create_run, freeze, plan_due
from outreach.core import clock
from outreach.core.models import Alert, Organisation
from outreach.core.vocabulary import CampaignState, RunKind
from tests.campaigns.studio import BODY, Studio


def scheduled(studio: Studio, *, minutes_ago: float) -> Campaign:
    campaign = studio.campaign()
    campaign.state = CampaignState.SCHEDULED
    campaign.starts_at = clock.now() - timedelta(minutes=minutes_ago)
    campaign.save()
    return campaign


def test_freeze_holds_everything_that_sending_needs(studio: Studio) -> None:
    account = studio.account()
    campaign = studio.campaign(channels={"mode": "preferred", "order": ["email"]}, tracking="none")
    assert freeze(campaign) == {
        "campaign": {"id": campaign.pk, "name": "Карта", "goal": "uses"},
        "organisation": {
            "id": studio.town.pk,
            "slug": "town",
            "name": {"bg": "Община", "en": "Town"},
            "timezone": "Europe/Sofia",
        },
        "topics": [studio.topic.pk],
        "topic_names": {str(studio.topic.pk): {"bg": "е-Услуги", "en": "e-Services"}},
        "topic_slugs": {str(studio.topic.pk): "e-services"},
        "excluded_topics": [],
        "kinds": [],
        "mode": "preferred",
        "channels": ["email"],
        "accounts": {"email": account.pk},
        "senders": {
            str(account.pk): {
                "adapter": "sendgrid",
                "sender": "Новини <news@example.bg>",
                "reply_address": "",
                "delivery_header": True,
                "hook_key": account.hook_key,
            }
        },
        "contents": [
            {
                "channel": "email",
                "language": "bg",
                "variant": "",
                "format": "markdown",
                "subject": "Карта",
                "body": BODY,
                "account": account.pk,
            }
        ],
        "fallback": {"after": None},
        "fallback_language": "bg",
        "tracking": "none",
        "holdout": 0.0,
        "attribution_days": 30,
        "services": [
            {
                "slug": "card",
                "name": {"bg": "Карта", "en": "Card"},
                "url": "https://card.example.bg/?a=1&b=2",
                "steps": {"bg": "Влезте", "en": "Log in"},
            }
        ],
    }


def test_a_due_campaign_becomes_one_run(studio: Studio) -> None:
    studio.account()
    campaign = scheduled(studio, minutes_ago=1)
    assert (plan_due(), plan_due()) == (1, 0)
    run = Run.objects.get()
    campaign.refresh_from_db()
    assert (run.campaign, run.occurrence, run.state, campaign.state) == (
        campaign,
        campaign.starts_at,
        CampaignState.RUNNING,
        CampaignState.RUNNING,
    )
    assert run.system_identifier
    assert run.timeline > 0


def test_what_is_not_due_is_left_alone(studio: Studio) -> None:
    studio.account()
    scheduled(studio, minutes_ago=-5)
    assert plan_due() == 0


def test_a_campaign_long_past_its_time_is_held_and_asks(studio: Studio) -> None:
    studio.account()
    campaign = scheduled(studio, minutes_ago=120)
    plan_due()
    campaign.refresh_from_db()
    run = Run.objects.get()
    assert (run.state, run.trouble["code"], campaign.state) == (
        CampaignState.HELD,
        "past_grace",
        CampaignState.HELD,
    )
    assert Alert.objects.get().code == "run_held"


def test_a_campaign_without_an_account_waits_and_says_so(studio: Studio) -> None:
    campaign = scheduled(studio, minutes_ago=1)
    assert plan_due() == 0
    campaign.refresh_from_db()
    alert = Alert.objects.get()
    assert (campaign.state, alert.code, alert.facts["channels"]) == ("scheduled", "campaign_not_started", ["email"])
    studio.account()
    assert plan_due() == 1
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_the_same_occurrence_gives_the_same_run(studio: Studio) -> None:
    studio.account()
    campaign = scheduled(studio, minutes_ago=1)
    at = clock.now()
    first = create_run(campaign, occurrence=at, actor=studio.publisher)
    assert create_run(campaign, occurrence=at, actor=studio.publisher) == first


def test_fan_out_is_asked_for_when_the_run_is_committed(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(planning, "enqueue", lambda *args: asked.append(args))
    studio.account()
    run = create_run(studio.campaign(), occurrence=clock.now(), actor=studio.publisher)
    assert asked == [("outreach.fan_out", run.pk)]


def test_a_test_run_needs_only_its_own_channels_and_leaves_the_campaign(studio: Studio) -> None:
    studio.account()
    campaign = studio.campaign(
        channels={"order": ["email", "sms"]},
        contents=[
            {"channel": "email", "language": "bg", "subject": "Карта", "body": "x"},
            {"channel": "sms", "language": "bg", "body": "x"},
        ],
    )
    recipients = [{"channel": "email", "value": "me@example.bg", "language": "bg", "subscriber": None}]
    run = create_run(campaign, occurrence=clock.now(), actor=studio.author, kind=RunKind.TEST, recipients=recipients)
    campaign.refresh_from_db()
    assert (run.frozen["channels"], run.frozen["recipients"], run.frozen["tracking"], campaign.state) == (
        ["email"],
        recipients,
        "none",
        "draft",
    )
    with pytest.raises(NoAccount):
        freeze(campaign)


def test_the_nearest_default_account_is_taken(studio: Studio) -> None:
    elsewhere = Organisation.objects.create(slug="elsewhere", parent=studio.council)
    studio.account(organisation=elsewhere, name="foreign")
    above = studio.account(name="above")
    campaign = studio.campaign()
    assert freeze(campaign)["accounts"] == {"email": above.pk}
    own = studio.account(organisation=studio.town, name="own", is_default=False)
    assert freeze(campaign)["accounts"] == {"email": own.pk}
    default = studio.account(organisation=studio.town, name="own default")
    assert freeze(campaign)["accounts"] == {"email": default.pk}
