"""API: attributes that an organisation declared for its people."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from ninja import Router, Schema, Status
from pydantic import Field

from outreach.audience.attributes import (
    attributes_open_to,
    change_attribute,
    declare_attribute,
    withdraw_attribute,
)
from outreach.audience.models import AttributeField
from outreach.core.models import Organisation
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import Body, ListPage, Names, Slug

router = Router(tags=["Audience"])

Words = Annotated[list[str], Field(max_length=100, description="The words of a choice.")]


class AttributeIn(Body):
    organisation: Slug | None = None
    name: Annotated[str, Field(max_length=100, description="The key in a person's `attributes`.")]
    type: Literal["text", "number", "date", "yes_no", "choice"]
    label: Names
    choices: Words = []


class AttributePatch(Body):
    label: Names | None = None
    choices: Words | None = None


class AttributeOut(Schema):
    id: str
    organisation: str
    name: str
    type: str
    label: dict[str, str]
    choices: list[str]


def _fields(organisation: Organisation) -> QuerySet[AttributeField]:
    return AttributeField.objects.for_organisation(organisation).select_related("organisation")


@router.get("/attributes", response=ListPage, summary="Declared attributes, also those from above, newest first")
def list_attributes(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(attributes_open_to(request.auth.organisation), cursor=cursor, limit=limit, show=attribute_json)


@router.post("/attributes", response={201: AttributeOut}, summary="Declare an attribute of people")
def post_attribute(request: Caller, payload: AttributeIn) -> Any:
    actor = at(request.auth, payload.organisation)
    return Status(201, attribute_json(declare_attribute(actor, **payload.dict(exclude={"organisation"}))))


@router.get("/attributes/{attribute_id}", response=AttributeOut, summary="One declared attribute")
def get_attribute(request: Caller, attribute_id: str) -> Any:
    return attribute_json(find(attributes_open_to(request.auth.organisation), attribute_id))


@router.patch("/attributes/{attribute_id}", response=AttributeOut, summary="Change its labels or words")
def patch_attribute(request: Caller, attribute_id: str, payload: AttributePatch) -> Any:
    found = find(_fields(request.auth.organisation), attribute_id)
    return attribute_json(change_attribute(request.auth, found, **payload.dict(exclude_none=True)))


@router.delete("/attributes/{attribute_id}", response={204: None}, summary="Take the declaration back")
def delete_attribute(request: Caller, attribute_id: str) -> Any:
    withdraw_attribute(request.auth, find(_fields(request.auth.organisation), attribute_id))
    return Status(204, None)


def attribute_json(field: AttributeField) -> dict[str, Any]:
    return {
        "id": str(field.pk),
        "organisation": field.organisation.slug,
        "name": field.name,
        "type": field.type,
        "label": field.label,
        "choices": field.choices,
    }
