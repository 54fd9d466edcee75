"""A ministry with one topic. Models are imported late: this file may be read before Django is set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from outreach.audience.models import Topic
    from outreach.core.access import Actor
    from outreach.core.models import Organisation


@pytest.fixture
def ministry(db: None) -> Organisation:
    from outreach.core.models import Organisation

    return Organisation.objects.create(slug="ministry", name={"bg": "Министерство", "en": "Ministry"})


@pytest.fixture
def actor(ministry: Organisation) -> Actor:
    from outreach.core.access import product_itself

    return product_itself(ministry)


@pytest.fixture
def topic(ministry: Organisation) -> Topic:
    from outreach.audience.models import Topic

    return Topic.objects.create(organisation=ministry, slug="e-services", name={"bg": "Е-услуги", "en": "E-services"})
