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


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nothing", 404, "not_found"), ("PUT", "/topics", 405, "method_not_allowed")],
)
def test_a_call_that_there_is_not_gets_a_problem_too(api: Api, method: str, path: str, status: int, code: str) -> None:
    answer = api.call(method, path)

    assert (answer[0], answer[1]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "a\0b"}, "/name"),
        ({"attributes": {"city": ["a\0b"]}}, "/attributes"),
        ({"name": "\ud800"}, "/name"),
        ({"addresses": [{"channel": "email", "value": "a\0@example.org"}]}, "/addresses"),
    ],
)
def test_text_that_cannot_be_kept_is_pointed_at(api: Api, body: dict[str, Any], pointer: str) -> None:
    address = {"channel": "email", "value": "a@example.org"}

    status, problem = api.post("/subscribers", {"addresses": [address], **body})

    assert (status, problem["errors"]) == (
        422,
        [{"pointer": pointer, "detail": "This holds a character that is not text."}],
    )


def test_a_query_that_cannot_be_kept_is_pointed_at(api: Api, settings: Any) -> None:
    settings.SANDBOX = True

    status, problem = api.get("/sandbox/messages?to=%00")

    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/to"])
    assert api.get("/sandbox/messages?limit=2") == (200, {"items": [], "next_cursor": None})


def test_a_file_goes_to_the_tokens_organisation_where_none_is_named(api: Api, topic: Topic) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.test import Client

    def upload(**form: str) -> int:
        file = SimpleUploadedFile("people.csv", b"email\na@example.org\n")
        headers = {"authorization": f"Bearer {api.token}"}
        return Client().post("/api/v1/imports", {"file": file, **form}, headers=headers).status_code

    assert [upload(topic="health"), upload(topic="he\0lth"), upload(topic="none"), upload()] == [202, 422, 422, 422]


def test_what_the_review_found_is_pointed_at(api: Api) -> None:
    campaign = api.post("/campaigns", {"name": "News", "channels": {"mode": "all", "order": ["email"]}})[1]["id"]

    status, problem = api.post(f"/campaigns/{campaign}/start")

    assert (status, problem["code"]) == (409, "review_failed")
    assert "/audience/topics" in {error["pointer"] for error in problem["errors"]}
    assert [error["pointer"].strip("/") for error in problem["errors"]] == [one["field"] for one in problem["problems"]]


def test_a_campaign_may_be_written_in_its_whole_promised_shape(api: Api) -> None:
    status, _ = api.post(
        "/campaigns",
        {
            "name": "News",
            "audience": {"topics": [], "segment": None, "exclude": []},
            "contents": [{"channel": "email", "language": "bg", "subject": "s", "body": "b", "media": []}],
            "schedule": {"at": None, "timezone": "Europe/Sofia", "recurrence": None, "window": None, "not_after": None},
            "experiment": {"holdout": 0, "allocation": "even"},
        },
    )
    refused = api.post("/campaigns", {"name": "News", "schedule": {"recurrence": "FREQ=DAILY"}})

    assert status == 201
    assert (refused[0], refused[1]["errors"][0]["pointer"]) == (422, "/schedule/recurrence")


@pytest.mark.parametrize("field", ["at", "not_after"])
def test_a_time_without_offset_is_refused(api: Api, field: str) -> None:
    status, problem = api.post("/campaigns", {"name": "News", "schedule": {field: "2030-01-01T09:00:00"}})

    assert (status, problem["errors"]) == (
        422,
        [
            {
                "pointer": f"/schedule/{field}",
                "detail": "The time has no offset. Write it as 2026-04-14T09:30:00+03:00.",
            }
        ],
    )


def test_a_description_may_be_one_text(api: Api) -> None:
    status, made = api.post("/topics", {"slug": "health", "name": {"bg": "Здраве"}, "description": "За здравето"})

    assert (status, made["description"]) == (201, {"bg": "За здравето"})


def test_the_mailbox_of_an_account_is_an_object(api: Api) -> None:
    settings = {"host": "mail.example", "port": 25, "security": "none", "sender": "a@b.example"}
    wrong = api.post("/accounts", {"adapter": "smtp", "name": "a", "settings": {**settings, "imap": {"port": 99999}}})
    made = api.post(
        "/accounts", {"adapter": "smtp", "name": "a", "settings": {**settings, "imap": {"host": "in.example"}}}
    )

    assert [error["pointer"] for error in wrong[1]["errors"]] == ["/settings/imap/port"]
    assert made[1]["settings"]["imap"] == {"host": "in.example", "port": 993, "security": "tls", "folder": "INBOX"}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"port": 99999}, "/settings/port"),
        ({"host": ["mail.example"]}, "/settings/host"),
        ({"imap": "mail.example"}, "/settings/imap"),
    ],
)
def test_settings_that_cannot_be_are_pointed_at(api: Api, changes: dict[str, Any], pointer: str) -> None:
    settings = {"host": "mail.example", "port": 25, "security": "none", "sender": "a@b.example", **changes}

    status, problem = api.post("/accounts", {"adapter": "smtp", "name": "a", "settings": settings})

    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])


def test_an_answer_is_repeated_to_the_letter(api: Api) -> None:
    from django.test import Client

    def post() -> bytes:
        return bytes(
            Client()
            .post(
                "/api/v1/topics",
                b'{"slug": "health", "name": {"en": "Health", "bg": "x"}}',
                content_type="application/json",
                headers={"authorization": f"Bearer {api.token}", "idempotency-key": "k9"},
            )
            .content
        )

    first = post()

    assert post() == first
