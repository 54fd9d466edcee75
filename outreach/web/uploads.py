"""Uploads that are too large are refused by the length that they announce, before a byte of them is read or kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from outreach.audience.import_reasons import FILE_REASONS
from outreach.web.api.problems import problem
from outreach.web.console.errors import too_large

#: What a form has beside its file.
ROOM_OF_A_FORM: Final = 1024 * 1024


class UploadLimitMiddleware:
    """Stands before whatever reads a body, which for a form is the check of its token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _announced(request) <= settings.IMPORT_MAX_BYTES + ROOM_OF_A_FORM:
            return self.get_response(request)
        if not request.path.startswith("/api/v1/"):
            return too_large(request)
        told = str(FILE_REASONS["too_large"])
        return problem(413, told, errors=[{"pointer": "/file", "detail": told}])


def _announced(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() else 0
