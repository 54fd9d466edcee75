"""API: subscribers, their imports, their data and their timeline."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import StreamingHttpResponse
from ninja import File, Form, Router, Status, UploadedFile

from outreach.audience.consent_proof import prove
from outreach.audience.doubles_list import doubles_of
from outreach.audience.exports import export_people
from outreach.audience.frequency import set_frequency
from outreach.audience.import_intake import preview, start_import
from outreach.audience.import_mending import rows_to_mend
from outreach.audience.import_rows import CONTROL
from outreach.audience.import_terms import Terms
from outreach.audience.import_trace import ImportUndo
from outreach.audience.import_undo import look_ahead, undo_import, undo_json
from outreach.audience.imports import rejections_csv
from outreach.audience.merging import merge
from outreach.audience.models import Address, Import, Subscriber
from outreach.audience.pause import set_pause
from outreach.audience.person_addresses import add_address, correct_address, retire_address
from outreach.audience.quiet_hours import read_quiet_hours, set_quiet_hours
from outreach.audience.segments import usable_segments
from outreach.audience.subscribers import (
    AddressData,
    ConsentData,
    SubscriberData,
    change_subscriber,
    erase_subscriber,
    export_subscriber,
    upsert_subscriber,
)
from outreach.audience.topics import topics_open_to
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import ExportForm, Permission
from outreach.effectiveness.person_stages import finding_json, findings, pieces_about, whole_evidence
from outreach.effectiveness.timeline import MOST_ENTRIES, as_json, read_place, timeline_page, whole_timeline
from outreach.events.signup_calls import ask_by_call
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page, read_word
from outreach.web.api.schemas import (
    AddressIn,
    AddressPatch,
    FrequencyIn,
    ImportOut,
    ImportPreviewOut,
    ImportTermsIn,
    ImportUndoOut,
    ListPage,
    MergeIn,
    PauseIn,
    PendingOut,
    QuietHoursIn,
    SubscriberIn,
    SubscriberOut,
    SubscriberPatch,
)
from outreach.web.api.shapes import import_json, preview_json, subscriber_json
from outreach.web.downloads import download

router = Router(tags=["Audience"])


def _subscribers(organisation: Organisation) -> QuerySet[Subscriber]:
    return (
        Subscriber.objects.for_organisation(organisation)
        .filter(erased_at=None)
        .select_related("organisation")
        .prefetch_related(Prefetch("addresses", Address.objects.order_by("pk")), "subscriptions__topic")
    )


def _imports(organisation: Organisation) -> QuerySet[Import]:
    return Import.objects.for_organisation(organisation).select_related("topic")


@router.get("/subscribers", response=ListPage, summary="Subscribers, newest first")
def list_subscribers(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_subscribers(request.auth.organisation), cursor=cursor, limit=limit, show=subscriber_json)


@router.post(
    "/subscribers",
    response={200: SubscriberOut, 201: SubscriberOut, 202: PendingOut},
    summary="Add or change a person, by address; or have the address confirm it first",
)
def post_subscriber(request: Caller, payload: SubscriberIn) -> Any:
    actor = at(request.auth, payload.organisation)
    values = payload.dict(exclude={"organisation", "addresses", "consent", "confirm"})
    data = SubscriberData(
        **values,
        addresses=[AddressData(**address.dict()) for address in payload.addresses],
        consent=ConsentData(**payload.consent.dict()) if payload.consent else None,
    )
    if payload.confirm:
        ask_by_call(actor, data)
        return Status(202, {"state": "pending"})
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


@router.post("/subscribers/{subscriber_id}/merge", response=SubscriberOut, summary="Two records become one person")
def post_merge(request: Caller, subscriber_id: str, payload: MergeIn) -> Any:
    """`other` becomes part of the named one; where both say something, that is believed, but for what `taken` names."""
    kept = find(_subscribers(request.auth.organisation), subscriber_id)
    other = _subscribers(request.auth.organisation).filter(pk=int(payload.other)).first()
    if other is None:
        raise Invalid({"other": ["There is no such person."]})
    merge(request.auth, kept, other, taken=payload.taken)
    return subscriber_json(find(_subscribers(request.auth.organisation), subscriber_id))


@router.post("/subscribers/{subscriber_id}/addresses", response={201: SubscriberOut}, summary="Add an address")
def post_address(request: Caller, subscriber_id: str, payload: AddressIn) -> Any:
    """Nobody consents to anything by that."""
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    add_address(request.auth, subscriber, payload.channel, payload.value)
    return Status(201, subscriber_json(find(_subscribers(request.auth.organisation), subscriber_id)))


@router.patch(
    "/subscribers/{subscriber_id}/addresses/{address_id}", response=SubscriberOut, summary="Correct an address"
)
def patch_address(request: Caller, subscriber_id: str, address_id: str, payload: AddressPatch) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    correct_address(request.auth, subscriber, address_id, payload.value)
    return subscriber_json(find(_subscribers(request.auth.organisation), subscriber_id))


@router.delete(
    "/subscribers/{subscriber_id}/addresses/{address_id}", response=SubscriberOut, summary="Take an address away"
)
def delete_address(request: Caller, subscriber_id: str, address_id: str) -> Any:
    """With the last one of a channel its subscriptions end. 409 where it is the only one."""
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    retire_address(request.auth, subscriber, address_id)
    return subscriber_json(find(_subscribers(request.auth.organisation), subscriber_id))


@router.delete("/subscribers/{subscriber_id}", response={204: None}, summary="Erase a person, for good")
def delete_subscriber(request: Caller, subscriber_id: str) -> Any:
    erase_subscriber(request.auth, find(_subscribers(request.auth.organisation), subscriber_id))
    return Status(204, None)


@router.put("/subscribers/{subscriber_id}/pause", response=SubscriberOut, summary="Leave a person alone until a time")
def put_pause(request: Caller, subscriber_id: str, payload: PauseIn) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    set_pause(request.auth, subscriber, payload.until)
    return subscriber_json(subscriber)


@router.delete("/subscribers/{subscriber_id}/pause", response=SubscriberOut, summary="Write to the person again")
def delete_pause(request: Caller, subscriber_id: str) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    set_pause(request.auth, subscriber, None)
    return subscriber_json(subscriber)


@router.put("/subscribers/{subscriber_id}/quiet-hours", response=SubscriberOut, summary="When not to disturb a person")
def put_quiet_hours(request: Caller, subscriber_id: str, payload: QuietHoursIn) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    set_quiet_hours(request.auth, subscriber, read_quiet_hours(payload.quiet_from, payload.quiet_to))
    return subscriber_json(subscriber)


@router.delete("/subscribers/{subscriber_id}/quiet-hours", response=SubscriberOut, summary="No quiet hours any more")
def delete_quiet_hours(request: Caller, subscriber_id: str) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    set_quiet_hours(request.auth, subscriber, None)
    return subscriber_json(subscriber)


@router.put(
    "/subscribers/{subscriber_id}/frequency", response=SubscriberOut, summary="At once, or a day or a week together"
)
def put_frequency(request: Caller, subscriber_id: str, payload: FrequencyIn) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    set_frequency(request.auth, subscriber, payload.frequency, topics=payload.topics, channels=list(payload.channels))
    return subscriber_json(find(_subscribers(request.auth.organisation), subscriber_id))


@router.get("/subscribers/{subscriber_id}/export", response=dict[str, Any], summary="Everything kept of a person")
def get_export(request: Caller, subscriber_id: str) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    return export_subscriber(subscriber) | {
        "timeline": [as_json(entry) for entry in whole_timeline(subscriber)],
        "stages": list(whole_evidence(subscriber)),
        "consent_proof": prove(subscriber),
    }


@router.get(
    "/subscribers/{subscriber_id}/consent-proof",
    response=dict[str, Any],
    summary="A signed proof of a person's consents",
)
def get_consent_proof(request: Caller, subscriber_id: str) -> Any:
    return prove(find(_subscribers(request.auth.organisation), subscriber_id))


@router.get("/subscribers/{subscriber_id}/timeline", response=ListPage, summary="What was sent, done and consented")
def get_timeline(request: Caller, subscriber_id: str, cursor: Cursor = "", limit: Limit = MOST_ENTRIES) -> Any:
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    found, following = timeline_page(subscriber, place=read_place(cursor) if cursor else None, limit=limit)
    return {"items": [as_json(entry) for entry in found], "next_cursor": str(following) if following else None}


@router.get("/subscribers/{subscriber_id}/stages", response=ListPage, summary="Evidence of how far a person came")
def get_stages(request: Caller, subscriber_id: str, cursor: Cursor = "", limit: Limit = 50) -> Any:
    """Only pieces that name the person: empty unless they agreed to be measured and a campaign measures by person."""
    subscriber = find(_subscribers(request.auth.organisation), subscriber_id)
    found = page(pieces_about(subscriber), cursor=cursor, limit=limit, show=lambda piece: {"piece": piece})
    pieces = findings([item["piece"] for item in found["items"]])
    return {**found, "items": [finding_json(piece) for piece in pieces]}


@router.post("/imports", response={202: ImportOut}, summary="Import a CSV, NDJSON or Excel file")
def post_import(
    request: Caller,
    file: File[UploadedFile],
    topic: Form[str],
    terms: Form[ImportTermsIn],
    organisation: Form[str] = "",
) -> Any:
    actor = at(request.auth, read_word(organisation, field="organisation"))
    found = topics_open_to(actor.organisation).filter(slug=read_word(topic, field="topic")).first()
    if found is None:
        raise Invalid({"topic": ["There is no such topic."]})
    job = start_import(actor, found, file, file.name or "import.csv", terms=_terms(terms))
    return Status(202, import_json(job))


@router.post("/imports/preview", response=ImportPreviewOut, summary="What a file would be taken for; stores nothing")
def post_import_preview(
    request: Caller, file: File[UploadedFile], organisation: Form[str] = "", columns: Form[str] = ""
) -> Any:
    actor = at(request.auth, read_word(organisation, field="organisation"))
    actor.require(Permission.EDIT_AUDIENCE)
    return preview_json(preview(file, zone=actor.organisation.timezone, mapping=_mapping(columns)))


def _terms(said: ImportTermsIn) -> Terms:
    return Terms(**said.dict(exclude={"columns", "opt_in"}), mapping=_mapping(said.columns), is_opt_in=said.opt_in)


def _mapping(columns: str) -> dict[str, str] | None:
    """`{"column": "what it is taken for"}`, as a form's field can hold it."""
    if not columns:
        return None
    try:
        found = json.loads(columns)
    except (ValueError, RecursionError):
        found = None
    # What no file names, the database does not keep.
    if not isinstance(found, dict) or not all(
        isinstance(found[name], str) and not CONTROL.search(name) for name in found
    ):
        raise Invalid({"columns": ['Give an object such as {"Mail": "email", "Notes": "left_out"}.']})
    return found


