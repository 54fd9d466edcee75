"""The pages behind the personal links of a message. A GET shows; only a POST changes anything.

The token is the right: no log-in, no cookie, and so no CSRF token to check.
"""

from __future__ import annotations

from typing import Any, Final

import nh3
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from markupsafe import Markup

from outreach.audience.addresses import mask
from outreach.audience.models import Address
from outreach.core.errors import OutreachError
from outreach.core.models import in_language
from outreach.delivery import tokens
from outreach.delivery.tokens import TokenKind
from outreach.events.optout import Person, Scope, find_person, opt_out
from outreach.events.preferences import read_preferences, save_preferences
from outreach.events.storable import storable_text
from outreach.events.why import read_why
from outreach.web.public.message import is_public, render_for_browser
from outreach.web.public.pages import PRIVATE, choose_language, draw

#: A message was written by others: it may be styled, but not run, nor speak for this site.
_MESSAGE_POLICY: Final = (
    "default-src 'none'; img-src * data:; style-src 'unsafe-inline'; font-src *; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
#: A cleaned message within a page of ours: its pictures may come from elsewhere.
_ARTICLE_POLICY: Final = (
    "default-src 'none'; img-src 'self' https: data:; style-src 'self'; font-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
#: Characters of a reader's reason that are kept.
_LONGEST_REASON: Final = 500
_SCOPES: Final[dict[str, Scope]] = {"topics": "topics", "all": "all"}


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, text: str) -> HttpResponse:
    """Ask what to stop, and stop it. A POST without a form stops what the message was about, as RFC 8058 has it."""
    person = _find(text)
    language = choose_language(request, usual=_language_of(person))
    if person is None or person.subscriber is None:
        return _nobody(person, language)
    context: dict[str, Any] = {
        "topics": [{"name": in_language(topic.name, language) or topic.slug} for topic in person.topics],
        "preferences_url": reverse("public-preferences", args=[text]),
        "organisation": person.subscriber.organisation,
    }
    if request.method != "POST":
        return draw("unsubscribe", language=language, address=_masked_address(person), **context)
    scope = _SCOPES.get(request.POST.get("scope", ""), "topics")
    source = "page" if "scope" in request.POST else "one_click"
    opt_out(person, scope=scope, source=source, evidence=_reason(request))
    return draw("unsubscribed", language=language, scope=scope, **context)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def preferences_page(request: HttpRequest, text: str) -> HttpResponse:
    """Show and save what the person wants, by which channel, in which language."""
    person = _find(text)
    language = choose_language(request, usual=_language_of(person))
    if person is None or person.subscriber is None:
        return _nobody(person, language)
    if request.method == "POST":
        save_preferences(
            person.subscriber,
            chosen=_chosen(request),
            language=request.POST.get("language", ""),
            measured=request.POST.get("measured") == "yes",
            delivery=person.delivery.public_id,
            preferred_channel=request.POST.get("first"),
        )
        person.subscriber.refresh_from_db()
    with override(language):
        preferences = read_preferences(person.subscriber, language=language)
    return draw(
        "preferences",
        language=language,
        organisation=person.subscriber.organisation,
        preferences=preferences,
        saved=request.method == "POST",
        unsubscribe_url=reverse("public-unsubscribe", args=[text]),
        why_url=reverse("public-why", args=[text]),
        data_url=reverse("public-data", args=[text]),
    )


@require_safe
def why_page(request: HttpRequest, text: str) -> HttpResponse:
    """Why the message came: topic, consent, sender."""
    person = _find(text)
    language = choose_language(request, usual=_language_of(person))
    if person is None or person.subscriber is None:
        return _nobody(person, language)
    with override(language):
        why = read_why(person, person.subscriber, language=language)
    return draw(
        "why",
        language=language,
        organisation=person.subscriber.organisation,
        why=why,
        address=_masked_address(person),
        preferences_url=reverse("public-preferences", args=[text]),
        unsubscribe_url=reverse("public-unsubscribe", args=[text]),
    )


@require_safe
def view_in_browser(request: HttpRequest, text: str) -> HttpResponse:
    """The message as its recipient got it; a feed entry as a page of ours, for everybody."""
    token = tokens.read(text, TokenKind.VIEW)
    language = choose_language(request, usual=token.language if token else "")
    try:
        shown = render_for_browser(token) if token else None
    except OutreachError:
        shown = None
    if shown is None:
        return draw("link_unknown", language=language, status=404)
    if shown.html and not is_public(shown):
        return HttpResponse(shown.html, headers={**PRIVATE, "Content-Security-Policy": _MESSAGE_POLICY})
    page = draw(
        "article",
        language=language,
        organisation=shown.run.organisation,
        private=not is_public(shown),
        shown=shown,
        is_public=is_public(shown),
        html=Markup(nh3.clean(shown.html)),  # noqa: S704 -- cleaned in this very expression
    )
    page["Content-Security-Policy"] = _ARTICLE_POLICY
    return page


def _find(text: str) -> Person | None:
    token = tokens.read(text, TokenKind.PERSON)
    return find_person(token) if token else None


def _nobody(person: Person | None, language: str) -> HttpResponse:
    if person is None:
        return draw("link_unknown", language=language, status=404)
    return draw("nobody", language=language, organisation=person.run.organisation)


def _language_of(person: Person | None) -> str:
    if person is None:
        return ""
    return person.subscriber.language if person.subscriber else person.delivery.language


def _masked_address(person: Person) -> str:
    if person.delivery.address_id is None:
        return ""
    address = Address.objects.filter(pk=person.delivery.address_id).values_list("value", flat=True).first()
    return mask(address) if address else ""


def _reason(request: HttpRequest) -> dict[str, str]:
    """What the reader gave as the reason, for the record; nothing where nothing was written."""
    reason = storable_text(request.POST.get("reason", "")).strip()[:_LONGEST_REASON]
    return {"reason": reason} if reason else {}


def _chosen(request: HttpRequest) -> dict[int, list[str]]:
    """The form's `topic-ID` fields, each with the channels marked."""
    return {
        int(name.removeprefix("topic-")): request.POST.getlist(name)
        for name in request.POST
        if name.startswith("topic-") and name.removeprefix("topic-").isdecimal()
    }
