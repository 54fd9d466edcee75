from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from outreach.core.errors import Invalid

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio

DAY = {"title": "Ден на отворените врати", "start": "2026-12-04T10:00", "end": "2026-12-04T12:30", "place": "Зала 1"}


def read(studio: Studio, calendar: Any, **changes: Any) -> dict[str, str]:
    from outreach.campaigns.fields import read_content

    content = {"channel": "email", "language": "bg", "subject": "s", "body": "b", "calendar": calendar, **changes}
    return read_content(content, studio.town).calendar


@pytest.mark.parametrize(
    ("given", "start", "zone"),
    [
        (DAY, "2026-12-04T10:00", "Europe/Sofia"),
        ({**DAY, "start": "2026-12-04T07:30:00+00:00"}, "2026-12-04T09:30", "Europe/Sofia"),
        ({**DAY, "timezone": "Europe/London"}, "2026-12-04T10:00", "Europe/London"),
    ],
)
def test_times_are_local_to_the_zone(studio: Studio, given: dict[str, str], start: str, zone: str) -> None:
    assert read(studio, given) == {
        "title": "Ден на отворените врати",
        "place": "Зала 1",
        "timezone": zone,
        "start": start,
        "end": "2026-12-04T12:30",
    }


@pytest.mark.parametrize("given", [None, {}, {"title": "", "start": ""}])
def test_nothing_given_is_no_entry(studio: Studio, given: Any) -> None:
    assert read(studio, given) == {}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({**DAY, "title": " "}, ["calendar/title"]),
        ({**DAY, "end": "2026-12-04T10:00"}, ["calendar/end"]),
        ({**DAY, "end": "2027-12-04T10:00"}, ["calendar/end"]),
        ({**DAY, "start": "tomorrow"}, ["calendar/start"]),
        ({**DAY, "timezone": "Europe/Sofija"}, ["calendar/timezone"]),
        ({"title": "x"}, ["calendar/start", "calendar/end"]),
        ({**DAY, "place": "x" * 301}, ["calendar/place"]),
        ("soon", ["calendar"]),
    ],
)
def test_what_is_wrong_is_said_at_its_field(studio: Studio, given: Any, fields: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        read(studio, given)
    assert list(refused.value.fields) == fields


def test_only_an_e_mail_has_an_entry(studio: Studio) -> None:
    with pytest.raises(Invalid) as refused:
        read(studio, DAY, channel="sms")
    assert list(refused.value.fields) == ["calendar"]


def test_an_entry_is_kept_frozen_and_part_of_what_is_approved(studio: Studio) -> None:
    from outreach.campaigns.drafts import change_campaign, digest
    from outreach.campaigns.planning import freeze

    campaign = studio.campaign()
    before = digest(campaign)
    contents = [{**studio.data()["contents"][0], "calendar": DAY, "preheader": "Елате"}]
    change_campaign(studio.author, campaign, {"contents": contents})
    (content,) = freeze(campaign, is_whole=False)["contents"]
    assert (content["calendar"], content["preheader"], "pictures" in content) == (
        {**DAY, "timezone": "Europe/Sofia"},
        "Елате",
        False,
    )
    assert digest(campaign) != before
