"""A file over the API: looked at, its columns said, taken in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

if TYPE_CHECKING:
    from outreach.audience.models import Topic
    from outreach.core.models import Organisation

    from .caller import Api

FILE = "Контакт;Град;Бележка\na@b.bg;Варна;1\nне е адрес;Русе;2\n"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA", tmp_path)


def send(api: Api, path: str, content: str = FILE, **fields: str) -> tuple[int, Any]:
    file = SimpleUploadedFile("people.csv", content.encode("cp1251"))
    headers = {"authorization": f"Bearer {api.token}"}
    response = Client().post(f"/api/v1{path}", fields | {"file": file}, headers=headers)
    return response.status_code, response.json()


def test_a_preview_says_what_a_file_would_be_taken_for(api: Api) -> None:
    from outreach.audience.models import Import

    answer = send(api, "/imports/preview", columns=json.dumps({"Контакт": "email", "Бележка": "left_out"}))

    assert answer == (
        200,
        {
            "encoding": "Windows-1251",
            "delimiter": ";",
            "columns": [
                {"name": "Контакт", "taken_for": "email"},
                {"name": "Град", "taken_for": "attribute"},
                {"name": "Бележка", "taken_for": "left_out"},
            ],
            "rows": [{"line": 2, "cells": ["a@b.bg", "Варна", "1"]}, {"line": 3, "cells": ["не е адрес", "Русе", "2"]}],
            "problems": [
                {
                    "line": 3,
                    "cells": ["не е адрес", "Русе", "2"],
                    "column": "Контакт",
                    "reason": "bad_email",
                    "message": "This is not an e-mail address such as name@example.org.",
                }
            ],
            "tried": 2,
            "faults": 1,
        },
    )
    assert Import.objects.count() == 0


def test_objects_are_previewed_by_their_keys(api: Api) -> None:
    content = '{"mail": "a@b.bg", "years": 7, "attributes": {"x": 1}}\n{"mail": "c@b.bg", "note": "n"}\n'

    status, seen = send(api, "/imports/preview", content, columns=json.dumps({"note": "left_out"}))

    assert (status, {column["name"]: column["taken_for"] for column in seen["columns"]}, seen["rows"]) == (
        200,
        {"mail": "email", "years": "attribute", "note": "left_out"},
        [{"line": 1, "cells": ["a@b.bg", "7", ""]}, {"line": 2, "cells": ["c@b.bg", "", "n"]}],
    )


def test_an_import_takes_columns_for_what_it_is_told(api: Api, topic: Topic) -> None:
    from outreach.audience.imports import run_import
    from outreach.audience.models import Subscriber

    columns = {"Контакт": "email", "Бележка": "left_out"}
    status, job = send(api, "/imports", topic=topic.slug, columns=json.dumps(columns))
    run_import(int(job["id"]))

    assert (status, job["columns"]) == (202, columns)
    assert list(Subscriber.objects.values_list("addresses__normalised", "attributes")) == [
        ("a@b.bg", {"Град": "Варна"})
    ]


def test_people_are_taken_in_for_a_topic_from_above_and_for_none_from_beside(
    api: Api, topic: Topic, ministry: Organisation
) -> None:
    from outreach.audience.models import Import, Topic
    from outreach.core.models import Organisation

    from .caller import make_api

    town, beside = (Organisation.objects.create(slug=slug, parent=ministry) for slug in ("town", "beside"))
    Topic.objects.create(organisation=beside, slug="theirs", name={"en": "Theirs"})

    of_town = make_api(town)
    answers = [send(of_town, "/imports", "email\na@b.bg\n", topic=slug) for slug in (topic.slug, "theirs")]
    above, problem = send(api, "/imports", topic="theirs", organisation="town")

    assert [status for status, _answer in answers] == [202, 422]
    assert (above, problem["errors"]) == (422, [{"pointer": "/topic", "detail": "There is no such topic."}])
    assert list(Import.objects.values_list("organisation__slug", "topic__slug")) == [("town", topic.slug)]


def test_an_opt_in_without_evidence_is_refused_at_its_fields(api: Api, topic: Topic) -> None:
    from outreach.audience.models import Import

    content = "email;consent_at\na@b.bg;2026-05-01\n"
    said = {"opt_in": "true", "consent_source": "fair", "known": "skip"}
    refused, problem = send(api, "/imports", content, topic=topic.slug, **said)
    taken, job = send(api, "/imports", content, topic=topic.slug, consent_text_version="v2", **said)

    assert (refused, problem["errors"]) == (
        422,
        [
            {
                "pointer": "/consent_text_version",
                "detail": "Say which text they were shown, or which column says it.",
            }
        ],
    )
    assert (taken, job["opt_in"], job["evidence"], job["known"], Import.objects.count()) == (
        202, True, {"consent_source": "fair", "consent_text_version": "v2"}, "skip", 1
    )  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "pointer", "detail"),
    [
        ('{"Контакт": "mail"}', "/columns/Контакт", "A column cannot be taken for this."),
        ('{"Mail": "email"}', "/columns/Mail", "The file has no such column."),
        ('{"Контакт": "email", "Град": "email"}', "/columns/Град", "Another column is taken for this already."),
        ('{"Град": "name"}', "/columns", "Say which column holds e-mail addresses or telephone numbers."),
        ('{"\\ud800": "name"}', "/columns", 'Give an object such as {"Mail": "email", "Notes": "left_out"}.'),
        ('{"\\u0000": "name"}', "/columns", 'Give an object such as {"Mail": "email", "Notes": "left_out"}.'),
        ("[1]", "/columns", 'Give an object such as {"Mail": "email", "Notes": "left_out"}.'),
        ("[" * 100_000, "/columns", 'Give an object such as {"Mail": "email", "Notes": "left_out"}.'),
        ("", "/file", "The file has neither a column email nor a column phone."),
    ],
)
def test_columns_that_make_no_sense_are_refused_at_their_place(
    api: Api, topic: Topic, columns: str, pointer: str, detail: str
) -> None:
    status, problem = send(api, "/imports", topic=topic.slug, columns=columns)

    assert (status, problem["errors"]) == (422, [{"pointer": pointer, "detail": detail}])


def test_rows_to_mend_come_as_the_file_was_in_the_askers_language(api: Api, stranger: Api, topic: Topic) -> None:
    from outreach.audience.imports import run_import

    _status, job = send(api, "/imports", "email;name\n=1;Ana\n", topic=topic.slug)
    run_import(int(job["id"]))

    def ask(caller: Api, form: str) -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {caller.token}", "accept-language": "bg"}
        response = Client().get(f"/api/v1/imports/{job['id']}/errors/to-mend?format={form}", headers=headers)
        return response.status_code, getattr(response, "getvalue", lambda: response.content)()

    assert ask(api, "csv") == (
        200,
        (
            "\ufeffoutreach_line,outreach_reason,email,name,outreach_row\r\n"
            "2,email: Това не е имейл адрес като ime@example.org.,'=1,Ana,\r\n"
        ).encode(),
    )
    assert [ask(stranger, "csv")[0], ask(api, "ndjson")[0], ask(api, "pdf")[0]] == [404, 422, 422]


def test_an_import_is_taken_back_by_call(api: Api, stranger: Api, topic: Topic) -> None:
    from outreach.audience.import_undo import run_undo
    from outreach.audience.imports import run_import

    _status, job = send(api, "/imports", "email;name\na@b.bg;Ana\n", topic=topic.slug)
    path = f"/imports/{job['id']}/undo"
    early = api.post(path)
    run_import(int(job["id"]))
    told = api.get(path)[1]
    asked, waiting = api.post(path)
    run_undo(int(job["id"]))
    done = api.get(path)[1]

    nothing = dict.fromkeys(("kept", "gone", "subscribed", "addresses", "restored", "newer"), 0)
    expected = {"id": job["id"], "why_not": "", "is_exact": True, "people": 1, "removed": 1, "ended": 1} | nothing
    assert (early[0], early[1]["detail"]) == (409, "The import has not ended yet.")
    assert (asked, waiting["state"], told, done) == (
        202, "queued", expected | {"state": None}, expected | {"state": "done"}
    )  # fmt: skip
    assert (api.post(path)[0], stranger.get(path)[0], stranger.post(path)[0]) == (409, 404, 404)


def test_people_are_exported_by_topic_and_no_stranger_gets_them(api: Api, stranger: Api, topic: Topic) -> None:
    from outreach.audience.imports import run_import

    _status, job = send(api, "/imports", "email;name\na@b.bg;Ana\n", topic=topic.slug)
    run_import(int(job["id"]))

    def ask(caller: Api, query: str) -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {caller.token}"}
        response = Client().get(f"/api/v1/people/export?{query}", headers=headers)
        return response.status_code, getattr(response, "getvalue", lambda: response.content)()

    status, content = ask(api, f"topic={topic.slug}&format=ndjson")
    row = json.loads(content)
    assert (status, row["email"], row["name"], row["consent_source"]) == (200, "a@b.bg", "Ana", "import")
    assert ask(stranger, "format=ndjson") == (200, b"")
    assert [ask(stranger, f"topic={topic.slug}")[0], ask(api, "segment=7")[0], ask(api, "format=pdf")[0]] == [
        422, 404, 422
    ]  # fmt: skip
