"""API: after how many returned messages an address is not written to any more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ninja import Router, Schema, Status

from outreach.audience.bounce_rules import forget_thresholds, has_own_rule, set_thresholds, thresholds_of
from outreach.core.models import Organisation
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import read_word
from outreach.web.api.schemas import Body, Slug

router = Router(tags=["Audience"])


class BounceRulePatch(Body):
    organisation: Slug | None = None
    hard_after: int | None = None
    soft_after: int | None = None
    within_days: int | None = None


class BounceRuleOut(Schema):
    """`soft_after` 0: however many."""

    organisation: str
    is_own: bool
    hard_after: int
    soft_after: int
    within_days: int


@router.get("/bounce-rules", response=BounceRuleOut, summary="When returned messages end it")
def get_bounce_rule(request: Caller, organisation: str = "") -> Any:
    return _rule_json(at(request.auth, read_word(organisation, field="organisation")).organisation)


@router.patch("/bounce-rules", response=BounceRuleOut, summary="Set when returned messages end it")
def patch_bounce_rule(request: Caller, payload: BounceRulePatch) -> Any:
    actor = at(request.auth, payload.organisation)
    set_thresholds(actor, **payload.dict(exclude_none=True, exclude={"organisation"}))
    return _rule_json(actor.organisation)


@router.delete("/bounce-rules", response={204: None}, summary="Let the setting from above hold again")
def delete_bounce_rule(request: Caller, organisation: str = "") -> Any:
    forget_thresholds(at(request.auth, read_word(organisation, field="organisation")))
    return Status(204, None)


def _rule_json(organisation: Organisation) -> dict[str, Any]:
    facts = {"organisation": organisation.slug, "is_own": has_own_rule(organisation)}
    return facts | asdict(thresholds_of(organisation))
