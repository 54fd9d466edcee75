"""The pages of what went wrong: in words, with a way out, never a traceback."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_noop as _

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


def server_error(request: HttpRequest) -> HttpResponse:
    return _page(request, 500, *PAGES[500])


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For `CSRF_FAILURE_VIEW`."""
    return _page(request, 403, *CSRF)


def _page(request: HttpRequest, status: int, heading: str, text: str) -> HttpResponse:
    context = {"heading": translate(heading), "text": translate(text)}
    return render(request, "console/error.html", context, status=status)
