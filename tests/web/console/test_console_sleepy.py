from __future__ import annotations

import pytest

from outreach.audience.models import Topic
from outreach.campaigns.models import Campaign
from outreach.events.sleepy import SleepRule

from .conftest import Person

pytestmark = pytest.mark.django_db


def test_a_rule_is_made_on_the_page_and_asks_by_a_draft(alice: Person, charlie: Person) -> None:
    topic = Topic.objects.create(organisation=alice.organisation, slug="taxes", name={"en": "Taxes"})
    numbers = {"days": "180", "messages": "5", "grace": "30"}
    assert "No rule yet" in alice.see("/asleep")
    refused = alice.post("/asleep/new", **{**numbers, "grace": "5"})
    assert "Give a number from 14 to 180." in refused.content.decode()
    made = alice.post("/asleep/new", topic=str(topic.pk), **numbers)
    rule = SleepRule.objects.get()
    assert (made["Location"], rule.topic, rule.is_active) == (f"/asleep/{rule.pk}", topic, False)
    page = alice.see(f"/asleep/{rule.pk}")
    assert all(word in page for word in ("would be asked", "Nobody was asked yet", "Write the question"))
    alice.post(f"/asleep/{rule.pk}", **numbers, is_active="on")
    rule.refresh_from_db()
    assert (rule.is_active, "is let go" in alice.see("/asleep")) == (True, True)
    for path in (f"/asleep/{rule.pk}/ask", f"/asleep/{rule.pk}/remove"):
        assert charlie.post(path).status_code == 404
    asked = alice.post(f"/asleep/{rule.pk}/ask")
    campaign = Campaign.objects.get()
    assert asked["Location"] == f"/campaigns/{campaign.pk}/message"
    page = alice.see(f"/asleep/{rule.pk}")
    assert (campaign.name in page, "Write the question" in page) == (True, False)
    alice.post(f"/asleep/{rule.pk}/remove")
    assert not SleepRule.objects.exists()
