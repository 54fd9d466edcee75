"""A message's own HTML as an answer by itself: for a frame without rights, under a policy stricter than the page's."""

from __future__ import annotations

import re
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

#: E-mail lives on inline styles; nothing else of it may run, load or send.
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https: 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
#: What a reader's program in dark mode does to a message without colours of its own for it.
DARK: Final = "<style>:root{color-scheme:dark}body{background:#14161c!important;color:#e9ebf2}</style>"
#: The message's own rules for the dark: the choice on the page counts, not the system's.
_PREFERRED: Final = re.compile(r"@media\s*\(\s*prefers-color-scheme:\s*dark\s*\)", re.IGNORECASE)
_HEAD: Final = re.compile(r"<head[^>]*>", re.IGNORECASE)
#: Our own pixel: looking at a message here is not an opening by its reader.
_PIXEL: Final = re.compile(rf"<img[^>]+{re.escape(settings.BASE_URL)}/o/[^>]*>", re.IGNORECASE)


def mail_frame(request: HttpRequest, html: str) -> HttpResponse:
    """The HTML as it is, but for our pixel; `?theme=dark` shows it as a program in dark mode would."""
    is_dark = request.GET.get("theme") == "dark"
    html = _PREFERRED.sub("@media all" if is_dark else "@media not all", _PIXEL.sub("", html))
    if is_dark:
        html = _HEAD.sub(lambda found: found.group(0) + DARK, html, count=1) if _HEAD.search(html) else DARK + html
    # The middleware leaves a policy alone that is there already.
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "private, no-store"}
    return HttpResponse(html, content_type="text/html; charset=utf-8", headers=headers)
