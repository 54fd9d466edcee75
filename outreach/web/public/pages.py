"""How a public page is drawn: in the reader's language, with the organisation's name, without a cookie."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import get_language_from_request, override

from outreach.core.models import Organisation, in_language
from outreach.core.vocabulary import Language

#: Drawn pages are nobody else's: no cache keeps them, no search engine finds them, no other site learns the token.
PRIVATE: Final = {
    "Cache-Control": "no-store, private",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}


def choose_language(request: HttpRequest, *, usual: str = "") -> str:
    """The language of the switch, else the person's, else the browser's."""
    asked = request.GET.get("language", "") or usual or get_language_from_request(request)[:2]
    return asked if asked in Language.values else Language.BULGARIAN


def render_page(template: str, *, language: str, organisation: Organisation | None = None, **context: Any) -> str:
    """Render `public/<template>.html` in a language, with the organisation's clock."""
    zone = ZoneInfo(organisation.timezone) if organisation else timezone.get_current_timezone()
    with override(language), timezone.override(zone):
        return render_to_string(
            f"public/{template}.html",
            {
                "lang": language,
                "organisation": in_language(organisation.name, language) if organisation else "",
                "other_language": next(_named(code) for code in Language.values if code != language),
                "languages": [_named(code) for code in Language.values],
                **context,
            },
        )


def draw(template: str, *, language: str, status: int = 200, private: bool = True, **context: Any) -> HttpResponse:
    """A page as an answer; `context` goes to `render_page`."""
    headers = {"Content-Language": language, **(PRIVATE if private else {})}
    return HttpResponse(render_page(template, language=language, **context), status=status, headers=headers)


def _named(code: str) -> dict[str, str]:
    return {"code": code, "name": str(Language(code).label)}
