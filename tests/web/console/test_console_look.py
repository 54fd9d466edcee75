"""How an organisation's e-mails look, pictures, and what only an e-mail has, in the console."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from django.core.files.uploadedfile import SimpleUploadedFile

from outreach.campaigns.branding import look_of
from outreach.campaigns.drafts import create_campaign
from outreach.campaigns.models import Branding, Campaign, Content, Picture
from outreach.campaigns.pictures import url_of
from outreach.core.models import Organisation
from outreach.core.vocabulary import Role
from tests.campaigns.test_pictures import photograph
from tests.web.console.conftest import Person

LOOK = {"colour": "#7a0019", "link_colour": "", "name_en": "The Ministry", "footer_en": "1 High Street\nSofia"}


def campaign_of(person: Person) -> Campaign:
    return create_campaign(person.actor, {"name": "News"})


def test_the_look_is_saved_with_a_logo_and_shown(alice: Person) -> None:
    answer = alice.post("/look", **LOOK, logo_file=SimpleUploadedFile("logo.png", photograph((400, 100), kind="PNG")))
    assert answer.status_code == 302
    look = look_of(alice.organisation)
    assert (look.colour, look.name, look.footer) == (
        "#7a0019",
        {"en": "The Ministry"},
        {"en": "1 High Street\nSofia"},
    )
    assert look.logo == Picture.objects.get()
    page, html = alice.see("/look"), alice.see("/look/en.html")
    assert re.search(r"Head and buttons: contrast \d\d\.\d", page)
    assert [piece in html for piece in ("#7a0019", "The Ministry", "1 High Street<br>Sofia", str(look.logo.key))] == [
        True
    ] * 4


def test_what_is_wrong_stands_at_its_field(alice: Person) -> None:
    page = alice.post("/look", **{**LOOK, "link_colour": "#ffcc00"}).content.decode()
    assert "Links in this colour are hard to read on white: contrast 1.5" in unescape(page)
    refused = alice.post("/look", **LOOK, logo_file=SimpleUploadedFile("logo.svg", b"<svg/>")).content.decode()
    assert "use PNG, JPEG or GIF" in refused
    assert Branding.objects.count() == 0


def test_a_look_is_tried_without_being_saved(alice: Person) -> None:
    seen = alice.post("/look/preview", **LOOK).content.decode()
    html = alice.post("/look/en.html", **LOOK).content.decode()
    assert (seen.count("data-live="), "#7a0019" in html, Branding.objects.count()) == (2, True, 0)
    assert "Write a colour as #" in alice.post("/look/preview", **{**LOOK, "colour": "red"}).content.decode()


def test_only_administrators_change_the_look(member: Callable[..., Person], ministry: Organisation) -> None:
    author = member("Ada", ministry, Role.AUTHOR)
    assert "disabled" in author.see("/look")
    assert (author.post("/look", **LOOK).status_code, author.post("/look/preview", **LOOK).status_code) == (403, 403)
    assert Branding.objects.count() == 0


def test_a_picture_is_added_beside_the_editor_and_put_into_the_text(alice: Person) -> None:
    campaign = campaign_of(alice)
    fields = {"alt": "A <square>", "format": "html", "file": SimpleUploadedFile("a.jpg", photograph())}
    listed = alice.client.post("/pictures", fields, headers={"hx-request": "true"}).content.decode()
    key = Picture.objects.get().key
    inserted = unescape(re.findall(r'data-insert="([^"]*)"', listed)[0])
    assert inserted == f'<img src="http://outreach.test/i/{key}" alt="A &lt;square&gt;" width="40">'
    page = unescape(alice.see(f"/campaigns/{campaign.pk}/message/email/en"))
    assert f"![A <square>](http://outreach.test/i/{key})" in page
    refused = alice.client.post("/pictures", {"alt": ""}, headers={"hx-request": "true"}).content.decode()
    assert ("Choose a file." in refused, "Say in words" in refused) == (True, True)


def test_a_picture_is_deleted_beside_the_editor_or_says_what_shows_it(
    alice: Person, member: Callable[..., Person], municipality: Organisation
) -> None:
    bob = member("Ben", municipality, Role.AUTHOR)
    campaign = campaign_of(alice)
    alice.client.post("/pictures", {"alt": "A square", "file": SimpleUploadedFile("a.jpg", photograph())})
    picture = Picture.objects.get()
    body = f"![]({url_of(picture)})"
    content = Content.objects.create(campaign=campaign, channel="email", language="en", subject="x", body=body)
    path, fragment = f"/pictures/{picture.pk}/delete", {"hx-request": "true"}
    refused = unescape(alice.client.post(path, headers=fragment).content.decode())
    assert "This picture is in use: “News”. Take it out there first." in refused
    alice.client.post(path, {"next": "/people"})
    assert "This picture is in use" in unescape(alice.see("/people"))
    assert bob.client.post(path).status_code == 404
    content.delete()
    listed = alice.client.post(path, {"format": "html"}, headers=fragment).content.decode()
    assert ("The picture is deleted." in listed, "There are no pictures yet." in listed) == (True, True)
    assert Picture.objects.count() == 0


def test_a_picture_may_be_deleted_from_a_campaign_of_a_node_below(alice: Person, bob: Person) -> None:
    below = Campaign.objects.create(organisation=bob.organisation, name="News", channels=["email"])
    alice.client.post("/pictures", {"alt": "Arms", "file": SimpleUploadedFile("a.jpg", photograph())})
    assert "Delete a picture" in alice.see(f"/campaigns/{below.pk}/message/email/en")


def test_pictures_of_the_nodes_above_are_offered_and_not_deleted(
    alice: Person, member: Callable[..., Person], municipality: Organisation
) -> None:
    bob = member("Ben", municipality, Role.AUTHOR)
    alice.client.post("/pictures", {"alt": "Arms", "file": SimpleUploadedFile("a.jpg", photograph())})
    below, above = (person.see(f"/campaigns/{campaign_of(person).pk}/message/email/en") for person in (bob, alice))
    assert ("Arms" in below, "Delete a picture" in below, "Delete a picture" in above) == (True, False, True)


def test_an_e_mail_is_written_with_preheader_calendar_and_pictures(alice: Person) -> None:
    campaign = campaign_of(alice)
    fields = {
        "subject": "Open day",
        "body": "Come.",
        "format": "markdown",
        "preheader": "This Friday",
        "calendar_title": "Open day",
        "calendar_place": "Hall 1",
        "calendar_start": "2026-12-04T10:00",
        "calendar_end": "2026-12-04T12:30",
        "pictures": "attached",
    }
    path = f"/campaigns/{campaign.pk}/message/email/en"
    assert alice.post(path, **fields).status_code == 302
    content = Content.objects.get()
    assert (content.preheader, content.pictures, content.calendar) == (
        "This Friday",
        "attached",
        {
            "title": "Open day",
            "place": "Hall 1",
            "timezone": "Europe/Sofia",
            "start": "2026-12-04T10:00",
            "end": "2026-12-04T12:30",
        },
    )
    page = unescape(alice.see(path))
    assert [piece in page for piece in ("This Friday</span>", "event.ics", 'value="2026-12-04T10:00"')] == [True] * 3
    wrong = unescape(alice.post(path, **{**fields, "calendar_end": "2026-12-04T10:00"}).content.decode())
    assert "It must end after it begins" in wrong


def test_wrong_html_is_named_with_its_line_while_it_is_written(alice: Person) -> None:
    campaign = campaign_of(alice)
    fields = {"subject": "a", "body": "<p>a\n<b>x</p>", "format": "html"}
    seen = alice.post(f"/campaigns/{campaign.pk}/message/email/en/preview", **fields).content.decode()
    assert "<b> of line 2 is not closed before </p>." in unescape(seen)


def test_other_channels_have_none_of_it(alice: Person) -> None:
    campaign = campaign_of(alice)
    page = alice.see(f"/campaigns/{campaign.pk}/message/sms/en")
    assert [name in page for name in ("preheader", "calendar_title", "picture-file")] == [False] * 3
    assert "MJML" not in alice.see(f"/campaigns/{campaign.pk}/message/feed/en")


def test_a_feeds_entry_is_shown_without_what_only_an_e_mail_has(alice: Person) -> None:
    campaign = campaign_of(alice)
    path = f"/campaigns/{campaign.pk}/message/feed/en"
    assert alice.post(path, subject="News", body="Come.", format="markdown").status_code == 302
    page = alice.see(path)
    assert ("kB of HTML" in page, "News</b>" in page) == (False, True)
