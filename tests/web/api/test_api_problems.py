from __future__ import annotations

from typing import Any

import pytest

from outreach.audience.models import Topic
from outreach.core.models import AuditEntry
from outreach.core.vocabulary import Role

from .caller import Api, make_api

pytestmark = pytest.mark.django_db


def test_without_a_token_nothing_is_told(ministry: Any) -> None:
    assert Api(token="wrong", organisation=ministry).get("/topics") == (
        401,
        {
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "detail": "Send a valid token as 'Authorization: Bearer TOKEN'.",
            "code": "unauthenticated",
        },
    )


def test_a_bad_field_is_pointed_at(api: Api) -> None:
    status, problem = api.post("/topics", {"slug": "Not a slug", "name": {"bg": "Здраве"}, "nmae": 1})

    assert (status, problem["code"]) == (422, "invalid")
    assert sorted(error["pointer"] for error in problem["errors"]) == ["/nmae", "/slug"]


def test_broken_json_is_a_problem_too(api: Api, ministry: Any) -> None:
    from django.test import Client

    response = Client().post(
        "/api/v1/topics", b"{", content_type="application/json", headers={"authorization": f"Bearer {api.token}"}
    )

    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_a_role_that_may_not_is_refused_and_changes_nothing(ministry: Any) -> None:
    analyst = make_api(ministry, Role.ANALYST)

    status, problem = analyst.post("/topics", {"slug": "health", "name": {"bg": "Здраве"}})

    assert (status, problem["code"]) == (403, "forbidden")
    assert (Topic.objects.count(), AuditEntry.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "path", ["/topics/{id}", "/subscribers/999999", "/campaigns/x", "/deliveries/1-2", "/imports/-1"]
)
def test_what_is_another_organisations_is_not_there(stranger: Api, topic: Topic, path: str) -> None:
    status, problem = stranger.get(path.format(id=topic.pk))

    assert (status, problem["code"]) == (404, "not_found")


def test_the_same_key_and_call_gives_the_same_answer_and_acts_once(api: Api) -> None:
    body = {"slug": "health", "name": {"bg": "Здраве"}}

    first = api.post("/topics", body, **{"idempotency-key": "k1"})
    second = api.post("/topics", body, **{"idempotency-key": "k1"})

    assert first[0] == 201
    assert second == first
    assert Topic.objects.count() == 1


def test_the_same_key_with_another_call_is_refused(api: Api) -> None:
    api.post("/topics", {"slug": "health", "name": {"bg": "Здраве"}}, **{"idempotency-key": "k1"})

    status, problem = api.post("/topics", {"slug": "taxes", "name": {"bg": "Данъци"}}, **{"idempotency-key": "k1"})

    assert (status, problem["code"]) == (422, "idempotency_mismatch")


def test_a_refusal_is_repeated_as_well(api: Api) -> None:
    first = api.post("/topics", {"slug": "health", "name": {}}, **{"idempotency-key": "k1"})

    assert first[0] == 422
    assert api.post("/topics", {"slug": "health", "name": {}}, **{"idempotency-key": "k1"}) == first


def test_a_cursor_that_is_not_ours_is_refused(api: Api) -> None:
    status, problem = api.get("/topics?cursor=%00nonsense")

    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/cursor"])


def test_lists_page_by_cursor(api: Api, ministry: Any) -> None:
    for number in range(5):
        Topic.objects.create(organisation=ministry, slug=f"t{number}", name={"en": f"T{number}"})

    _, first = api.get("/topics?limit=2")
    _, second = api.get(f"/topics?limit=2&cursor={first['next_cursor']}")
    _, third = api.get(f"/topics?limit=2&cursor={second['next_cursor']}")

    slugs = [item["slug"] for page in (first, second, third) for item in page["items"]]
    assert slugs == ["t4", "t3", "t2", "t1", "t0"]
    assert third["next_cursor"] is None
