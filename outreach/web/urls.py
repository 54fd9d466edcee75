"""Every path that Django serves; what readers' programs call in numbers is served before it (`web.asgi`)."""

from __future__ import annotations

from django.urls import include, path

from outreach.web.console import errors

urlpatterns = [
    path("api/", include("outreach.web.api.urls")),
    path("hooks/", include("outreach.web.hooks.urls")),
    path("", include("outreach.web.public.urls")),
    path("", include("outreach.web.console.urls")),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
