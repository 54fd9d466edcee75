"""API: where and how people sign up by themselves, and whose addresses are not taken."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from ninja import Router

from outreach.audience.signup_rules import own_domains, refuse_domains
from outreach.core.models import Organisation
from outreach.core.vocabulary import Language
from outreach.web.api.access import Caller, at
from outreach.web.api.schemas import SignUpOut, SignUpPatch, Slug
from outreach.web.public.join_snippet import join_snippet

router = Router(tags=["Sign-up"])


@router.get("/sign-up", response=SignUpOut, summary="The sign-up page, the form for other sites, refused domains")
def get_sign_up(request: Caller, organisation: Slug | None = None) -> Any:
    return _shown(at(request.auth, organisation).organisation)


@router.patch("/sign-up", response=SignUpOut, summary="Replace the mail domains whose addresses are not taken")
def patch_sign_up(request: Caller, payload: SignUpPatch) -> Any:
    actor = at(request.auth, payload.organisation)
    refuse_domains(actor, payload.refused_domains)
    return _shown(actor.organisation)


def _shown(organisation: Organisation) -> dict[str, Any]:
    paths = {"url": "public-join", "topics_url": "public-topic-tree"}
    return {
        **{name: f"{settings.BASE_URL}{reverse(view, args=[organisation.slug])}" for name, view in paths.items()},
        "forms": {code: join_snippet(organisation, code) for code in Language.values},
        "refused_domains": own_domains(organisation),
    }
