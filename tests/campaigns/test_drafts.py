from __future__ import annotations

from typing import Any

import pytest

from outreach.campaigns.drafts import (
    archive_campaign,
    change_campaign,
    clone_campaign,
    create_campaign,
    digest,
    remove_content,
    save_content,
)
from outreach.core.errors import Forbidden, Invalid, StateConflict
from outreach.core.models import AuditEntry
from outreach.core.vocabulary import CampaignState
from tests.campaigns.studio import BODY, Studio


def test_create_writes_everything_that_was_given(studio: Studio) -> None:
    campaign = create_campaign(
        studio.author,
        {
            **studio.data(),
            "audience": {"topics": ["e-services"], "exclude": [], "kinds": ["citizen"]},
            "schedule": {"at": "2030-04-14T09:30:00+03:00", "timezone": "Europe/Sofia", "not_after": None},
            "experiment": {"holdout": 0.1, "allocation": "even"},
            "tracking": "individual",
        },
    )
    assert (campaign.state, campaign.goal, campaign.kinds, campaign.channels) == (
        "draft",
        "uses",
        ["citizen"],
        ["email"],
    )
    assert campaign.starts_at is not None
    assert campaign.starts_at.isoformat() == "2030-04-14T09:30:00+03:00"
    assert (campaign.holdout, campaign.tracking) == (0.1, "individual")
    assert list(campaign.topics.all()) == [studio.topic]
    assert list(campaign.services.all()) == [studio.service]
    assert [(c.channel, c.language, c.subject, c.body) for c in campaign.contents.all()] == [
        ("email", "bg", "Карта", BODY)
    ]
    assert campaign.edited_by == studio.author.user
    assert AuditEntry.objects.get(action="campaign.created").noun_id == str(campaign.pk)


def test_channels_come_from_the_contents_where_none_are_named(studio: Studio) -> None:
    data = studio.data()
    del data["channels"]
    data["contents"].append({"channel": "sms", "language": "bg", "body": "Здравейте"})
    campaign = create_campaign(studio.author, data)
    assert campaign.channels == ["email", "sms"]
    assert campaign.contents.get(channel="sms").format == "text"


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": " "}, {"name": ["This must not be empty."]}),
        ({"goal": "use"}, {"goal": ["There is no “use”. Did you mean “uses”?"]}),
        (
            {"audience": {"topics": ["e-service"]}},
            {"audience/topics/0": ["There is no “e-service”. Did you mean “e-services”?"]},
        ),
        ({"audience": {"topics": "e-services"}}, {"audience/topics": ["This must be a list."]}),
        ({"channels": {"order": ["mail"]}}, {"channels/order/0": ["There is no “mail”. Did you mean “email”?"]}),
        ({"nmae": "x"}, {"nmae": ["There is no “nmae”. Did you mean “name”?"]}),
        (
            {"contents": [{"channel": "email", "language": "de"}]},
            {"contents/0/language": ["There is no “de”. There are: bg, en."]},
        ),
        (
            {"contents": [{"channel": "email", "language": "bg"}, {"channel": "email", "language": "bg"}]},
            {"contents/1": ["There is already a message for this channel and language."]},
        ),
        ({"contents": [7]}, None),
        (
            {"contents": [{"channel": "email", "language": "bg", "account": "99"}]},
            {"contents/0/account": ["There is no such account."]},
        ),
        (
            {"schedule": {"at": "tomorrow"}},
            {"schedule/at": ["This is not a time. Write it as 2026-04-14T09:30:00+03:00."]},
        ),
        (
            {"schedule": {"at": "2026-04-14T09:30"}},
            {"schedule/at": ["The time has no offset. Write it as 2026-04-14T09:30:00+03:00."]},
        ),
        (
            {"schedule": {"timezone": "Europe/Sofija"}},
            {"schedule/timezone": ["There is no time zone “Europe/Sofija”. Did you mean “Europe/Sofia”?"]},
        ),
        ({"schedule": {"pressing": "yes"}}, {"schedule/pressing": ["Write true or false."]}),
        ({"experiment": {"holdout": 0.9}}, {"experiment/holdout": ["This must be a number from 0 to 0.5."]}),
        ({"tracking": None}, None),
        ({"attribution_days": 0}, {"attribution_days": ["This must be a number from 1 to 365."]}),
        ({"attribution_days": 1.5}, {"attribution_days": ["Write whole days."]}),
        ({"services": ["nothing"]}, {"services/0": ["There is no “nothing”. There are: card."]}),
        ({"organisation": "elsewhere"}, None),
    ],
)
def test_each_bad_field_is_named(studio: Studio, change: dict[str, Any], fields: dict[str, list[str]] | None) -> None:
    with pytest.raises(Invalid) as caught:
        create_campaign(studio.author, {**studio.data(), **change})
    found = caught.value.facts["fields"]
    assert found
    if fields is not None:
        assert found == fields


