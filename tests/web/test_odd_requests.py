"""Requests that no browser makes: each is answered with what was wrong with it, and nothing breaks."""

from __future__ import annotations

import base64
import json
import math

import pytest
from django.test import Client

from outreach.core.models import Organisation, User
from outreach.feeds.serving import NO_SUCH_FEED, serve_feed

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(client: Client) -> Client:
    organisation = Organisation.objects.create(slug="town", name={"bg": "Град"})
    user = User.objects.create_user("a@example.org", "right horse battery", name="A")
    user.memberships.create(organisation=organisation, role="administrator")
    client.force_login(user)
    return client


def people_behind(marker: list[object]) -> str:
    """The page of people behind a marker of somebody's own making."""
    return "/people?cursor=" + base64.urlsafe_b64encode(json.dumps(marker).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/people?text=%00", 400),
        (people_behind([math.inf, "", 1]), 404),
        (people_behind(["0", "\0", 1]), 400),
        ("/i/%00", 400),
    ],
)
def test_a_character_that_cannot_be_kept_is_no_fault_of_ours(console: Client, path: str, status: int) -> None:
    assert console.get(path).status_code == status


def test_a_hook_that_is_none_is_refused(client: Client) -> None:
    assert client.post("/hooks/%00/events").status_code == 400


def test_a_feed_that_is_none_is_not_there() -> None:
    assert serve_feed("\0", format_name="rss") == NO_SUCH_FEED


def test_a_form_from_an_address_that_is_none_is_taken(client: Client) -> None:
    Organisation.objects.create(slug="town", name={"bg": "Град"})

    assert client.post("/join/town", {"email": "nobody"}, headers={"origin": "http://["}).status_code == 422
