"""What an e-mail looks like: the frame with an organisation's look, the preheader, languages, pictures from within."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from typing import Any

import pytest

from outreach.delivery.look import Look, direction, look_in
from outreach.delivery.markup import show_attached
from outreach.delivery.render import Outgoing, Recipient
from tests.delivery.letter import ANNA, BASE_URL, compiled, frozen, rendered
from tests.delivery.mails import CALENDAR, HTML, KEY, LOGO_URL, LOOK, MJML, frozen_picture, png, written


def test_a_look_is_in_the_contents_language() -> None:
    assert look_in("en", {"look": LOOK}) == Look(
        name="Council of Ministers",
        logo_url=LOGO_URL,
        logo_width=192,
        logo_height=48,
        colour="#7a0019",
        footer=("1, Dondukov Blvd", "1594 Sofia"),
    )
    assert look_in("bg", {}) == Look()


@pytest.mark.parametrize(("language", "expected"), [("bg", "ltr"), ("en", "ltr"), ("ar", "rtl"), ("he-IL", "rtl")])
def test_a_language_has_a_direction(language: str, expected: str) -> None:
    assert direction(language) == expected


def test_the_frame_shows_the_look() -> None:
    message = rendered("Текст\n\n[Тук](https://a.example.bg)", look=LOOK)
    html = message.html
    assert f'<img src="{LOGO_URL}" width="192" height="48" alt=""' in html
    assert re.search(r'class="head-name"[^>]*>Министерски съвет<', html)
    assert '<td class="head" bgcolor="#7a0019"' in html
    assert "Изпраща: Съвет<br>бул. „Княз Дондуков“ 1<br>1594 София" in html
    assert "\nСъвет\nбул. „Княз Дондуков“ 1\n1594 София\n" in message.text


def test_an_organisations_words_are_text_and_no_template() -> None:
    look = {**LOOK, "name": {"bg": "<b>{{ subscriber.name }}</b>"}, "footer": {"bg": "{% if %} & <i>"}}
    html = rendered(look=look).html
    assert "&lt;b&gt;{{ subscriber.name }}&lt;/b&gt;" in html
    assert "{% if %} &amp; &lt;i&gt;" in html


def preheader_of(html: str) -> str:
    found = re.search(r'<div class="preheader"[^>]*>(.*?)(?:\u2007|&#8199;)', html)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ({}, "Първото изречение на писмото, което е достатъчно дълго, за да се чете."),
        ({"preheader": "Само днес, {{ subscriber.name }} & други"}, "Само днес, Анна &amp; други"),
    ],
)
def test_the_preheader_is_the_authors_or_the_beginning(extras: dict[str, Any], expected: str) -> None:
    body = "# Новини\n\nПървото изречение на писмото, което е достатъчно дълго, за да се чете.\n\nВторо."
    assert preheader_of(written(body, extras=extras).html) == expected


@pytest.mark.parametrize(("body", "format"), [(HTML, "html"), (MJML, "mjml")])
def test_an_authors_document_is_told_its_language_ground_and_preheader(body: str, format: str) -> None:
    html = written(body, format=format, extras={"preheader": "Само днес < утре, {{ subscriber.name }}"}).html
    assert re.search(r'<html[^>]*lang="bg" dir="ltr"', html)
    assert "Само днес &lt; утре, Анна</div>" in html
    assert re.search(r"<body[^>]*(#ffffff|#eef1f6)", html)
    assert "und" not in re.findall(r'lang="(\w+)"', html)


def test_an_authors_own_language_and_dark_rules_stay() -> None:
    body = HTML.replace("<html>", '<html lang="en">').replace(
        "</head>", "<style>@media (prefers-color-scheme: dark) { p { color: #eee } }</style></head>"
    )
    html = rendered(body, format="html").html
    assert '<html lang="en">' in html
    assert '<meta name="color-scheme" content="light dark">' in html


def test_a_preheader_is_checked_as_the_text_is() -> None:
    plan = frozen()
    plan["contents"][0]["preheader"] = "{{ nmae }}"
    run = compiled(contents=plan["contents"])
    assert [(p.field, p.code) for _n, p in run.problems] == [("preheader", "unknown_variable")]


def test_pictures_go_within_where_the_author_wants_that() -> None:
    hosted = written(f"![Герб]({LOGO_URL})", look=LOOK, pictures=frozen_picture())
    within = written(f"![Герб]({LOGO_URL})", look=LOOK, pictures=frozen_picture(), extras={"pictures": "attached"})
    assert (hosted.parts, hosted.html.count(LOGO_URL), "cid:" in hosted.html) == ((), 2, False)
    assert (within.html.count(f"cid:{KEY}@outreach"), LOGO_URL in within.html) == (2, False)
    parsed: Any = message_from_bytes(within.raw, policy=policy.default)
    (picture,) = (part for part in parsed.walk() if part.get_content_maintype() == "image")
    assert (picture["Content-ID"], picture.get_content()) == (f"<{KEY}@outreach>", png())
    assert show_attached(within.html, BASE_URL) == hosted.html


def test_the_short_way_carries_what_the_long_way_carries() -> None:
    plan = frozen("Здравейте, {{ subscriber.name }}", look=LOOK, pictures=frozen_picture())
    plan["contents"][0].update(calendar=CALENDAR, written="2026-11-27T08:00:00+00:00", pictures="attached")
    run = compiled(**{**plan, "body": plan["contents"][0]["body"]})
    anna = Recipient(delivery=1, channel="email", language="bg", to="anna@example.org", subscriber=ANNA)
    short, long = Outgoing(run).render(anna), run.render(anna)
    assert (without_date(short.raw), short.html) == (without_date(long.raw), "")
    assert [part.name for part in long.parts] == [KEY, "event.ics"]


def without_date(raw: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]*", b"", raw)


def test_headers_say_what_it_is_and_how_to_stop_it() -> None:
    parsed: Any = message_from_bytes(rendered().raw, policy=policy.default)
    wanted = ("List-Unsubscribe-Post", "List-Id", "Feedback-ID", "Precedence", "Auto-Submitted")
    assert [str(parsed[name]) for name in wanted] == [
        "List-Unsubscribe=One-Click",
        "<e-services.council.example.bg>",
        "42:7:council:outreach",
        "bulk",
        "auto-generated",
    ]
    assert str(parsed["List-Unsubscribe"]).startswith(f"<{BASE_URL}/u/")