def test_all_bad_fields_are_named_at_once(studio: Studio) -> None:
    with pytest.raises(Invalid) as caught:
        create_campaign(studio.author, {"goal": 1, "channels": [], "tracking": "x", "contents": [{}]})
    assert sorted(caught.value.facts["fields"]) == [
        "channels",
        "contents/0/channel",
        "contents/0/language",
        "goal",
        "name",
        "tracking",
    ]


def test_a_sibling_organisation_cannot_be_written_for(studio: Studio) -> None:
    with pytest.raises(Invalid):
        create_campaign(studio.author, {**studio.data(), "organisation": "council"})


def test_a_role_without_the_right_may_not_write(studio: Studio) -> None:
    with pytest.raises(Forbidden):
        create_campaign(studio.approver, studio.data())


def test_change_replaces_contents_and_makes_a_draft_again(studio: Studio) -> None:
    campaign = studio.campaign()
    campaign.state = CampaignState.APPROVED
    campaign.save()
    change_campaign(
        studio.publisher,
        campaign,
        {"contents": [{"channel": "email", "language": "en", "subject": "Card", "body": "Hello\r\nthere"}]},
    )
    campaign.refresh_from_db()
    assert [(c.language, c.body) for c in campaign.contents.all()] == [("en", "Hello\nthere")]
    assert (campaign.state, campaign.edited_by, campaign.name) == ("draft", studio.publisher.user, "Карта")


@pytest.mark.parametrize("state", ["scheduled", "running", "paused", "finished", "cancelled"])
def test_what_is_under_way_cannot_be_changed(studio: Studio, state: str) -> None:
    campaign = studio.campaign()
    campaign.state = CampaignState(state)
    campaign.save()
    with pytest.raises(StateConflict):
        change_campaign(studio.author, campaign, {"name": "x"})
    with pytest.raises(StateConflict):
        save_content(studio.author, campaign, {"channel": "email", "language": "bg", "body": "x"})


def test_one_content_is_saved_and_removed_with_its_channel(studio: Studio) -> None:
    campaign = studio.campaign()
    content = save_content(studio.author, campaign, {"channel": "sms", "language": "bg", "body": "Здравейте"})
    campaign.refresh_from_db()
    assert campaign.channels == ["email", "sms"]
    remove_content(studio.author, campaign, content)
    campaign.refresh_from_db()
    assert campaign.channels == ["email"]


def test_clone_is_a_draft_without_times(studio: Studio) -> None:
    campaign = studio.campaign(schedule={"at": "2030-01-01T00:00:00+00:00"})
    clone = clone_campaign(studio.publisher, campaign)
    assert (clone.name, clone.state, clone.starts_at) == ("Карта (copy)", "draft", None)
    assert clone.contents.get().body == BODY
    assert campaign.contents.count() == 1
    assert list(clone.topics.all()) == [studio.topic]


def test_archive_hides_and_keeps(studio: Studio) -> None:
    campaign = studio.campaign()
    archive_campaign(studio.author, campaign)
    campaign.refresh_from_db()
    assert campaign.archived_at is not None


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Другo"},
        {"audience": {"topics": []}},
        {"audience": {"kinds": ["business"]}},
        {"channels": {"order": ["email", "sms"]}},
        {"contents": [{"channel": "email", "language": "bg", "subject": "Карта", "body": BODY + "!"}]},
        {"schedule": {"at": "2030-01-01T00:00:00+00:00"}},
        {"services": []},
        {"experiment": {"holdout": 0.1}},
        {"tracking": "none"},
        {"attribution_days": 7},
    ],
)
def test_any_edit_changes_the_digest(studio: Studio, change: dict[str, Any]) -> None:
    campaign = studio.campaign()
    before = digest(campaign)
    assert digest(campaign) == before
    change_campaign(studio.author, campaign, change)
    assert digest(campaign) != before


def test_a_changed_service_changes_the_digest(studio: Studio) -> None:
    campaign = studio.campaign()
    before = digest(campaign)
    studio.service.url = "https://elsewhere.example.bg/"
    studio.service.save()
    assert digest(campaign) != before
