"""API: what a service's own server tells us, signed, and the secrets that it signs with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from ninja.security import APIKeyHeader

from outreach.campaigns.models import Service
from outreach.core.call_signatures import SignedCall, read_call
from outreach.events.call_secrets import CallSecret, make_call_secret, withdraw_call_secret
from outreach.events.signed_calls import NotSigned, TooLarge, take_signed_conversion, verify
from outreach.web.api.access import Caller
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import ConversionOut, ListPage, MadeCallSecretOut, SignedConversionIn
from outreach.web.api.shapes import Json, conversion_json, moment

router = Router(tags=["Conversions"])

#: Bytes of a signed call: nobody makes us reckon over more before we know whose it is.
LARGEST: Final = 16 * 1024


#: What the API's document says of the headers.
HEADERS: Final = [
    {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": description}
    for name, description in (
        ("webhook-id", "Your own id of what you tell: the same for each try. Letters, digits and _ : -"),
        ("webhook-timestamp", "When this try was signed: seconds since 1970, at most 5 minutes from our clock."),
        (
            "webhook-signature",
            "`v1,` and the Base64 of HMAC-SHA-256 over ID.TIMESTAMP.BODY, under the Base64 behind `whsec_`.",
        ),
    )
]


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Whose call it is."""

    secret: CallSecret
    call: SignedCall


class SignedRequest(HttpRequest):
    """A request whose signature was verified."""

    auth: Signer


class Signature(APIKeyHeader):
    """`webhook-signature`, with `webhook-id` and `webhook-timestamp`, as in Standard Webhooks."""

    param_name = "webhook-signature"

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        service = request.resolver_match.kwargs["service_id"] if request.resolver_match else ""
        if not key or not (service.isascii() and service.isdecimal() and len(service) < 19):
            raise NotSigned
        if len(request.body) > LARGEST:
            raise TooLarge
        call = read_call(request.headers, request.body)
        return Signer(secret=verify(int(service), call), call=call)


@router.post(
    "/services/{service_id}/conversions",
    auth=Signature(),
    response={201: ConversionOut},
    summary="Tell that the service was used or judged, signed by its own server",
    openapi_extra={"parameters": HEADERS},
)
def post_signed_conversion(request: SignedRequest, service_id: str, payload: SignedConversionIn) -> Any:
    """Headers as in Standard Webhooks 1.0. A call that comes again is answered as the first one, and not counted."""
    del service_id  # the signature was checked against it
    conversion = take_signed_conversion(request.auth.secret, request.auth.call, payload.dict())
    return Status(201, conversion_json(conversion))


@router.get("/services/{service_id}/secrets", response=ListPage, summary="Secrets of signed calls, newest first")
def list_secrets(request: Caller, service_id: str, cursor: Cursor = "", limit: Limit = 50) -> Any:
    rows = _service(request, service_id).call_secrets.select_related("organisation")
    return page(rows, cursor=cursor, limit=limit, show=secret_json)


@router.post("/services/{service_id}/secrets", response={201: MadeCallSecretOut}, summary="Make a secret; shown once")
def post_secret(request: Caller, response: HttpResponse, service_id: str) -> Any:
    secret, text = make_call_secret(request.auth, _service(request, service_id))
    response["Cache-Control"] = "no-store"
    return Status(201, secret_json(secret) | {"secret": text})


@router.delete("/services/{service_id}/secrets/{secret_id}", response={204: None}, summary="Withdraw a secret")
def delete_secret(request: Caller, service_id: str, secret_id: str) -> Any:
    secret = find(_service(request, service_id).call_secrets.select_related("service"), secret_id)
    withdraw_call_secret(request.auth, secret)
    return Status(204, None)


def _service(request: Caller, service_id: str) -> Service:
    return find(Service.objects.for_organisation(request.auth.organisation), service_id)


def secret_json(secret: CallSecret) -> Json:
    return {
        "id": str(secret.pk),
        "organisation": secret.organisation.slug,
        "ending": secret.ending,
        "created_at": secret.created_at.isoformat(),
        "last_used_at": moment(secret.last_used_at),
        "withdrawn_at": moment(secret.withdrawn_at),
    }
