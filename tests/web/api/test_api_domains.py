"""Domains that do not take our e-mails: over the API and on the page, one's own alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from outreach.core import clock
from outreach.core.models import Organisation
from outreach.effectiveness.domains import as_json, domain_troubles
from outreach.events.domain_tally import DomainTrouble

from .caller import Api

pytestmark = pytest.mark.django_db


def trouble(organisation: Organisation, domain: str, **counts: Any) -> None:
    at = clock.now() - timedelta(hours=1)
    DomainTrouble.objects.create(
        organisation=organisation, domain=domain, cause="rate", on=at.date(), first_at=at, last_at=at, **counts
    )


def test_domains_are_listed_and_read_one_by_one(api: Api, stranger: Api, ministry: Organisation) -> None:
    trouble(ministry, "gmail.com", deferred=3)
    trouble(ministry, "abv.bg", refused=2)
    lines = domain_troubles(ministry, days=7).domains

    assert api.get("/recipient-domains") == (200, {"items": [as_json(line) for line in lines], "count": 2})
    assert api.get("/recipient-domains/ABV.bg?days=2")[1] == as_json(lines[1])
    assert stranger.get("/recipient-domains") == (200, {"items": [], "count": 0})
    assert stranger.get("/recipient-domains/abv.bg")[0] == 404
    assert api.get("/recipient-domains?days=0")[0] == 422
