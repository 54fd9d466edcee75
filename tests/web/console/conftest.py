"""Alice is a member of a ministry, Bob of its municipality, Charlie of another council; each with a browser logged in.

Django is not set up yet when this file is read, so what needs it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from outreach.core.access import Actor
    from outreach.core.models import Organisation, User


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a role at a node, and their browser."""

    user: User
    organisation: Organisation
    client: Client

    @property
    def actor(self) -> Actor:
        from outreach.core.access import actor_of_user

        return actor_of_user(self.user, self.organisation)

    def see(self, path: str, status: int = 200) -> str:
        """The page at this path."""
        response = self.client.get(path)
        assert response.status_code == status, path
        return str(response.content.decode())

    def post(self, path: str, **fields: Any) -> Any:
        return self.client.post(path, fields)


@pytest.fixture
def ministry(db: None) -> Organisation:
    from outreach.core.models import Organisation

    return Organisation.objects.create(slug="ministry", name={"bg": "Министерство", "en": "Ministry"})


@pytest.fixture
def municipality(ministry: Organisation) -> Organisation:
    from outreach.core.models import Organisation

    return Organisation.objects.create(slug="town", name={"bg": "Община", "en": "Town"}, parent=ministry)


@pytest.fixture
def member() -> Callable[..., Person]:
    """Make a member: `member("Dora", organisation, Role.ANALYST)`."""
    from django.test import Client

    from outreach.core.models import Membership, User

    def make(name: str, organisation: Organisation, *roles: str) -> Person:
        user = User.objects.create_user(f"{name.lower()}@example.org", "right horse battery", name=name, language="en")
        for role in roles:
            Membership.objects.create(user=user, organisation=organisation, role=role)
        client = Client()
        client.force_login(user)
        return Person(user=user, organisation=organisation, client=client)

    return make


@pytest.fixture
def alice(member: Callable[..., Person], ministry: Organisation) -> Person:
    return member("Alice", ministry, "administrator")


@pytest.fixture
def bob(member: Callable[..., Person], municipality: Organisation) -> Person:
    return member("Bob", municipality, "analyst")


@pytest.fixture
def charlie(member: Callable[..., Person]) -> Person:
    from outreach.core.models import Organisation

    other = Organisation.objects.create(slug="elsewhere", name={"bg": "Другаде", "en": "Elsewhere"})
    return member("Charlie", other, "administrator")
