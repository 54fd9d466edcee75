"""API: rules for subscribers who are asleep, whom each means, and what became of those who were asked."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from django.db.models import QuerySet
from ninja import Router, Status

from outreach.audience.models import Topic
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.events.sleepy import Patience, SleepRule, change_rule, make_rule, remove_rule, topics_of
from outreach.events.sleepy_question import ask, standing_of
from outreach.events.sunset import Foresight, foresee
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import CampaignOut, ListPage, SleepRuleIn, SleepRuleOut, SleepRulePatch, SleepRuleSeen
from outreach.web.api.shapes import Json, campaign_json, moment, subscriber_json

router = Router(tags=["Audience"])


def _rules(organisation: Organisation) -> QuerySet[SleepRule]:
    return SleepRule.objects.for_organisation(organisation).select_related(
        "organisation", "topic__organisation", "segment"
    )


def _rule_json(rule: SleepRule) -> Json:
    return {
        "id": str(rule.pk),
        "organisation": rule.organisation.slug,
        "topic": rule.topic.slug if rule.topic else None,
        **asdict(rule.patience),
        "active": rule.is_active,
    }


def _seen_json(rule: SleepRule) -> Json:
    standing = standing_of(rule)
    questions = rule.questions.select_related("campaign")[:50]
    return {
        **_rule_json(rule),
        "topics": sorted(topic.slug for topic in topics_of(rule)),
        "subscribed": asdict(standing.subscribed),
        "measured": asdict(standing.measured),
        "asleep": asdict(standing.asleep),
        "sample": [subscriber_json(person) for person in standing.people],
        "questions": [_question_json(foresee(question)) for question in questions],
    }


def _question_json(seen: Foresight) -> Json:
    question = seen.question
    return {
        "campaign": str(question.campaign_id),
        "state": question.campaign.state,
        "days": question.days,
        "messages": question.messages,
        "grace": question.grace,
        "due_at": moment(seen.due_at),
        "decided_at": moment(question.decided_at),
        "fates": seen.fates,
        "sample": [str(person.pk) for person in seen.people],
    }


@router.get("/sleep-rules", response=ListPage, summary="Rules for subscribers who are asleep, newest first")
def list_sleep_rules(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_rules(request.auth.organisation), cursor=cursor, limit=limit, show=_rule_json)


@router.post("/sleep-rules", response={201: SleepRuleOut}, summary="Make a rule for subscribers who are asleep")
def post_sleep_rule(request: Caller, payload: SleepRuleIn) -> Any:
    actor = at(request.auth, payload.organisation)
    topic = None
    if payload.topic is not None:
        topic = Topic.objects.for_organisation(actor.organisation).filter(slug=payload.topic).first()
        if topic is None:
            raise Invalid({"topic": ["There is no such topic."]})
    patience = Patience(days=payload.days, messages=payload.messages, grace=payload.grace)
    return Status(201, _rule_json(make_rule(actor, topic=topic, patience=patience, is_active=payload.active)))


@router.get("/sleep-rules/{rule_id}", response=SleepRuleSeen, summary="A rule and its dry run")
def get_sleep_rule(request: Caller, rule_id: str) -> Any:
    return _seen_json(find(_rules(request.auth.organisation), rule_id))


@router.patch("/sleep-rules/{rule_id}", response=SleepRuleOut, summary="Change a rule")
def patch_sleep_rule(request: Caller, rule_id: str, payload: SleepRulePatch) -> Any:
    rule = find(_rules(request.auth.organisation), rule_id)
    given = {name: value for name, value in payload.dict(exclude_unset=True).items() if value is not None}
    is_active = given.pop("active", rule.is_active)
    return _rule_json(change_rule(request.auth, rule, patience=replace(rule.patience, **given), is_active=is_active))


@router.delete("/sleep-rules/{rule_id}", response={204: None}, summary="Take a rule away; nobody is let go by it then")
def delete_sleep_rule(request: Caller, rule_id: str) -> Any:
    remove_rule(request.auth, find(_rules(request.auth.organisation), rule_id))
    return Status(204, None)


@router.post(
    "/sleep-rules/{rule_id}/ask", response={201: CampaignOut}, summary="Draft the campaign that asks whether to go on"
)
def post_ask(request: Caller, rule_id: str) -> Any:
    return Status(201, campaign_json(ask(request.auth, find(_rules(request.auth.organisation), rule_id))))
