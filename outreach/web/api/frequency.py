"""API: how often at most people are written to, by topic and by a budget that organisations share."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ninja import Router, Status

from outreach.audience.caps import (
    Allowance,
    budgets_open_to,
    cap_of_topic,
    join_budget,
    joined_budget,
    set_budget,
    set_topic_cap,
)
from outreach.audience.digest_time import digest_time_of, set_digest_time
from outreach.audience.models import Budget, Topic
from outreach.core.errors import Invalid
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import find, read_word
from outreach.web.api.schemas import (
    BudgetChoiceIn,
    BudgetIn,
    BudgetListOut,
    BudgetOut,
    CapIn,
    CapOut,
    DigestTimeIn,
    DigestTimeOut,
)

router = Router(tags=["Audience"])


def _topic(request: Caller, topic_id: str) -> Topic:
    return find(Topic.objects.for_organisation(request.auth.organisation).select_related("organisation"), topic_id)


def _cap_json(topic: Topic) -> dict[str, Any]:
    cap = cap_of_topic(topic)
    return {"topic": topic.slug, "messages": cap and cap.messages, "days": cap and cap.days}


def _budget_json(budget: Budget, *, joined: Budget | None) -> dict[str, Any]:
    return {
        "id": str(budget.pk),
        "organisation": budget.organisation.slug,
        "messages": budget.messages,
        "days": budget.days,
        "joined": budget == joined,
    }


@router.get("/topics/{topic_id}/cap", response=CapOut, summary="How many messages on a topic a person gets at most")
def get_cap(request: Caller, topic_id: str) -> Any:
    return _cap_json(_topic(request, topic_id))


@router.put("/topics/{topic_id}/cap", response=CapOut, summary="Cap the messages on a topic")
def put_cap(request: Caller, topic_id: str, payload: CapIn) -> Any:
    topic = _topic(request, topic_id)
    set_topic_cap(request.auth, topic, Allowance(messages=payload.messages, days=payload.days))
    return _cap_json(topic)


@router.delete("/topics/{topic_id}/cap", response={204: None}, summary="Cap a topic no more")
def delete_cap(request: Caller, topic_id: str) -> Any:
    set_topic_cap(request.auth, _topic(request, topic_id), None)
    return Status(204, None)


@router.get("/digests/time", response=DigestTimeOut, summary="When an organisation's digests come")
def get_digest_time(request: Caller, organisation: str = "") -> Any:
    node = at(request.auth, read_word(organisation, field="organisation")).organisation
    return asdict(digest_time_of(node))


@router.put("/digests/time", response=DigestTimeOut, summary="Choose when an organisation's digests come")
def put_digest_time(request: Caller, payload: DigestTimeIn) -> Any:
    actor = at(request.auth, payload.organisation)
    return asdict(set_digest_time(actor, at=payload.at, weekday=payload.weekday))


@router.get("/budgets", response=BudgetListOut, summary="Budgets that an organisation may join")
def list_budgets(request: Caller, organisation: str = "") -> Any:
    node = at(request.auth, read_word(organisation, field="organisation")).organisation
    joined = joined_budget(node)
    found = budgets_open_to(node).order_by("organisation__path")
    return {"items": [_budget_json(budget, joined=joined) for budget in found]}


@router.put("/budgets/own", response=BudgetOut, summary="Offer a budget to an organisation and those below it")
def put_budget(request: Caller, payload: BudgetIn) -> Any:
    actor = at(request.auth, payload.organisation)
    budget = set_budget(actor, Allowance(messages=payload.messages, days=payload.days))
    assert budget is not None  # noqa: S101 -- a budget was given
    return _budget_json(budget, joined=joined_budget(actor.organisation))


@router.delete("/budgets/own", response={204: None}, summary="Withdraw the budget from all who joined it")
def delete_budget(request: Caller, organisation: str = "") -> Any:
    set_budget(at(request.auth, read_word(organisation, field="organisation")), None)
    return Status(204, None)


@router.put("/budgets/joined", response=BudgetListOut, summary="Join a budget, or none")
def put_joined(request: Caller, payload: BudgetChoiceIn) -> Any:
    actor = at(request.auth, payload.organisation)
    budget = None
    if payload.budget is not None:
        is_number = payload.budget.isascii() and payload.budget.isdecimal() and len(payload.budget) < 19
        budget = budgets_open_to(actor.organisation).filter(pk=payload.budget).first() if is_number else None
        if budget is None:
            raise Invalid({"budget": ["This budget is not offered to your organisation."]})
    join_budget(actor, budget)
    return list_budgets(request, organisation=actor.organisation.slug)
