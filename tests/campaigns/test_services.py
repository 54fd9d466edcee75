from __future__ import annotations

from typing import Any

import pytest

from outreach.campaigns.services import change_service, create_service
from outreach.core.errors import Forbidden, Invalid
from tests.campaigns.studio import Studio

GOOD: dict[str, Any] = {
    "slug": "e-prescription",
    "name": {"bg": "Рецепта", "en": "Prescription"},
    "url": "https://example.bg/rx",
    "steps": {"bg": "Влезте"},
    "kinds": ["citizen"],
    "topics": ["e-services"],
}


def test_a_service_is_added_and_changed(studio: Studio) -> None:
    service = create_service(studio.author, GOOD)
    change_service(studio.author, service, {"url": "https://example.bg/new", "topics": []})
    service.refresh_from_db()
    assert (service.slug, service.name["en"], service.url, service.kinds, service.topics.count()) == (
        "e-prescription",
        "Prescription",
        "https://example.bg/new",
        ["citizen"],
        0,
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Card!"}, "slug"),
        ({"slug": "card"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"name": {}}, "name"),
        ({"name": {"de": "Karte"}}, "name/de"),
        ({"url": "example.bg"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"kinds": ["alien"]}, "kinds/0"),
        ({"topics": ["none"]}, "topics/0"),
        ({"organisation": "council"}, "organisation"),
        ({"step": {}}, "step"),
        ({"click_parameter": "a&b"}, "click_parameter"),
    ],
)
def test_each_bad_field_is_named(studio: Studio, change: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        create_service(studio.author, {**GOOD, **change})
    assert field in caught.value.facts["fields"]


def test_only_who_may(studio: Studio) -> None:
    with pytest.raises(Forbidden):
        create_service(studio.approver, GOOD)
