"""The pages of what went wrong: in words, with a way out, never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_noop as _

from outreach.web.formats import size

logger = logging.getLogger(__name__)

#: status -> heading, text
PAGES: Final = {
    400: (_("This request cannot be read"), _("Go back, reload the page and try again.")),
    403: (
        _("Your role does not allow this"),
        _("Ask an administrator of your organisation, or go back to what you may do."),
    ),
    404: (
        _("There is no such page"),
        _("It may have been removed, or it belongs to an organisation that you are not looking at now."),
    ),
    413: (
        _("This file is too large"),
        _("A file may have at most %(size)s here. Nothing of it was kept. Divide it and hand in the parts one by one."),
    ),
    500: (
        _("Something went wrong here"),
        _("Nothing you entered was sent. The operators see what happened; please try again in a minute."),
    ),
}
CSRF: Final = (_("This page was open too long"), _("Go back, reload the page and send the form again."))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 400, *PAGES[400])


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 403, *PAGES[403])


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 404, *PAGES[404])


def too_large(request: HttpRequest) -> HttpResponse:
    heading, text = PAGES[413]
    return _page(request, 413, heading, text, size=size(settings.IMPORT_MAX_BYTES))


def server_error(request: HttpRequest) -> HttpResponse:
    return _page(request, 500, *PAGES[500])


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For `CSRF_FAILURE_VIEW`."""
    return _page(request, 403, *CSRF)


class RefusedValueMiddleware:
    """A value that the database cannot keep, such as the character NUL in an address: bad input, no fault of ours."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DataError):
            return None
        logger.warning("The database refused a value", exc_info=exception, extra={"action": "web.refused"})
        return bad_request(request)


def _page(request: HttpRequest, status: int, heading: str, text: str, **values: str) -> HttpResponse:
    told = translate(text)
    context = {"heading": translate(heading), "text": told % values if values else told}
    return render(request, "console/error.html", context, status=status)
