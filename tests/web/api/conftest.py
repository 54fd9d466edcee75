"""Two organisations with a token each. Django is not set up when this file is read, so models are imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from outreach.audience.models import Topic
    from outreach.core.models import Organisation

    from .caller import Api


@pytest.fixture
def ministry(db: None) -> Organisation:
    from outreach.core.models import Organisation

    return Organisation.objects.create(slug="ministry", name={"bg": "Министерство", "en": "Ministry"})


@pytest.fixture
def stranger(db: None) -> Api:
    """Somebody of another tree, with every right there."""
    from outreach.core.models import Organisation

    from .caller import make_api

    return make_api(Organisation.objects.create(slug="elsewhere", name={"en": "Elsewhere"}))


@pytest.fixture
def api(ministry: Organisation) -> Api:
    from .caller import make_api

    return make_api(ministry)


@pytest.fixture
def topic(ministry: Organisation) -> Topic:
    from outreach.audience.models import Topic

    return Topic.objects.create(organisation=ministry, slug="health", name={"bg": "Здраве", "en": "Health"})
