"""Rules for sleepy subscribers over the API: made, seen in a dry run, changed, asked by, taken away."""

from __future__ import annotations

import pytest

from outreach.audience.models import Topic
from outreach.core.models import Organisation

from .caller import Api, make_api

pytestmark = pytest.mark.django_db

NOBODY = {"count": 0, "low": 0, "high": 0, "is_exact": True}


def test_a_rule_is_made_seen_changed_and_taken_away(api: Api, topic: Topic) -> None:
    status, made = api.post("/sleep-rules", {"topic": topic.slug, "days": 90})
    rule = {"topic": topic.slug, "days": 90, "messages": 5, "grace": 30, "active": False}
    path = f"/sleep-rules/{made['id']}"
    assert (status, made) == (201, {"id": made["id"], "organisation": topic.organisation.slug, **rule})
    assert api.get("/sleep-rules")[1]["items"] == [made]
    assert api.get(path) == (
        200,
        {
            **made,
            "topics": [topic.slug],
            **dict.fromkeys(("subscribed", "measured", "asleep"), NOBODY),
            "sample": [],
            "questions": [],
        },
    )
    assert api.call("PATCH", path, {"grace": 60, "active": True}) == (200, {**made, "grace": 60, "active": True})
    status, campaign = api.post(f"{path}/ask")
    assert (status, campaign["state"], campaign["audience"]["topics"]) == (201, "draft", [topic.slug])
    (question,) = api.get(path)[1]["questions"]
    assert (question["campaign"], question["grace"], question["due_at"], question["fates"]) == (
        campaign["id"],
        60,
        None,
        {},
    )
    assert api.post(f"{path}/ask")[0] == 409
    assert (api.call("DELETE", path)[0], api.get(path)[0]) == (204, 404)


def test_bad_rules_are_refused_at_their_fields(api: Api, topic: Topic) -> None:
    status, refused = api.post("/sleep-rules", {"topic": "none-such"})
    assert (status, [error["pointer"] for error in refused["errors"]]) == (422, ["/topic"])
    status, refused = api.post("/sleep-rules", {"days": 1, "grace": 1000})
    assert (status, sorted(error["pointer"] for error in refused["errors"])) == (422, ["/days", "/grace"])
    stranger = Organisation.objects.create(slug="stranger")
    made = api.post("/sleep-rules", {})[1]
    assert make_api(stranger).get(f"/sleep-rules/{made['id']}")[0] == 404
