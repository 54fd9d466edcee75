"""Holds what is sent and answered against the providers' published OpenAPI documents."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import requests
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

#: Provider -> its document, and the server that the document names.
DOCUMENTS = {
    "twilio": ("twilio/derived.messages.prism.json", "https://api.twilio.com"),
    "x": ("x/derived.ours.prism.json", "https://api.x.com"),
    "sendgrid": ("sendgrid/tsg_mail_v3.json", "https://api.sendgrid.com"),
    # Postmark publishes none: this one is ours, beside its tests.
    "postmark": ("postmark.openapi.json", "https://api.postmarkapp.com"),
}


@cache
def load(contracts: Path, provider: str) -> OpenAPI:
    return OpenAPI.from_dict(json.loads((contracts / DOCUMENTS[provider][0]).read_text("utf-8")))


def find_request_faults(
    contracts: Path, provider: str, *, method: str, path: str, body: bytes, headers: dict[str, str]
) -> list[str]:
    """What the provider's document has against this request."""
    server = DOCUMENTS[provider][1]
    prepared = requests.Request(method, server + path, data=body, headers=headers).prepare()
    result = load(contracts, provider).unmarshal_request(RequestsOpenAPIRequest(prepared))
    return [_explain(error) for error in result.errors]


def find_answer_faults(contracts: Path, provider: str, answer: requests.Response) -> list[str]:
    """What the provider's document has against a peer's answer."""
    asked = answer.request
    server = DOCUMENTS[provider][1]
    path = str(asked.path_url)
    body = asked.body.encode() if isinstance(asked.body, str) else asked.body
    as_if = requests.Request(asked.method, server + path, data=body, headers=asked.headers).prepare()
    result = load(contracts, provider).unmarshal_response(
        RequestsOpenAPIRequest(as_if), RequestsOpenAPIResponse(answer)
    )
    return [_explain(error) for error in result.errors]


def _explain(error: BaseException | None) -> str:
    parts: list[str] = []
    while error is not None:
        parts += [str(error), *(str(inner.message) for inner in getattr(error, "schema_errors", ()))]
        error = error.__cause__
    return " / ".join(parts)
