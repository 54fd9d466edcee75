"""One token's calls of the API, in process."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from outreach.core.models import ApiToken, Organisation
from outreach.core.vocabulary import Role


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
