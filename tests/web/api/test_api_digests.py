from __future__ import annotations

import pytest

from outreach.audience.models import Topic
from outreach.campaigns.models import Campaign, Run
from outreach.core import clock
from outreach.delivery.models import Counter, Delivery

from .caller import Api

pytestmark = pytest.mark.django_db


def test_runs_of_digests_and_their_rows(api: Api, stranger: Api) -> None:
    now = clock.now()
    campaign = Campaign.objects.create(organisation=api.organisation, name="News")
    told = Run.objects.create(organisation=api.organisation, campaign=campaign, occurrence=now, as_of=now, salt=b"s")
    run = Run.objects.create(
        organisation=api.organisation, kind="digest", occurrence=now, as_of=now, started_at=now, salt=b"s",
        state="finished", frozen={"digest": {"channel": "sms", "messages": {str(told.pk): {}}}},
    )  # fmt: skip
    Counter.objects.create(run=run, slot=1, kind="state", channel="sms", name="accepted", count=2)
    Counter.objects.create(run=run, slot=1, kind="receipt", channel="sms", name="delivered", count=1)
    Counter.objects.create(run=run, slot=1, kind="event", channel="sms", name="opened", reason="human", count=1)
    Delivery.objects.create(id=7, run=run, target="s:1", channel="sms", state="accepted", created_at=now)
    path = f"/digests/{run.pk}/deliveries"

    assert api.get("/digests") == (200, {"items": [
        {
            "id": str(run.pk), "organisation": "ministry", "state": "finished", "at": now.isoformat(), "channel": "sms",
            "readers": 2, "accepted": 2, "delivered": 1, "opened": 1,
            "told": [{"campaign": str(campaign.pk), "name": "News"}],
        }
    ], "next_cursor": None})  # fmt: skip
    assert [row["id"] for row in api.get(path)[1]["items"]] == [f"{run.pk}-7"]
    assert api.get(f"{path}?state=rejected")[1]["items"] == []
    assert (stranger.get("/digests")[1]["items"], stranger.get(path)[0]) == ([], 404)


def test_a_campaign_says_that_it_cannot_wait(api: Api, topic: Topic) -> None:
    content = {"channel": "email", "language": "en", "subject": "Flood", "body": "Leave the valley."}
    wanted = {"name": "Flood", "goal": "knows", "audience": {"topics": [topic.slug]}, "contents": [content]}
    status, made = api.call("POST", "/campaigns", wanted | {"schedule": {"pressing": True}})
    path = f"/campaigns/{made['id']}"
    calm = api.call("PATCH", path, {"schedule": {"pressing": False}})
    refused = api.call("PATCH", path, {"schedule": {"pressing": "perhaps"}})

    assert (status, made["schedule"]["pressing"], calm[1]["schedule"]["pressing"]) == (201, True, False)
    assert (refused[0], [error["pointer"] for error in refused[1]["errors"]]) == (422, ["/schedule/pressing"])
