"""API: how an organisation's e-mails look, and the pictures that they show."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from ninja import File, Form, Router, Status, UploadedFile

from outreach.campaigns.branding import change_branding, own_branding
from outreach.campaigns.models import Picture
from outreach.campaigns.pictures import LARGEST, add_picture, delete_picture
from outreach.core.models import Organisation
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page, read_word
from outreach.web.api.schemas import BrandingIn, BrandingOut, ListPage, PictureOut
from outreach.web.api.shapes import branding_json, picture_json

router = Router(tags=["Look"])


def _pictures(organisation: Organisation) -> QuerySet[Picture]:
    return Picture.objects.for_organisation(organisation).select_related("organisation").defer("data")


@router.get("/pictures", response=ListPage, summary="Pictures, newest first")
def list_pictures(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_pictures(request.auth.organisation), cursor=cursor, limit=limit, show=picture_json)


@router.post("/pictures", response={201: PictureOut}, summary="Add a picture for e-mails: PNG, JPEG or GIF")
def post_picture(request: Caller, file: File[UploadedFile], alt: Form[str] = "", organisation: Form[str] = "") -> Any:
    actor = at(request.auth, read_word(organisation, field="organisation"))
    read_word(alt, field="alt")
    picture = add_picture(actor, file.read(LARGEST + 1), alt=alt)
    return Status(201, picture_json(picture))


@router.get("/pictures/{picture_id}", response=PictureOut, summary="One picture")
def get_picture(request: Caller, picture_id: str) -> Any:
    return picture_json(find(_pictures(request.auth.organisation), picture_id))


@router.delete("/pictures/{picture_id}", response={204: None}, summary="Delete a picture that nothing shows")
def remove_picture(request: Caller, picture_id: str) -> Any:
    delete_picture(request.auth, find(_pictures(request.auth.organisation), picture_id))
    return Status(204, None)


@router.get("/branding", response=BrandingOut, summary="How an organisation's e-mails look")
def get_branding(request: Caller, organisation: str = "") -> Any:
    return branding_json(own_branding(at(request.auth, read_word(organisation, field="organisation")).organisation))


@router.patch("/branding", response=BrandingOut, summary="Change how an organisation's e-mails look")
def patch_branding(request: Caller, payload: BrandingIn) -> Any:
    actor = at(request.auth, payload.organisation)
    return branding_json(change_branding(actor, payload.dict(exclude_unset=True, exclude={"organisation"})))
