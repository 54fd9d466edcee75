from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.campaigns.test_pictures import photograph

if TYPE_CHECKING:
    from .caller import Api


def upload(api: Api, data: bytes, **fields: str) -> tuple[int, Any]:
    answer = Client().post(
        "/api/v1/pictures",
        {"file": SimpleUploadedFile("a.exe", data), **fields},
        headers={"authorization": f"Bearer {api.token}"},
    )
    return answer.status_code, answer.json()


def test_a_picture_is_uploaded_listed_and_shown_to_everybody(api: Api, stranger: Api) -> None:
    from outreach.campaigns.models import Picture

    status, made = upload(api, photograph(), alt="Площад")
    kept = Picture.objects.get()
    assert (status, made) == (
        201,
        {
            "id": str(kept.pk),
            "organisation": "ministry",
            "key": kept.key,
            "url": f"http://outreach.test/i/{kept.key}",
            "media_type": "image/jpeg",
            "width": 40,
            "height": 20,
            "bytes": kept.size,
            "alt": "Площад",
        },
    )
    assert api.get("/pictures")[1]["items"] == [made]
    assert api.get(f"/pictures/{made['id']}") == (200, made)
    assert (stranger.get("/pictures")[1]["items"], stranger.get(f"/pictures/{made['id']}")[0]) == ([], 404)
    shown = Client().get(f"/i/{kept.key}")
    assert (shown.content, shown["Content-Type"], shown["X-Content-Type-Options"]) == (
        bytes(kept.data),
        "image/jpeg",
        "nosniff",
    )
    assert "immutable" in shown["Cache-Control"]
    assert Client().get("/i/aaaaaaaaaaaaaaaaaaaaaaaa.jpg").status_code == 404


def test_a_picture_is_deleted_unless_it_is_used(api: Api, stranger: Api) -> None:
    _status, kept = upload(api, photograph(), alt="Герб")
    _status, gone = upload(api, photograph((9, 9)), alt="Площад")
    api.call("PATCH", "/branding", {"logo": kept["key"]})
    status, problem = api.call("DELETE", f"/pictures/{kept['id']}")
    assert (status, problem["code"]) == (409, "conflict_state")
    assert stranger.call("DELETE", f"/pictures/{gone['id']}")[0] == 404
    assert api.call("DELETE", f"/pictures/{gone['id']}") == (204, None)
    assert api.get("/pictures")[1]["items"] == [kept]


def test_what_is_no_picture_is_refused_at_its_field(api: Api) -> None:
    status, problem = upload(api, b"<svg/>", alt="")
    assert (status, problem["code"], [error["pointer"] for error in problem["errors"]]) == (
        422,
        "invalid",
        ["/alt"],
    )


def test_branding_is_read_changed_and_inherited(api: Api) -> None:
    from outreach.core.models import Organisation

    Organisation.objects.create(slug="town", name={"bg": "Община"}, parent=api.organisation)
    _status, logo = upload(api, photograph(), alt="Герб")
    change = {"colour": "#104080", "logo": logo["key"], "footer": {"bg": "София"}}
    status, _changed = api.call("PATCH", "/branding", change)
    assert (status, api.get("/branding?organisation=town")) == (
        200,
        (
            200,
            {
                "organisation": "town",
                "own": {"name": {}, "logo": "", "colour": "", "link_colour": "", "footer": {}},
                "effective": {
                    "name": {"bg": "Община"},
                    "logo": logo["url"],
                    "colour": "#104080",
                    "link_colour": "",
                    "footer": {"bg": "София"},
                },
            },
        ),
    )


def test_a_colour_that_cannot_be_read_is_refused_with_its_contrast(api: Api) -> None:
    status, problem = api.call("PATCH", "/branding", {"colour": "#104080", "link_colour": "#ffcc00"})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/link_colour")
    assert "contrast 1.5" in problem["errors"][0]["detail"]


def test_a_content_keeps_what_only_an_e_mail_has(api: Api) -> None:
    calendar = {
        "title": "Ден",
        "start": "2026-12-04T10:00",
        "end": "2026-12-04T12:00",
        "timezone": "Europe/Sofia",
        "place": "Зала",
    }
    content = {
        "channel": "email",
        "language": "bg",
        "format": "html",
        "subject": "Новини",
        "body": "<p>a\n<b>x</p>",
        "preheader": "Днес",
        "calendar": calendar,
        "pictures": "attached",
    }
    status, campaign = api.post("/campaigns", {"name": "a", "channels": {"order": ["email"]}, "contents": [content]})
    assert status == 201, campaign
    assert campaign["contents"] == [{**content, "variant": "", "account": None}]
    _status, review = api.post(f"/campaigns/{campaign['id']}/review")
    said = [problem["message"] for problem in review["problems"] if problem["field"] == "contents/0/body"]
    assert said == ["<b> of line 2 is not closed before </p>."]
