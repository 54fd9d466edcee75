"""API: what people answered to the questions of messages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from ninja import Query, Router, Schema

from outreach.campaigns.models import Campaign, NoticeTemplate, Service
from outreach.effectiveness.opinions import answers_to_notices, opinion_json, opinions_of
from outreach.events.feedback import Feedback
from outreach.web.api.access import Caller
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import ListPage
from outreach.web.api.shapes import Json, moment

router = Router(tags=["Feedback"])

Which = Annotated[str, Query(max_length=20)]


class SpreadOut(Schema):
    """How answers to each question are spread over its scale, with 95 % intervals."""

    service: str
    questions: list[Any]


def feedback_json(row: Feedback) -> Json:
    return {
        "id": str(row.pk),
        "question": row.question,
        "value": row.value,
        "text": row.text,
        "campaign": str(row.campaign_id) if row.campaign_id else None,
        "service": row.service.slug if row.service else None,
        "channel": row.channel,
        "language": row.language,
        "source": row.source,
        "delivery": f"{row.run_id}-{row.delivery}" if row.delivery else None,
        "subscriber": str(row.subscriber_id) if row.subscriber_id else None,
        "at": moment(row.at),
        "changed_at": moment(row.changed_at),
    }


@router.get("/feedback", response=ListPage, summary="Answers to questions in messages, newest first")
def list_feedback(
    request: Caller,
    campaign: Which = "",
    service: Which = "",
    template: Which = "",
    question: Literal["satisfied", "recommends", "words", ""] = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Any:
    organisation = request.auth.organisation
    asked_by = find(NoticeTemplate.objects.for_organisation(organisation), template) if template else None
    rows = answers_to_notices(organisation, asked_by) if asked_by else _feedback(request)
    if campaign:
        rows = rows.filter(campaign=find(Campaign.objects.for_organisation(organisation), campaign))
    if service:
        rows = rows.filter(service=find(Service.objects.for_organisation(organisation), service))
    if question:
        rows = rows.filter(question=question)
    return page(rows.select_related("service"), cursor=cursor, limit=limit, show=feedback_json)


@router.get("/services/{service_id}/feedback", response=SpreadOut, summary="What people think of a service")
def get_service_feedback(request: Caller, service_id: str) -> Any:
    service = find(Service.objects.for_organisation(request.auth.organisation), service_id)
    spread = opinions_of(_feedback(request).filter(service=service))
    return {"service": service.slug, "questions": [opinion_json(opinion) for opinion in spread]}


def _feedback(request: Caller) -> QuerySet[Feedback]:
    return Feedback.objects.for_organisation(request.auth.organisation)
