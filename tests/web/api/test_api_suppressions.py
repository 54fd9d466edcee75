"""Whom not to write to, over the API."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from outreach.audience.suppression_import import run_suppression_import

from .caller import Api


def test_address_is_added_found_and_taken_off(api: Api, stranger: Api) -> None:
    status, entry = api.post("/suppressions", {"channel": "email", "value": "Ana@Example.org", "note": "a letter"})
    again, _same = api.post("/suppressions", {"channel": "email", "hash": entry["hash"]})
    listed = [api.get(f"/suppressions?{query}")[1]["items"] for query in ("", "address=ana@example.org", "reason=stop")]
    refused = api.call("DELETE", f"/suppressions/{entry['id']}")
    foreign = stranger.call("DELETE", f"/suppressions/{entry['id']}?why=x")
    gone = api.call("DELETE", f"/suppressions/{entry['id']}?why=She+asked")

    wanted = {"organisation": "ministry", "channel": "email", "reason": "manual", "source": "api", "note": "a letter"}
    assert {name: entry[name] for name in wanted} == wanted
    assert (status, again, listed) == (201, 200, [[entry], [entry], []])
    assert (refused[0], refused[1]["errors"][0]["pointer"], foreign[0], gone) == (422, "/why", 404, (204, None))


def test_pages_join(api: Api) -> None:
    for number in range(3):
        api.post("/suppressions", {"channel": "email", "value": f"{number}@example.org"})
    first = api.get("/suppressions?limit=2")[1]
    second = api.get(f"/suppressions?limit=2&cursor={first['next_cursor']}")[1]

    ids = [int(entry["id"]) for entry in [*first["items"], *second["items"]]]
    assert (ids, second["next_cursor"]) == (sorted(ids, reverse=True), None)
    assert len(ids) == 3


def test_list_is_imported_and_its_bad_lines_are_named(api: Api, stranger: Api) -> None:
    status, job = upload(api, "ana@example.org\nnobody@\n")
    run_suppression_import(int(job["id"]))
    done = api.get(f"/suppression-imports/{job['id']}")[1]
    errors = api.get(f"/suppression-imports/{job['id']}/errors")[1]
    message = "This is not an e-mail address such as name@example.org."

    assert (status, job["state"], stranger.get(f"/suppression-imports/{job['id']}")[0]) == (202, "queued", 404)
    assert [done[name] for name in ("state", "rows", "added", "known", "rejected")] == ["done", 2, 1, 0, 1]
    assert errors == {"items": [{"line": 2, "reason": "bad_email", "message": message}], "next_cursor": None}


def upload(api: Api, text: str) -> tuple[int, Any]:
    file = SimpleUploadedFile("list.csv", text.encode())
    headers = {"authorization": f"Bearer {api.token}"}
    response = Client().post("/api/v1/suppression-imports", {"file": file, "note": "x"}, headers=headers)
    return response.status_code, response.json()


def test_thresholds_are_set_and_taken_back(api: Api) -> None:
    status, rule = api.call("PATCH", "/bounce-rules", {"soft_after": 4})
    bad = api.call("PATCH", "/bounce-rules", {"hard_after": 99})
    gone, now = api.call("DELETE", "/bounce-rules"), api.get("/bounce-rules")[1]

    numbers = {"hard_after": 1, "soft_after": 4, "within_days": 30}
    assert (status, rule) == (200, {"organisation": "ministry", "is_own": True, **numbers})
    assert (bad[0], bad[1]["errors"][0]["pointer"], gone[0]) == (422, "/hard_after", 204)
    assert now == {"organisation": "ministry", "is_own": False, **numbers, "soft_after": 0}
