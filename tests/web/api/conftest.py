"""Two organisations with a token each, and a client that speaks JSON with a bearer token."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from outreach.audience.models import Topic
from outreach.core.models import ApiToken, Organisation
from outreach.core.vocabulary import ApprovalPolicy, Role


@dataclass(frozen=True)
class Api:
    """Calls as one token; answers are (status, JSON)."""

    token: str
    organisation: Organisation

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        response = Client(raise_request_exception=False).generic(
            method,
            f"/api/v1{path}",
            data=b"" if body is None else json.dumps(body).encode(),
            content_type="application/json",
            headers={"authorization": f"Bearer {self.token}", **headers},
        )
        return response.status_code, json.loads(response.content) if response.content else None

    def get(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        return self.call("POST", path, body, **headers)


def make_api(organisation: Organisation, role: str = Role.ADMINISTRATOR) -> Api:
    token = f"token-of-{organisation.slug}-{role}"
    ApiToken.objects.create(organisation=organisation, role=role, digest=hashlib.sha256(token.encode()).hexdigest())
    return Api(token=token, organisation=organisation)


@pytest.fixture
def ministry(db: None) -> Organisation:
    return Organisation.objects.create(
        slug="ministry", name={"bg": "Министерство", "en": "Ministry"}, approval=ApprovalPolicy.NONE
    )


@pytest.fixture
def stranger(db: None) -> Api:
    """Somebody of another tree, with every right there."""
    return make_api(Organisation.objects.create(slug="elsewhere", name={"en": "Elsewhere"}))


@pytest.fixture
def api(ministry: Organisation) -> Api:
    return make_api(ministry)


@pytest.fixture
def topic(ministry: Organisation) -> Topic:
    return Topic.objects.create(organisation=ministry, slug="health", name={"bg": "Здраве", "en": "Health"})
