"""The pages behind the personal links of a message. A GET shows; only a POST changes anything.

The token is the right: no log-in, no cookie, and so no CSRF token to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import nh3
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from markupsafe import Markup

from outreach.audience.addresses import mask
from outreach.audience.models import Address, Subscriber
from outreach.core.errors import Invalid, OutreachError
from outreach.core.models import in_language
from outreach.core.vocabulary import Frequency, PauseLength
from outreach.delivery import tokens
from outreach.delivery.tokens import TokenKind
from outreach.events.keeping import keep
from outreach.events.optout import Person, Scope, find_person, opt_out
from outreach.events.preferences import Pause, as_typed, read_preferences, save_preferences
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
#: Of a pause: neither a new one nor an end.
_AS_IT_IS: Final = "keep"
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
    """Show and save what the person wants, by which channel, in which language, and from when on."""
    person = _find(text)
    language = choose_language(request, usual=_language_of(person))
    if person is None or person.subscriber is None:
        return _nobody(person, language)
    problems: Mapping[str, Any] = {}
    if request.method == "POST":
        with override(language):
            problems = _save(request, person.subscriber, delivery=person.delivery.public_id, shown_in=language)
        person = _find(text)
    if person is None or person.subscriber is None:  # erased just now
        return _nobody(person, language)
    with override(language):
        preferences = read_preferences(person.subscriber, language=language)
    if problems:
        preferences = as_typed(preferences, **_marked(request))
    return draw(
        "preferences",
        language=language,
        organisation=person.subscriber.organisation,
        status=422 if problems else 200,
        preferences=preferences,
        lengths=[length for length in PauseLength if length],
        frequencies=list(Frequency),
        problems=problems,
        typed=request.POST.dict() if problems else {},
        saved=request.method == "POST" and not problems,
        unsubscribe_url=reverse("public-unsubscribe", args=[text]),
        why_url=reverse("public-why", args=[text]),
        data_url=reverse("public-data", args=[text]),
    )


def _save(request: HttpRequest, subscriber: Subscriber, *, delivery: str, shown_in: str) -> Mapping[str, Any]:
    """Save the form; what is wrong with it, by field, where something is."""
    try:
        save_preferences(
            subscriber,
            **_marked(request),
            delivery=delivery,
            shown_in=shown_in,
            preferred_channel=request.POST.get("first"),
            branch=_number(request.POST.get("branch", "")),
            pause=_pause(request),
            quiet=_quiet(request),
        )
    except Invalid as invalid:
        return invalid.fields
    return {}


def _marked(request: HttpRequest) -> dict[str, Any]:
    return {
        "chosen": _chosen(request),
        "language": request.POST.get("language", ""),
        "measured": request.POST.get("measured") == "yes",
        "frequencies": _frequencies(request),
    }


def _pause(request: HttpRequest) -> Pause | None:
    """The pause that is asked for; None where it is to stay as it is. A day that is given says enough by itself."""
    length, day = request.POST.get("pause", _AS_IT_IS), request.POST.get("pause_until", "")
    if day and length in {_AS_IT_IS, PauseLength.NONE}:
        length = PauseLength.DATE
    return None if length == _AS_IT_IS else Pause(length=length, day=day)


def _quiet(request: HttpRequest) -> tuple[str, str] | None:
    """From when to when the person is not to be disturbed; None where that is to stay as it is."""
    if "quiet_from" not in request.POST:
        return None
    return request.POST["quiet_from"], request.POST.get("quiet_to", "")


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


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def keep_page(request: HttpRequest, text: str) -> HttpResponse:
    """Ask whether to go on writing to the person about what the message was about, and go on."""
    person = _find(text)
    language = choose_language(request, usual=_language_of(person))
    if person is None or person.subscriber is None:
        return _nobody(person, language)
    is_kept = request.method == "POST"
    topics = keep(person, shown_in=language) if is_kept else person.topics
    return draw(
        "keep",
        language=language,
        organisation=person.subscriber.organisation,
        topics=[in_language(topic.name, language) or topic.slug for topic in topics],
        is_kept=is_kept,
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


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _frequencies(request: HttpRequest) -> dict[tuple[int, str], str]:
    """The form's `often-ID-CHANNEL` fields: how often, by topic and channel."""
    fields = ((name.split("-"), name) for name in request.POST if name.startswith("often-"))
    return {
        (topic, parts[2]): request.POST[name]
        for parts, name in fields
        if len(parts) == 3 and (topic := _number(parts[1])) is not None
    }


def _chosen(request: HttpRequest) -> dict[int, list[str]]:
    """The form's `topic-ID` fields, each with the channels marked."""
    return {
        topic: request.POST.getlist(name)
        for name in request.POST
        if name.startswith("topic-") and (topic := _number(name.removeprefix("topic-"))) is not None
    }
