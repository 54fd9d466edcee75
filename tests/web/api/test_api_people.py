from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from outreach.audience.models import Subscriber, Topic
from outreach.core import clock
from outreach.core.vocabulary import EvidenceSource, Goal, Role
from outreach.events.stages import add_evidence

from .caller import Api, make_api

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(api: Api) -> Subscriber:
    return Subscriber.objects.create(organisation=api.organisation, name="Мария")


def test_a_pause_is_put_and_taken_away(api: Api, person: Subscriber) -> None:
    until = (clock.now() + timedelta(days=3)).isoformat()
    path = f"/subscribers/{person.pk}/pause"
    answers = [api.call("PUT", path, {"until": until}), api.get(f"/subscribers/{person.pk}"), api.call("DELETE", path)]
    assert [(status, body["paused_until"]) for status, body in answers] == [(200, until), (200, until), (200, None)]


def test_a_pause_is_refused_at_its_field_and_to_strangers(api: Api, stranger: Api, person: Subscriber) -> None:
    path = f"/subscribers/{person.pk}/pause"
    later = (clock.now() + timedelta(days=3)).isoformat()
    analyst = make_api(api.organisation, Role.ANALYST)
    status, problem = api.call("PUT", path, {"until": "2020-01-01T00:00:00Z"})
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/until"])
    assert [who.call("PUT", path, {"until": later})[0] for who in (analyst, stranger)] == [403, 404]
    person.refresh_from_db()
    assert person.paused_until is None


def test_quiet_hours_are_put_and_taken_away(api: Api, stranger: Api, person: Subscriber) -> None:
    path = f"/subscribers/{person.pk}/quiet-hours"
    night = {"quiet_from": "22:00", "quiet_to": "07:00"}
    answers = [api.call("PUT", path, night), api.get(f"/subscribers/{person.pk}"), api.call("DELETE", path)]
    assert [(status, body["quiet_from"], body["quiet_to"]) for status, body in answers] == [
        (200, "22:00", "07:00"),
        (200, "22:00", "07:00"),
        (200, None, None),
    ]
    status, problem = api.call("PUT", path, {"quiet_from": "22:00", "quiet_to": "22:00"})
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/quiet_to"])
    assert (api.call("PUT", path, {"quiet_from": "25:00"})[0], stranger.call("PUT", path, night)[0]) == (422, 404)


def test_how_often_is_put_for_some_or_all_topics(api: Api, stranger: Api, person: Subscriber, topic: Topic) -> None:
    path = f"/subscribers/{person.pk}/frequency"
    person.subscriptions.create(topic=topic, channel="email")
    answers = [
        api.call("PUT", path, {"frequency": "daily"}),
        api.call("PUT", path, {"frequency": "weekly", "topics": ["health"], "channels": ["sms"]}),
        api.call("PUT", path, {"frequency": "immediate", "topics": ["health"]}),
    ]
    assert [(status, body["subscriptions"][0]["frequency"]) for status, body in answers] == [
        (200, "daily"),
        (200, "daily"),
        (200, "immediate"),
    ]
    status, problem = api.call("PUT", path, {"frequency": "daily", "topics": ["health", "taxes"]})
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/topics/1"])
    refused = [api.call("PUT", path, {"frequency": "hourly"})[0], stranger.call("PUT", path, {"frequency": "daily"})[0]]
    assert refused == [422, 404]


def test_the_time_of_digests_is_put(api: Api) -> None:
    assert api.get("/digests/time") == (200, {"at": "08:00", "weekday": "monday"})
    chosen = {"at": "17:30", "weekday": "friday"}
    assert api.call("PUT", "/digests/time", chosen) == (200, chosen)
    api.organisation.refresh_from_db()
    assert (api.organisation.digest_minute, api.organisation.digest_weekday) == (1050, 4)
    assert api.call("PUT", "/digests/time", {"at": "17:30", "weekday": "someday"})[0] == 422


