"""Who calls: a bearer token, which acts as a member of its own at one node of the tree."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest
from ninja.security import HttpBearer

from outreach.core import clock
from outreach.core.access import Actor, actor_of_token
from outreach.core.errors import Invalid
from outreach.core.models import ApiToken, Organisation

#: How exactly `last_used_at` is kept.
SEEN_EVERY: Final = timedelta(minutes=1)


class Caller(HttpRequest):
    """A request of the API: ninja leaves in `auth` what the bearer check returned."""

    auth: Actor


class Bearer(HttpBearer):
    """`Authorization: Bearer TOKEN`; answers 401 for an unknown or revoked one."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        found = find_token(token)
        if found is None:
            return None
        now = clock.now()
        if found.last_used_at is None or found.last_used_at < now - SEEN_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
        return actor_of_token(found)


def find_token(token: str) -> ApiToken | None:
    """The token's row by its SHA-256; None where it is unknown or revoked."""
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
    return ApiToken.objects.select_related("organisation").filter(digest=digest, revoked_at=None).first()


def at(actor: Actor, slug: str | None) -> Actor:
    """The actor at the named organisation, which must lie in the token's subtree.

    Raises:
        Invalid: it does not, or there is none such.
    """
    if not slug or slug == actor.organisation.slug:
        return actor
    organisation = Organisation.objects.filter(slug=slug, path__startswith=actor.organisation.path).first()
    if organisation is None:
        raise Invalid({"organisation": ["There is no such organisation below that of your token."]})
    return actor.at(organisation)
