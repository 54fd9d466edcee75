"""Segments over the API: kept, changed, counted; what is wrong with a rule is pointed at."""

from __future__ import annotations

from typing import Any

import pytest

from outreach.audience.models import Segment, SnapshotMember, Topic
from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from outreach.core.access import product_itself
from outreach.core.models import AuditEntry, Organisation
from outreach.core.vocabulary import Role

from .caller import Api, make_api

pytestmark = pytest.mark.django_db

RULE = {"and": [{"topic": {"in": ["health"]}}, {"not": {"attribute": {"name": "city", "is": "София"}}}]}


@pytest.fixture
def people(ministry: Organisation, topic: Topic) -> list[str]:
    made = []
    for number, city in enumerate(("София", "Варна", "Русе")):
        address = AddressData(channel="email", value=f"p{number}@example.bg")
        data = SubscriberData(addresses=[address], name=f"П{number}", topics=["health"], attributes={"city": city})
        made.append(str(upsert_subscriber(product_itself(ministry), data)[0].pk))
    return made


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer says of whom is meant."""
    return {**{key: answer[key] for key in ("count", "is_exact")}, "sample": [one["id"] for one in answer["sample"]]}


def test_a_segment_is_kept_changed_and_taken_away(api: Api, people: list[str]) -> None:
    status, made = api.post("/segments", {"name": "Not of Sofia", "where": RULE})
    assert (status, made["where"], told(made)) == (
        201,
        RULE,
        {"count": 2, "is_exact": True, "sample": people[1:]},
    )
    assert (
        made["words"]["en"] == "People who subscribe to “Health” and for whom it does not hold that “city” is “София”."
    )

    path = f"/segments/{made['id']}"
    status, changed = api.call("PATCH", path, {"where": {"attribute": {"name": "city", "begins": "С"}}})
    assert (status, changed["name"], told(changed)) == (
        200,
        "Not of Sofia",
        {"count": 1, "is_exact": True, "sample": people[:1]},
    )
    assert api.get(path) == (200, changed)
    assert [one["id"] for one in api.get("/segments")[1]["items"]] == [made["id"]]

    assert api.call("DELETE", path) == (204, None)
    assert api.get(path)[0] == 404
    assert list(AuditEntry.objects.filter(noun="segment").order_by("pk").values_list("action", flat=True)) == [
        "segment.created",
        "segment.changed",
        "segment.deleted",
    ]


def test_a_preview_keeps_nothing(api: Api, people: list[str]) -> None:
    status, answer = api.post("/segments/preview", {"where": {"language": {"in": ["bg"]}}})

    assert (status, told(answer)) == (200, {"count": 3, "is_exact": True, "sample": people})
    assert (answer["low"], answer["high"], Segment.objects.count()) == (3, 3, 0)


def test_what_is_wrong_is_pointed_at_and_changes_nothing(api: Api, topic: Topic) -> None:
    status, answer = api.post("/segments", {"name": "All", "where": {"and": [{"topic": {"in": ["helth"]}}]}})

    wrong = [{"pointer": "/where/and/0/topic/in/0", "detail": "There is no “helth”."}]
    assert (status, answer["code"], answer["errors"]) == (422, "invalid", wrong)
    assert Segment.objects.count() == 0


def test_two_of_one_name_are_refused(api: Api, topic: Topic) -> None:
    body = {"name": "All", "where": {"language": {"in": ["bg", "en"]}}}
    assert api.post("/segments", body)[0] == 201
    status, answer = api.post("/segments", body)

    assert (status, answer["errors"]) == (
        422,
        [{"pointer": "/name", "detail": "There is a segment with this name already."}],
    )


def test_a_stranger_and_a_reader_change_nothing(api: Api, stranger: Api, topic: Topic) -> None:
    body = {"name": "All", "where": {"language": {"in": ["bg", "en"]}}}
    path = f"/segments/{api.post('/segments', body)[1]['id']}"
    analyst = make_api(api.organisation, Role.ANALYST)

    assert [stranger.call(method, path, {})[0] for method in ("GET", "PATCH", "DELETE")] == [404, 404, 404]
    assert [analyst.call("PATCH", path, {"name": "x"})[0], analyst.call("DELETE", path)[0]] == [403, 403]
    assert analyst.get(path)[0] == 200


def test_a_snapshot_keeps_its_people(api: Api, people: list[str]) -> None:
    """Whom the segment meant then, though the person's facts and the segment are others now; who is erased is gone."""
    kept = api.post(
        "/segments", {"name": "Of Sofia", "where": {"attribute": {"name": "city", "in": ["София", "Русе"]}}}
    )[1]
    status, taken = api.post(f"/segments/{kept['id']}/snapshot", {"name": "Then"})
    assert (status, taken["name"], told(taken)["sample"]) == (201, "Then", [people[0], people[2]])

    api.call("PATCH", f"/subscribers/{people[0]}", {"attributes": {"city": "Варна"}})
    api.call("DELETE", f"/segments/{kept['id']}")
    assert told(api.get(f"/segments/{taken['id']}")[1])["sample"] == [people[0], people[2]]
    beside = {"where": {"and": [{"snapshot": {"in": [taken["id"]]}}, {"attribute": {"name": "city", "is": "Варна"}}]}}
    assert told(api.post("/segments/preview", beside)[1])["sample"] == [people[0]]

    assert api.call("PATCH", f"/segments/{taken['id']}", {"where": {"measured": {}}})[0] == 422
    api.call("DELETE", f"/subscribers/{people[0]}")
    assert SnapshotMember.objects.count() == 1
    assert told(api.get(f"/segments/{taken['id']}")[1])["sample"] == [people[2]]
