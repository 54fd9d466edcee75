"""Holds what is sent and answered against the providers' published OpenAPI documents."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import requests
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from openapi_core.templating.paths.exceptions import PathError

HERE = Path(__file__).parent

#: Provider -> its documents, and the server that they name. Of a long one only the paths that we use are read.
DOCUMENTS = {
    "twilio": (("twilio/derived.messages.prism.json", "twilio/twilio_api_v2010.json"), "https://api.twilio.com"),
    "x": (("x/derived.ours.prism.json",), "https://api.x.com"),
    "sendgrid": (
        ("sendgrid/tsg_mail_v3.json", "sendgrid/tsg_scopes_v3.json", "sendgrid/tsg_suppressions_v3.json"),
        "https://api.sendgrid.com",
    ),
    # Postmark publishes none: this one is ours, beside its tests.
    "postmark": (("postmark.openapi.json",), "https://api.postmarkapp.com"),
}
_ONLY = {"twilio/twilio_api_v2010.json": {"/2010-04-01/Accounts/{Sid}.json"}}


def contracts_folder(provider: str = "") -> Path | None:
    """Where the providers' published contracts are on this machine; None where it has none.

    Raises:
        FileNotFoundError: OUTREACH_CONTRACTS names a folder that is not there: nothing would be held against it.
    """
    if provider == "postmark":
        return HERE / "channels"
    named = os.environ.get("OUTREACH_CONTRACTS")
    folder = Path(named or HERE.parent.parent / "shared" / "contracts")
    if named and not folder.is_dir():
        raise FileNotFoundError(f"OUTREACH_CONTRACTS names {named}, and there is no such folder.")
    return folder if folder.is_dir() else None


@cache
def load(file: Path) -> OpenAPI:
    document = json.loads(file.read_text("utf-8"))
    if only := _ONLY.get(f"{file.parent.name}/{file.name}"):
        document["paths"] = {path: item for path, item in document["paths"].items() if path in only}
    return OpenAPI.from_dict(document)


def find_request_faults(
    contracts: Path, provider: str, *, method: str, path: str, body: bytes, headers: dict[str, str]
) -> list[str]:
    """What the provider's documents have against this request."""
    documents, server = DOCUMENTS[provider]
    prepared = requests.Request(method, server + path, data=body, headers=headers).prepare()
    faults = ["The provider's documents know no such path."]
    for document in documents:
        result = load(contracts / document).unmarshal_request(RequestsOpenAPIRequest(prepared))
        if not any(isinstance(error, PathError) for error in result.errors):
            return [_explain(error) for error in result.errors]
        faults += [_explain(error) for error in result.errors]
    return faults


def find_answer_faults(contracts: Path, provider: str, answer: requests.Response) -> list[str]:
    """What the provider's document has against a peer's answer."""
    asked = answer.request
    documents, server = DOCUMENTS[provider]
    path = str(asked.path_url)
    body = asked.body.encode() if isinstance(asked.body, str) else asked.body
    as_if = requests.Request(asked.method, server + path, data=body, headers=asked.headers).prepare()
    result = load(contracts / documents[0]).unmarshal_response(
        RequestsOpenAPIRequest(as_if), RequestsOpenAPIResponse(answer)
    )
    return [_explain(error) for error in result.errors]


def _explain(error: BaseException | None) -> str:
    parts: list[str] = []
    while error is not None:
        parts += [str(error), *(str(inner.message) for inner in getattr(error, "schema_errors", ()))]
        error = error.__cause__
    return " / ".join(parts)
