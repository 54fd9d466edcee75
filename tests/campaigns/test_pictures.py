from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from outreach.core.errors import Forbidden, Invalid

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio


def photograph(size: tuple[int, int] = (40, 20), *, kind: str = "JPEG", turned: bool = False) -> bytes:
    """A picture with a place, a camera and a comment in it."""
    picture = Image.new("RGB", size, "#aa3300")
    facts = Image.Exif()
    facts[0x010F] = "A camera"
    facts[0x8825] = {1: "N", 2: (42.0, 41.0, 50.0)}
    if turned:
        facts[0x0112] = 6
    out = io.BytesIO()
    picture.save(out, kind, **({} if kind == "GIF" else {"exif": facts}))
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("GIF", "image/gif")])
def test_a_picture_is_kept_without_what_a_camera_adds(studio: Studio, kind: str, media_type: str) -> None:
    from outreach.campaigns.pictures import add_picture, keys_in, url_of

    picture = add_picture(studio.author, photograph(kind=kind), alt="  Площадът \n на града ")
    kept = opened(bytes(picture.data))
    assert (picture.media_type, picture.alt, picture.width, picture.height, picture.size) == (
        media_type,
        "Площадът на града",
        40,
        20,
        len(picture.data),
    )
    assert (dict(kept.getexif()), b"A camera" in picture.data) == ({}, False)
    assert keys_in(f"![x]({url_of(picture)}) и {url_of(picture)}") == [picture.key]


def test_a_picture_is_turned_upright_and_made_no_wider_than_it_has_to_be(studio: Studio) -> None:
    from outreach.campaigns.pictures import add_picture

    turned = add_picture(studio.author, photograph((40, 20), turned=True), alt="x")
    wide = add_picture(studio.author, photograph((3000, 1000), kind="PNG"), alt="x")
    assert (turned.width, turned.height, wide.width, wide.height) == (20, 40, 1200, 400)
    assert opened(bytes(turned.data)).size == (20, 40)


def test_the_same_file_is_kept_once_with_the_newer_description(studio: Studio) -> None:
    from outreach.campaigns.models import Picture
    from outreach.campaigns.pictures import add_picture

    first = add_picture(studio.author, photograph(), alt="Площад")
    again = add_picture(studio.author, photograph(), alt="Площадът през зимата")
    assert (again.pk, again.key) == (first.pk, first.key)
    assert list(Picture.objects.values_list("alt", flat=True)) == ["Площадът през зимата"]


@pytest.mark.parametrize(
    ("data", "alt", "fields"),
    [
        (b"", "x", ["file"]),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "x", ["file"]),
        (b"GIF89a but no picture", "x", ["file"]),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "x", ["file"]),
        (b"a" * 4_000_001, "x", ["file"]),
        (photograph(), " ", ["alt"]),
        (photograph(), "x" * 301, ["alt"]),
        (b"", "", ["file", "alt"]),
    ],
)
def test_what_is_no_picture_or_has_no_words_is_refused(
    studio: Studio, data: bytes, alt: str, fields: list[str]
) -> None:
    from outreach.campaigns.models import Picture
    from outreach.campaigns.pictures import add_picture

    with pytest.raises(Invalid) as refused:
        add_picture(studio.author, data, alt=alt)
    assert (list(refused.value.fields), Picture.objects.count()) == (fields, 0)


def test_a_small_file_that_unpacks_into_much_is_refused(studio: Studio) -> None:
    from outreach.campaigns.pictures import add_picture

    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    with pytest.raises(Invalid) as refused:
        add_picture(studio.author, out.getvalue(), alt="x")
    assert list(refused.value.fields) == ["file"]


def test_only_who_writes_campaigns_adds_pictures(studio: Studio) -> None:
    from outreach.campaigns.pictures import add_picture

    with pytest.raises(Forbidden):
        add_picture(studio.approver, photograph(), alt="x")


