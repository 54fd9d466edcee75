"""API: notices, one message to one person now, and the templates that they say."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from ninja import Router, Status

from outreach.campaigns.models import NoticeTemplate
from outreach.core.errors import NotFound
from outreach.core.models import Organisation
from outreach.core.vocabulary import DeliveryState
from outreach.delivery.models import Notice
from outreach.delivery.notice_call import NoticeCall
from outreach.delivery.notice_templates import change_template, create_template
from outreach.delivery.notices import send_notice
from outreach.effectiveness.notices import fates
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import (
    ListPage,
    NoticeAccepted,
    NoticeIn,
    NoticeOut,
    NoticeTemplateIn,
    NoticeTemplateOut,
    NoticeTemplatePatch,
)
from outreach.web.api.shapes import notice_json, notice_template_json

router = Router(tags=["Notices"])


def _templates(organisation: Organisation) -> QuerySet[NoticeTemplate]:
    return NoticeTemplate.objects.for_organisation(organisation).select_related("organisation")


def _notices(organisation: Organisation) -> QuerySet[Notice]:
    return Notice.objects.for_organisation(organisation).select_related("organisation", "template")


@router.get("/notice-templates", response=ListPage, summary="Templates of notices, newest first")
def list_notice_templates(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_templates(request.auth.organisation), cursor=cursor, limit=limit, show=notice_template_json)


@router.post("/notice-templates", response={201: NoticeTemplateOut}, summary="Add a template of notices")
def post_notice_template(request: Caller, payload: NoticeTemplateIn) -> Any:
    actor = at(request.auth, payload.organisation)
    template = create_template(actor, payload.dict(exclude={"organisation"}))
    return Status(201, notice_template_json(template))


@router.get("/notice-templates/{template_id}", response=NoticeTemplateOut, summary="One template of notices")
def get_notice_template(request: Caller, template_id: str) -> Any:
    return notice_template_json(find(_templates(request.auth.organisation), template_id))


@router.patch("/notice-templates/{template_id}", response=NoticeTemplateOut, summary="Change a template of notices")
def patch_notice_template(request: Caller, template_id: str, payload: NoticeTemplatePatch) -> Any:
    template = find(_templates(request.auth.organisation), template_id)
    return notice_template_json(change_template(request.auth, template, payload.dict(exclude_none=True)))


@router.get("/notices", response=ListPage, summary="Notices, newest first")
def list_notices(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    found = page(
        _notices(request.auth.organisation), cursor=cursor, limit=limit, show=lambda notice: {"notice": notice}
    )
    notices = [item["notice"] for item in found["items"]]
    return {**found, "items": [notice_json(fate) for fate in fates(notices)]}


@router.post("/notices", response={202: NoticeAccepted}, summary="Send one message to one person now")
def post_notice(request: Caller, payload: NoticeIn) -> Any:
    actor = at(request.auth, payload.organisation)
    call = NoticeCall(
        to=payload.to.dict(exclude_none=True),
        template=payload.template or "",
        content=payload.content.dict(exclude_none=True) if payload.content else None,
        data=payload.data,
        language=payload.language or "",
    )
    notice = send_notice(actor, call)
    return Status(202, {"id": str(notice.pk), "state": DeliveryState.PLANNED.value})


@router.get("/notices/{notice_id}", response=NoticeOut, summary="What became of a notice")
def get_notice(request: Caller, notice_id: str) -> Any:
    found = fates([find(_notices(request.auth.organisation), notice_id)])
    if not found:
        raise NotFound
    return notice_json(found[0])
