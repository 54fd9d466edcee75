"""API: subscribers, their imports, their data and their timeline."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from ninja import File, Form, Router, Status, UploadedFile

from outreach.audience.imports import rejections_csv, start_import
from outreach.audience.models import Import, Subscriber, Topic
from outreach.audience.subscribers import (
    AddressData,
    ConsentData,
    SubscriberData,
    change_subscriber,
    erase_subscriber,
    export_subscriber,
    upsert_subscriber,
)
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.effectiveness.timeline import as_json, timeline
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page, read_word
from outreach.web.api.schemas import ImportOut, ListPage, SubscriberIn, SubscriberOut, SubscriberPatch
from outreach.web.api.shapes import import_json, subscriber_json

router = Router(tags=["Audience"])


def _subscribers(organisation: Organisation) -> QuerySet[Subscriber]:
    return (
        Subscriber.objects.for_organisation(organisation)
        .filter(erased_at=None)
        .select_related("organisation")
        .prefetch_related("addresses", "subscriptions__topic")
    )


def _imports(organisation: Organisation) -> QuerySet[Import]:
    return Import.objects.for_organisation(organisation).select_related("topic")


@router.get("/subscribers", response=ListPage, summary="Subscribers, newest first")
def list_subscribers(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_subscribers(request.auth.organisation), cursor=cursor, limit=limit, show=subscriber_json)


@router.post(
    "/subscribers", response={200: SubscriberOut, 201: SubscriberOut}, summary="Add or change a person, by address"
)
def post_subscriber(request: Caller, payload: SubscriberIn) -> Any:
    actor = at(request.auth, payload.organisation)
    values = payload.dict(exclude={"organisation", "addresses", "consent"})
    data = SubscriberData(
        **values,
        addresses=[AddressData(**address.dict()) for address in payload.addresses],
        consent=ConsentData(**payload.consent.dict()) if payload.consent else None,
    )
    subscriber, is_new = upsert_subscriber(actor, data)
    answer = subscriber_json(find(_subscribers(request.auth.organisation), str(subscriber.pk)))
    return Status(201 if is_new else 200, answer)


@router.get("/subscribers/{subscriber_id}", response=SubscriberOut, summary="One person")
def get_subscriber(request: Caller, subscriber_id: str) -> Any:
    return subscriber_json(find(_subscribers(request.auth.organisation), subscriber_id))


@router.patch("/subscribers/{subscriber_id}", response=SubscriberOut, summary="Change what is known of a person")
def patch_subscriber(request: Caller, subscriber_id: str, payload: SubscriberPatch) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    values = payload.dict(exclude_none=True, exclude={"addresses"})
    if payload.addresses is not None:
        values["addresses"] = [AddressData(**address.dict()) for address in payload.addresses]
    change_subscriber(request.auth, subscriber, **values)
    return subscriber_json(find(_subscribers(request.auth.organisation), subscriber_id))


@router.delete("/subscribers/{subscriber_id}", response={204: None}, summary="Erase a person, for good")
def delete_subscriber(request: Caller, subscriber_id: str) -> Any:
    erase_subscriber(request.auth, find(_subscribers(request.auth.organisation), subscriber_id))
    return Status(204, None)


@router.get("/subscribers/{subscriber_id}/export", response=dict[str, Any], summary="Everything kept of a person")
def get_export(request: Caller, subscriber_id: str) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    return export_subscriber(subscriber) | {"timeline": [as_json(entry) for entry in timeline(subscriber)]}


@router.get("/subscribers/{subscriber_id}/timeline", response=ListPage, summary="What was sent, done and consented")
def get_timeline(request: Caller, subscriber_id: str) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    return {"items": [as_json(entry) for entry in timeline(subscriber)], "next_cursor": None}


@router.post("/imports", response={202: ImportOut}, summary="Import a CSV or NDJSON file")
def post_import(request: Caller, file: File[UploadedFile], topic: Form[str], organisation: Form[str] = "") -> Any:
    actor = at(request.auth, read_word(organisation, field="organisation"))
    read_word(topic, field="topic")
    found = Topic.objects.for_organisation(request.auth.organisation).filter(slug=topic).first()
    if found is None:
        raise Invalid({"topic": ["There is no such topic."]})
    job = start_import(actor, found, file, file.name or "import.csv")
    return Status(202, import_json(job))


@router.get("/imports/{import_id}", response=ImportOut, summary="How far an import is")
def get_import(request: Caller, import_id: str) -> Any:
    return import_json(find(_imports(request.auth.organisation), import_id))


@router.get("/imports/{import_id}/errors", summary="The rows that were not taken, as CSV", response=None)
def get_import_errors(request: Caller, import_id: str) -> Any:
    job = find(_imports(request.auth.organisation), import_id)
    answer = StreamingHttpResponse(rejections_csv(job), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="import-{job.pk}-rejected.csv"'
    return answer
