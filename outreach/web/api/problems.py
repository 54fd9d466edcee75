"""Every error of the API as a problem document (RFC 9457), with a `code` and a pointer (RFC 6901) to each bad field."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from outreach.core.errors import Invalid, OutreachError, ReviewFailed

logger = logging.getLogger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"
#: Codes of errors that have no class of their own.
CODES: Final[dict[int, str]] = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "invalid",
    422: "invalid",
    429: "rate_limited",
}


def problem(
    status: int,
    detail: str,
    *,
    code: str = "",
    errors: list[dict[str, str]] | None = None,
    facts: Mapping[str, Any] = {},
) -> JsonResponse:
    """A problem document. `errors` is `[{pointer, detail}]`."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code or CODES.get(status, "internal"),
        **facts,
    }
    if errors:
        document["errors"] = errors
    return JsonResponse(document, status=status, content_type=PROBLEM_TYPE, json_dumps_params={"ensure_ascii": False})


def install(api: NinjaAPI) -> None:
    """Make every error of this API a problem document."""
    api.add_exception_handler(OutreachError, _of_the_product)
    api.add_exception_handler(ValidationError, _of_the_form)
    api.add_exception_handler(AuthenticationError, _unauthenticated)
    api.add_exception_handler(Http404, _not_found)
    api.add_exception_handler(HttpError, _of_ninja)
    api.add_exception_handler(RequestDataTooBig, _too_large)
    api.add_exception_handler(DataError, _not_kept)
    api.add_exception_handler(Exception, _unforeseen)


Handler = Callable[[HttpRequest], HttpResponseBase]


class ProblemMiddleware:
    """Failures under `/api/v1/` that no call of the API answered: an address or a method that there is not."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_told = response.status_code < 400 or response.get("Content-Type", "").startswith(PROBLEM_TYPE)
        if is_told or not request.path.startswith("/api/v1/"):
            return response
        answer = problem(response.status_code, WORDS.get(response.status_code, "The call cannot be answered."))
        if response.has_header("Allow"):
            answer["Allow"] = response["Allow"]
        return answer


#: What is wrong with a call that did not reach the API.
WORDS: Final[dict[int, str]] = {
    404: "The API has no such call. All are at /api/docs.",
    405: "This address does not take this method. All calls are at /api/docs.",
    413: "The call is too large.",
    422: "The call holds a value that cannot be kept.",
    500: "Something went wrong on our side. It was written to the log.",
}


def _too_large(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(413, WORDS[413])


def _not_kept(request: HttpRequest, error: Any) -> HttpResponse:
    logger.warning("The database refused a value", exc_info=error, extra={"action": "api.refused"})
    return problem(422, WORDS[422])


def pointer(path: str) -> str:
    """`contents/0/body` -> `/contents/0/body`; the whole body is ``."""
    if not path:
        return ""
    return "/" + "/".join(part.replace("~", "~0") for part in path.strip("/").split("/"))


def _of_the_product(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error, Invalid):
        errors = [
            {"pointer": pointer(path), "detail": text}
            for path, texts in error.facts["fields"].items()
            for text in texts
        ]
        return problem(error.status, str(error.message), code=error.code, errors=errors)
    found = error.facts.get("problems", []) if isinstance(error, ReviewFailed) else []
    errors = [{"pointer": pointer(one["field"]), "detail": str(one["message"])} for one in found]
    return problem(error.status, str(error.message), code=error.code, errors=errors, facts=_public(error.facts))


def _public(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that JSON can carry, under names that no member of the document has."""
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, str | int | float | bool | list) and name not in ("type", "title", "status", "detail")
    }


def _of_the_form(request: HttpRequest, error: Any) -> HttpResponse:
    errors = [{"pointer": _location(found["loc"]), "detail": _in_words(found)} for found in error.errors]
    return problem(422, "Please correct what is marked.", errors=errors)


#: Pydantic's words for what people meet most, in ours.
SENTENCES: Final[dict[str, str]] = {
    "missing": "This must be there.",
    "extra_forbidden": "There is no such field.",
    "string_pattern_mismatch": "Use small Latin letters, digits and hyphens.",
    "timezone_aware": "The time has no offset. Write it as 2026-04-14T09:30:00+03:00.",
    "model_attributes_type": "This must be a JSON object.",
    "dict_type": "This must be a JSON object.",
    "list_type": "This must be a JSON list.",
    "string_type": "This must be text.",
}


def _in_words(found: Mapping[str, Any]) -> str:
    return SENTENCES.get(str(found.get("type")), str(found["msg"]))


def _location(location: tuple[str | int, ...]) -> str:
    """Ninja's ("body", "payload", "contents", 0, "body") -> `/contents/0/body`; a query parameter is its name."""
    skip = 2 if location and location[0] in ("body", "form", "file") else 1
    return pointer("/".join(str(part) for part in location[skip:]))


def _unauthenticated(request: HttpRequest, error: Any) -> HttpResponse:
    answer = problem(401, "Send a valid token as 'Authorization: Bearer TOKEN'.")
    answer["WWW-Authenticate"] = "Bearer"
    return answer


def _not_found(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(404, "There is no such thing in this organisation.")


def _of_ninja(request: HttpRequest, error: Any) -> HttpResponse:
    if error.status_code == 400:
        return problem(400, "The body cannot be read. Send JSON in UTF-8.")
    return problem(error.status_code, str(error))


def _unforeseen(request: HttpRequest, error: Any) -> HttpResponse:
    logger.exception("API call failed", extra={"action": "api", "path": request.path})
    return problem(500, "Something went wrong on our side. It was written to the log.", code="internal")
