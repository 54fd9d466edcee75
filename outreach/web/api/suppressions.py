"""API: whom not to write to. Addresses come in and stay as hashes only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import File, Form, Query, Router, Schema, Status, UploadedFile
from pydantic import Field

from outreach.audience.imports import reason_text
from outreach.audience.models import Suppression
from outreach.audience.suppression_import import SuppressionImport, SuppressionRejection, start_suppression_import
from outreach.audience.suppression_list import Wanted, add_entry, lists_of, newest_entries, read_hash, take_off
from outreach.core.errors import Invalid
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, read_cursor, read_word, write_cursor
from outreach.web.api.schemas import Body, ChannelName, ListPage, Slug
from outreach.web.api.shapes import moment

router = Router(tags=["Audience"])

Address = Annotated[str, Query(max_length=320, description="Only entries of this whole address.")]
Hash = Annotated[str, Query(max_length=64, description="Only the entries of this hash.")]
Why = Annotated[str, Query(max_length=200, description="Why we may write to the address again.")]
Reason = Literal["hard_bounce", "soft_bounces", "complaint", "stop", "erased", "manual", ""]


class SuppressionIn(Body):
    """An address or the hash of one."""

    organisation: Slug | None = None
    channel: ChannelName
    value: Annotated[str, Field(max_length=320)] = ""
    hash: Annotated[str, Field(max_length=64)] = ""
    note: Annotated[str, Field(max_length=200, description="Why; never the address.")] = ""


class SuppressionOut(Schema):
    """`organisation` is null where it holds for the whole installation."""

    id: str
    organisation: str | None
    channel: str
    hash: str
    reason: str
    source: str
    note: str
    since: str


class SuppressionImportOut(Schema):
    """rows = added + known + rejected."""

    id: str
    state: str
    file_name: str
    rows: int
    added: int
    known: int
    rejected: int
    trouble: str


@router.get("/suppressions", response=ListPage, summary="Whom not to write to, newest first")
def list_suppressions(
    request: Caller,
    address: Address = "",
    hash: Hash = "",
    channel: Literal["email", "sms", "social", "feed", "push", "webhook", ""] = "",
    reason: Reason = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Any:
    wanted = Wanted(text=_searched(address, hash), channel=channel, reason=reason)
    before = read_cursor(cursor) if cursor else None
    found = newest_entries(request.auth.organisation, wanted, before=before, limit=limit + 1)
    following = write_cursor(found[limit - 1].pk) if len(found) > limit else None
    return {"items": [suppression_json(entry) for entry in found[:limit]], "next_cursor": following}


@router.post(
    "/suppressions", response={200: SuppressionOut, 201: SuppressionOut}, summary="Never write to an address again"
)
def post_suppression(request: Caller, payload: SuppressionIn) -> Any:
    actor = at(request.auth, payload.organisation)
    entry, is_new = add_entry(actor, **payload.dict(exclude={"organisation"}))
    return Status(201 if is_new else 200, suppression_json(entry))


@router.get("/suppressions/{suppression_id}", response=SuppressionOut, summary="One entry")
def get_suppression(request: Caller, suppression_id: str) -> Any:
    return suppression_json(find(lists_of(request.auth.organisation).select_related("organisation"), suppression_id))


@router.delete("/suppressions/{suppression_id}", response={204: None}, summary="Take an address off the list")
def delete_suppression(request: Caller, suppression_id: str, why: Why = "") -> Any:
    own = Suppression.objects.for_organisation(request.auth.organisation).select_related("organisation")
    take_off(request.auth, find(own, suppression_id), why=read_word(why, field="why"))
    return Status(204, None)


@router.post("/suppression-imports", response={202: SuppressionImportOut}, summary="Import a list")
def post_suppression_import(
    request: Caller,
    file: File[UploadedFile],
    channel: Form[ChannelName] = "email",
    note: Form[str] = "",
    organisation: Form[str] = "",
) -> Any:
    actor = at(request.auth, read_word(organisation, field="organisation"))
    note = read_word(note, field="note")
    job = start_suppression_import(actor, file, file.name or "list.csv", channel=channel, note=note)
    return Status(202, list_json(job))


@router.get("/suppression-imports/{import_id}", response=SuppressionImportOut, summary="How far a list is")
def get_suppression_import(request: Caller, import_id: str) -> Any:
    return list_json(find(SuppressionImport.objects.for_organisation(request.auth.organisation), import_id))


@router.get("/suppression-imports/{import_id}/errors", response=ListPage, summary="Its lines that were not taken")
def get_suppression_import_errors(request: Caller, import_id: str, cursor: Cursor = "", limit: Limit = 50) -> Any:
    job = find(SuppressionImport.objects.for_organisation(request.auth.organisation), import_id)
    rows = SuppressionRejection.objects.filter(job=job, line__gt=read_cursor(cursor) if cursor else 0)
    found = list(rows.order_by("line")[: limit + 1])
    items = [{"line": row.line, "reason": row.reason, "message": reason_text(row.reason)} for row in found[:limit]]
    return {"items": items, "next_cursor": write_cursor(found[limit - 1].line) if len(found) > limit else None}


def list_json(job: SuppressionImport) -> dict[str, Any]:
    names = ("state", "file_name", "rows", "added", "known", "rejected", "trouble")
    return {"id": str(job.pk), **{name: getattr(job, name) for name in names}}


def suppression_json(entry: Suppression) -> dict[str, Any]:
    return {
        "id": str(entry.pk),
        "organisation": entry.organisation.slug if entry.organisation else None,
        "channel": entry.channel,
        "hash": bytes(entry.digest).hex(),
        "reason": entry.reason,
        "source": entry.source,
        "note": entry.note,
        "since": moment(entry.created_at),
    }


def _searched(address: str, hash: str) -> str:
    """Raises: Invalid: it is no hash."""
    if hash and read_hash(hash) is None:
        raise Invalid({"hash": ["A hash has 64 hexadecimal digits."]})
    return hash or read_word(address, field="address").strip()
