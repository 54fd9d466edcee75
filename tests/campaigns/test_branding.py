from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from outreach.core.errors import Forbidden, Invalid
from tests.campaigns.test_pictures import photograph

if TYPE_CHECKING:
    from tests.campaigns.studio import Studio


def test_what_a_node_leaves_empty_comes_from_the_nearest_above(studio: Studio) -> None:
    from outreach.campaigns.branding import change_branding, look_of
    from outreach.campaigns.pictures import add_picture, url_of

    council = replace(studio.administrator, organisation=studio.council)
    logo = add_picture(council, photograph(), alt="Герб")
    change_branding(
        council,
        {
            "name": {"bg": "Съветът"},
            "logo": logo.key,
            "colour": "#12397F",
            "link_colour": "#0b5394",
            "footer": {"bg": "бул. „Дондуков“ 1\r\nСофия", "en": " "},
        },
    )
    change_branding(studio.administrator, {"colour": "#7a0019", "name": {"en": "The Town"}})
    assert look_of(studio.council).facts() == {
        "name": {"bg": "Съветът"},
        "logo": {"url": url_of(logo), "width": 40, "height": 20},
        "colour": "#12397f",
        "link_colour": "#0b5394",
        "footer": {"bg": "бул. „Дондуков“ 1\nСофия"},
    }
    assert look_of(studio.town).facts() == {
        "name": {"en": "The Town"},
        "logo": {"url": url_of(logo), "width": 40, "height": 20},
        "colour": "#7a0019",
        "link_colour": "",
        "footer": {"bg": "бул. „Дондуков“ 1\nСофия"},
    }
    change_branding(studio.administrator, {"colour": "", "name": {}})
    assert look_of(studio.town).colour == "#12397f"


def test_without_branding_nothing_is_frozen(studio: Studio) -> None:
    from outreach.campaigns.branding import look_of
    from outreach.campaigns.planning import freeze

    frozen = freeze(studio.campaign(), is_whole=False)
    assert (look_of(studio.town).facts(), "look" in frozen, "pictures" in frozen) == ({}, False, False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"colour": "red"}, {"colour": ["Write a colour as # and six digits, such as #104080."]}),
        (
            {"colour": "#12397f", "link_colour": "#ffcc00"},
            {"link_colour": ["Links in this colour are hard to read on white: contrast 1.5, at least 4.5 is needed."]},
        ),
        (
            {"link_colour": "#12397f"},
            {"link_colour": ["Choose the colour of heads and buttons too: the two belong together."]},
        ),
        ({"logo": "nothing.png"}, {"logo": ["There is no such picture."]}),
        ({"name": {"bg": "x" * 121}}, {"name/bg": ["This is too long: at most 120 characters."]}),
        ({"colr": ""}, {"colr": ["There is no “colr”. Did you mean “colour”?"]}),
    ],
)
def test_what_cannot_be_is_said_at_its_field(studio: Studio, data: dict[str, Any], expected: dict[str, Any]) -> None:
    from outreach.campaigns.branding import change_branding
    from outreach.campaigns.models import Branding

    with pytest.raises(Invalid) as refused:
        change_branding(studio.administrator, data)
    found = {path: [str(text) for text in texts] for path, texts in refused.value.fields.items()}
    assert (found, Branding.objects.count()) == (expected, 0)


def test_only_administrators_change_the_look(studio: Studio) -> None:
    from outreach.campaigns.branding import change_branding

    with pytest.raises(Forbidden):
        change_branding(studio.publisher, {"colour": "#12397f"})


def test_a_changed_look_voids_an_approval_of_an_e_mail(studio: Studio) -> None:
    from outreach.campaigns.branding import change_branding
    from outreach.campaigns.drafts import digest

    campaign = studio.campaign()
    before = digest(campaign)
    change_branding(studio.administrator, {"footer": {"bg": "Нов адрес"}})
    assert digest(campaign) != before
