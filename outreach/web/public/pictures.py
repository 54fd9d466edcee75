"""Pictures that e-mails show: public, by a path that nobody guesses; what is behind it never changes."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from outreach.campaigns.models import Picture

HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


@require_safe
def picture(request: HttpRequest, key: str) -> HttpResponse:
    """The picture's bytes, with the type that was found when it came in."""
    found = Picture.objects.filter(key=key).values_list("data", "media_type").first()
    if found is None:
        return HttpResponse("Not found.\n", status=404, content_type="text/plain; charset=utf-8")
    data, media_type = found
    return HttpResponse(bytes(data), content_type=media_type, headers=HEADERS)