def test_pictures_of_the_nodes_above_may_be_used_and_no_others(studio: Studio) -> None:
    from dataclasses import replace

    from outreach.campaigns.pictures import add_picture, usable_pictures
    from outreach.core.models import Organisation

    above = add_picture(replace(studio.administrator, organisation=studio.council), photograph(), alt="Герб")
    beside = Organisation.objects.create(slug="village", parent=studio.council)
    add_picture(replace(studio.administrator, organisation=beside), photograph((10, 10)), alt="Чужда")
    assert list(usable_pictures(studio.town)) == [above]


def test_a_picture_that_nothing_shows_is_deleted(studio: Studio) -> None:
    from outreach.campaigns.models import Picture
    from outreach.campaigns.pictures import add_picture, delete_picture
    from outreach.core.models import AuditEntry

    picture = add_picture(studio.author, photograph(), alt="Площад")
    with pytest.raises(Forbidden):
        delete_picture(studio.approver, picture)
    delete_picture(studio.author, Picture.objects.defer("data").get())
    entry = AuditEntry.objects.latest("pk")
    assert (Picture.objects.count(), entry.action, entry.noun) == (0, "picture.deleted", "picture")


def test_a_picture_in_use_says_where(studio: Studio) -> None:
    from dataclasses import replace

    from django.utils import translation

    from outreach.campaigns.branding import change_branding
    from outreach.campaigns.models import NoticeTemplate, Picture
    from outreach.campaigns.pictures import add_picture, delete_picture, url_of
    from outreach.core.errors import StateConflict
    from outreach.core.models import Organisation

    picture = add_picture(studio.administrator, photograph(), alt="Площад")
    text = {"channel": "email", "language": "bg", "subject": "x", "body": f"![]({url_of(picture)})"}
    studio.campaign(name="Карта", contents=[{**text, "format": "markdown"}])
    NoticeTemplate.objects.create(
        organisation=studio.town, slug="a", name="Готово", lawful_basis="contract", contents=[text]
    )
    change_branding(studio.administrator, {"logo": picture.key})
    beside = Organisation.objects.create(slug="village", parent=studio.council)
    NoticeTemplate.objects.create(organisation=beside, slug="a", name="Чуждо", lawful_basis="contract", contents=[text])
    with translation.override("en"), pytest.raises(StateConflict) as refused:
        delete_picture(studio.author, picture)
    assert str(refused.value.message) == (
        "This picture is in use: “Карта”, “Готово”, another organisation, the look of e-mails, Town. "
        "Take it out there first."
    )
    with translation.override("en"), pytest.raises(StateConflict) as seen_from_above:
        delete_picture(replace(studio.author, organisation=studio.council), picture)
    assert "“Чуждо”" in str(seen_from_above.value.message)
    assert Picture.objects.count() == 1


def test_a_picture_stays_while_readers_of_sent_messages_may_fetch_it(studio: Studio) -> None:
    from django.utils import translation

    from outreach.campaigns.models import Content
    from outreach.campaigns.pictures import add_picture, delete_picture, url_of
    from outreach.campaigns.planning import create_run
    from outreach.core import clock
    from outreach.core.errors import StateConflict

    studio.account()
    picture = add_picture(studio.author, photograph(), alt="Площад")
    campaign = studio.campaign(name="Карта")
    Content.objects.filter(campaign=campaign).update(body=f"![]({url_of(picture)})")
    recipients = [{"channel": "email", "value": "a@example.org"}]
    create_run(campaign, occurrence=clock.now(), actor=studio.author, kind="test", recipients=recipients)
    run = create_run(campaign, occurrence=clock.now(), actor=studio.author)
    Content.objects.filter(campaign=campaign).update(body="Без картина")
    with translation.override("en"), pytest.raises(StateConflict) as refused:
        delete_picture(studio.author, picture)
    assert str(refused.value.message) == (
        "Messages that were sent show this picture: “Карта”. It has to stay for their readers."
    )
    run.delete()
    delete_picture(studio.author, picture)
