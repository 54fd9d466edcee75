"""A campaign takes a segment and leaves out others: by id, as part of what is approved; they stay as long."""

from __future__ import annotations

import pytest

from outreach.audience.models import Segment
from outreach.audience.segments import change_segment, create_segment, delete_segment
from outreach.campaigns.drafts import change_campaign, clone_campaign, create_campaign, digest
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import Organisation

pytestmark = pytest.mark.django_db

ENGLISH = {"language": {"in": ["en"]}}


@pytest.fixture
def actor(db: None) -> Actor:
    return product_itself(Organisation.objects.create(slug="ministry", name={"en": "Ministry"}))


@pytest.fixture
def english(actor: Actor) -> Segment:
    return create_segment(actor, name="English", where=ENGLISH)


def test_a_campaign_takes_and_leaves_out_segments(actor: Actor, english: Segment) -> None:
    business = create_segment(actor, name="Business", where={"kind": {"in": ["business"]}})
    audience = {"segment": str(english.pk), "exclude_segments": [str(business.pk)]}
    campaign = create_campaign(actor, {"name": "Campaign", "audience": audience})

    assert (campaign.segment, list(campaign.excluded_segments.all())) == (english, [business])
    clone = clone_campaign(actor, campaign)
    assert (clone.segment, list(clone.excluded_segments.all())) == (english, [business])
    change_campaign(actor, campaign, {"audience": {"segment": None, "exclude_segments": []}})
    campaign.refresh_from_db()
    assert (campaign.segment, list(campaign.excluded_segments.all())) == (None, [])


def test_a_segment_of_others_is_not_there(actor: Actor) -> None:
    theirs = create_segment(product_itself(Organisation.objects.create(slug="other")), name="Theirs", where=ENGLISH)
    audience = {"segment": str(theirs.pk), "exclude_segments": ["x"]}
    with pytest.raises(Invalid) as caught:
        create_campaign(actor, {"name": "Campaign", "audience": audience})

    assert caught.value.facts["fields"] == {
        "audience/segment": ["There is no such segment."],
        "audience/exclude_segments/0": ["There is no such segment."],
    }


def test_another_rule_is_another_campaign_to_approve(actor: Actor, english: Segment) -> None:
    campaign = create_campaign(actor, {"name": "Campaign"})
    without = digest(campaign)
    change_campaign(actor, campaign, {"audience": {"segment": str(english.pk)}})
    before = digest(campaign)
    change_segment(actor, english, name="Anglophones")
    renamed = digest(campaign)
    change_segment(actor, english, where={"language": {"in": ["en", "bg"]}})
    campaign.refresh_from_db()

    assert without != before == renamed != digest(campaign)


@pytest.mark.parametrize("place", ["segment", "exclude_segments"])
def test_a_segment_that_a_campaign_has_stays(actor: Actor, english: Segment, place: str) -> None:
    value = str(english.pk) if place == "segment" else [str(english.pk)]
    create_campaign(actor, {"name": "Campaign", "audience": {place: value}})
    with pytest.raises(StateConflict):
        delete_segment(actor, english)

    assert Segment.objects.filter(pk=english.pk).exists()
