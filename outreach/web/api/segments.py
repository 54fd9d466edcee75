"""API: segments, and whom a rule means now."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from ninja import Router, Status

from outreach.audience.models import Segment
from outreach.audience.rules import KnownRule, read_rule
from outreach.audience.segment_people import count_people, sample_people
from outreach.audience.segments import change_segment, create_segment, delete_segment, rule_of
from outreach.audience.snapshots import take_snapshot
from outreach.core.models import Organisation
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import (
    ListPage,
    SegmentIn,
    SegmentOut,
    SegmentPatch,
    SegmentPreview,
    SegmentPreviewCall,
    SnapshotCall,
)
from outreach.web.api.shapes import Json, meant_json, segment_json

router = Router(tags=["Audience"])


def _segments(organisation: Organisation) -> QuerySet[Segment]:
    return Segment.objects.for_organisation(organisation).select_related("organisation")


def _whole(segment: Segment) -> Json:
    return {**segment_json(segment), **_meant(segment.organisation, rule_of(segment))}


def _meant(organisation: Organisation, known: KnownRule) -> Json:
    return meant_json(known, count_people(organisation, known), sample_people(organisation, known))


@router.get("/segments", response=ListPage, summary="Segments, newest first")
def list_segments(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_segments(request.auth.organisation), cursor=cursor, limit=limit, show=segment_json)


@router.post("/segments", response={201: SegmentOut}, summary="Keep a rule under a name")
def post_segment(request: Caller, payload: SegmentIn) -> Any:
    segment = create_segment(at(request.auth, payload.organisation), name=payload.name, where=payload.where)
    return Status(201, _whole(segment))


@router.post("/segments/preview", response=SegmentPreview, summary="Whom a rule means now, in numbers and words")
def post_segment_preview(request: Caller, payload: SegmentPreviewCall) -> Any:
    organisation = at(request.auth, payload.organisation).organisation
    return _meant(organisation, read_rule(payload.where, organisation))


@router.get("/segments/{segment_id}", response=SegmentOut, summary="One segment, and whom it means now")
def get_segment(request: Caller, segment_id: str) -> Any:
    return _whole(find(_segments(request.auth.organisation), segment_id))


@router.patch("/segments/{segment_id}", response=SegmentOut, summary="Change a segment's name or rule")
def patch_segment(request: Caller, segment_id: str, payload: SegmentPatch) -> Any:
    segment = find(_segments(request.auth.organisation), segment_id)
    return _whole(change_segment(request.auth, segment, **payload.dict(exclude_unset=True)))


@router.post(
    "/segments/{segment_id}/snapshot", response={201: SegmentOut}, summary="Keep whom a segment means now as they are"
)
def post_snapshot(request: Caller, segment_id: str, payload: SnapshotCall) -> Any:
    segment = find(_segments(request.auth.organisation), segment_id)
    return Status(201, _whole(take_snapshot(request.auth, segment, name=payload.name)))


@router.delete(
    "/segments/{segment_id}", response={204: None}, summary="Take a segment away; 409 while a campaign has it"
)
def remove_segment(request: Caller, segment_id: str) -> Any:
    delete_segment(request.auth, find(_segments(request.auth.organisation), segment_id))
    return Status(204, None)