def test_a_topic_is_capped_and_a_budget_joined(api: Api, stranger: Api, topic: Topic) -> None:
    path = f"/topics/{topic.pk}/cap"
    cap = {"messages": 2, "days": 7}
    seen = [api.call("PUT", path, cap), api.get(path), api.call("DELETE", path), api.get(path)]
    told = {"topic": "health", **cap}
    none = {"topic": "health", "messages": None, "days": None}
    assert seen == [(200, told), (200, told), (204, None), (200, none)]
    assert (stranger.call("PUT", path, cap)[0], api.call("PUT", path, {"messages": 0, "days": 7})[0]) == (404, 422)

    _status, offered = api.call("PUT", "/budgets/own", cap)
    budget = {"id": offered["id"], "organisation": "ministry", **cap, "joined": False}
    assert offered == budget
    assert api.call("PUT", "/budgets/joined", {"budget": offered["id"]}) == (
        200,
        {"items": [budget | {"joined": True}]},
    )
    status, problem = stranger.call("PUT", "/budgets/joined", {"budget": offered["id"]})
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/budget"])
    assert api.call("PUT", "/budgets/joined", {"budget": None}) == (200, {"items": [budget]})
    assert (api.call("DELETE", "/budgets/own"), api.get("/budgets")) == ((204, None), (200, {"items": []}))


def test_addresses_are_added_corrected_and_retired_by_call(api: Api, stranger: Api, person: Subscriber) -> None:
    path = f"/subscribers/{person.pk}/addresses"
    added, body = api.post(path, {"channel": "email", "value": "ana@b.bg"})
    key = body["addresses"][0]["id"]
    refused, problem = api.post(path, {"channel": "sms", "value": "x"})
    alone = api.call("DELETE", f"{path}/{key}")[0]
    api.post(path, {"channel": "sms", "value": "0888111222"})
    corrected, now = api.call("PATCH", f"{path}/{key}", {"value": "anna@b.bg"})
    gone, left = api.call("DELETE", f"{path}/{key}")

    assert (added, refused, [error["pointer"] for error in problem["errors"]]) == (201, 422, ["/value"])
    assert (alone, corrected, now["addresses"][0]) == (
        409, 200, {"id": key, "channel": "email", "value": "anna@b.bg", "state": "active"}
    )  # fmt: skip
    assert (gone, [one["channel"] for one in left["addresses"]]) == (200, ["sms"])
    assert [who.call("DELETE", f"{path}/{key}")[0] for who in (api, stranger)] == [404, 404]


def test_a_timeline_is_paged_and_doubles_are_listed_by_call(api: Api, stranger: Api, person: Subscriber) -> None:
    for days in range(3):
        person.consents.create(action="given", source="form", at=clock.now() - timedelta(days=days))
    twins = [Subscriber.objects.create(organisation=api.organisation, name="Ана", sort_key="x") for _ in range(2)]
    path = f"/subscribers/{person.pk}/timeline"

    whole = api.get(path)[1]
    first = api.get(f"{path}?limit=2")[1]
    second = api.get(f"{path}?{urlencode({'limit': 2, 'cursor': first['next_cursor']})}")[1]
    status, doubles = api.get("/people/doubles")

    assert (whole["items"], whole["next_cursor"]) == (first["items"] + second["items"], None)
    assert (len(first["items"]), second["next_cursor"], api.get(f"{path}?cursor=x")[0]) == (2, None, 422)
    assert (status, [[one["id"] for one in group["people"]] for group in doubles["items"]]) == (
        200, [[str(one.pk) for one in twins]]
    )  # fmt: skip
    assert stranger.get("/people/doubles")[1] == {"items": [], "next_cursor": None}


def test_evidence_that_names_a_person_is_paged_and_exported(api: Api, stranger: Api, person: Subscriber) -> None:
    person.is_measured = True
    person.save()
    for stage in (Goal.USES, Goal.SATISFIED, Goal.RECOMMENDS):
        add_evidence(stage, EvidenceSource.SERVICE, organisation=api.organisation.pk, subscriber=person)
    path = f"/subscribers/{person.pk}/stages"

    whole = api.get(path)[1]
    first = api.get(f"{path}?limit=2")[1]
    second = api.get(f"{path}?{urlencode({'limit': 2, 'cursor': first['next_cursor']})}")[1]

    assert [piece["stage"] for piece in whole["items"]] == ["recommends", "satisfied", "uses"]
    assert (first["items"] + second["items"], second["next_cursor"]) == (whole["items"], None)
    assert api.get(f"/subscribers/{person.pk}/export")[1]["stages"] == whole["items"]
    assert stranger.get(path)[0] == 404