@router.get("/people/export", summary="The people of a topic or a segment, as a file", response=None)
def get_people_export(
    request: Caller, topic: str = "", segment: str = "", format: ExportForm = ExportForm.CSV, organisation: str = ""
) -> Any:
    actor = at(request.auth, read_word(organisation, field="organisation"))
    found = topics_open_to(actor.organisation).filter(slug=read_word(topic, field="topic")).first() if topic else None
    if topic and found is None:
        raise Invalid({"topic": ["There is no such topic."]})
    rule = find(usable_segments(actor.organisation), segment) if segment else None
    return download(export_people(actor, form=format, topic=found, segment=rule))


@router.get("/imports/{import_id}", response=ImportOut, summary="How far an import is")
def get_import(request: Caller, import_id: str) -> Any:
    return import_json(find(_imports(request.auth.organisation), import_id))


@router.get("/imports/{import_id}/errors", summary="The rows that were not taken, as CSV", response=None)
def get_import_errors(request: Caller, import_id: str) -> Any:
    job = find(_imports(request.auth.organisation), import_id)
    answer = StreamingHttpResponse(rejections_csv(job), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="import-{job.pk}-rejected.csv"'
    return answer


@router.get(
    "/imports/{import_id}/errors/to-mend", summary="Those rows, to be mended and handed in again", response=None
)
def get_rows_to_mend(request: Caller, import_id: str, format: ExportForm | None = None) -> Any:
    return download(rows_to_mend(request.auth, find(_imports(request.auth.organisation), import_id), form=format or ""))


@router.get("/imports/{import_id}/undo", response=ImportUndoOut, summary="What taking it back would do, or does")
def get_undo(request: Caller, import_id: str) -> Any:
    job = find(_imports(request.auth.organisation), import_id)
    undo = ImportUndo.objects.filter(job=job).first()
    return undo_json(job, undo or look_ahead(job))


@router.post("/imports/{import_id}/undo", response={202: ImportUndoOut}, summary="Take an import back")
def post_undo(request: Caller, import_id: str) -> Any:
    """409 where it cannot be, with the reason."""
    job = find(_imports(request.auth.organisation), import_id)
    return Status(202, undo_json(job, undo_import(request.auth, job)))


@router.get("/people/doubles", response=ListPage, summary="Records of one name, which may be one person")
def get_doubles(request: Caller, cursor: Cursor = "", organisation: str = "") -> Any:
    """Of one organisation. A page may be empty and have a next one."""
    actor = at(request.auth, read_word(organisation, field="organisation"))
    actor.require(Permission.EDIT_AUDIENCE)
    found = doubles_of(actor.organisation, after=read_word(cursor, field="cursor"))
    groups = [{"name": group[0].name, "people": [subscriber_json(one) for one in group]} for group in found.groups]
    return {"items": groups, "next_cursor": found.following or None}
