"""What a reader may take or destroy: asked for behind a personal link, done behind a one-time link."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from outreach.audience.models import Subscriber
from outreach.delivery import tokens
from outreach.delivery.tokens import TokenKind
from outreach.effectiveness.person_stages import whole_evidence
from outreach.effectiveness.timeline import as_json, whole_timeline
from outreach.events import one_time
from outreach.events.one_time import ERASE, EXPORT, LinkGone, OneTimeLink
from outreach.events.optout import find_person
from outreach.web.public.pages import PRIVATE, choose_language, draw


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def data_page(request: HttpRequest, text: str) -> HttpResponse:
    """Offer a one-time link, and have it sent. The answer is the same whether one could be sent or not."""
    token = tokens.read(text, TokenKind.PERSON)
    person = find_person(token) if token else None
    if person is None:
        return draw("link_unknown", language=choose_language(request), status=404)
    if person.subscriber is None:
        language = choose_language(request, usual=person.delivery.language)
        return draw("nobody", language=language, organisation=person.run.organisation)
    action = request.POST.get("action", "")
    if action in one_time.ACTIONS:
        one_time.send_link(person.subscriber, action)
    return draw(
        "data",
        language=choose_language(request, usual=person.subscriber.language),
        organisation=person.subscriber.organisation,
        sent=action in one_time.ACTIONS,
        preferences_url=reverse("public-preferences", args=[text]),
    )


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def one_time_page(request: HttpRequest, text: str) -> HttpResponse:
    """Ask once more, and do what the link is for. Programs that open links in mails use none up."""
    try:
        link = one_time.read_link(text)
        language = choose_language(request, usual=link.subscriber.language)
        if request.method == "POST":
            return _act(request, text, link, language=language)
    except LinkGone:
        return draw("one_time_gone", language=choose_language(request), status=410)
    organisation = link.subscriber.organisation
    return draw("one_time", language=language, organisation=organisation, is_erasure=link.action == ERASE)


def _act(request: HttpRequest, text: str, link: OneTimeLink, *, language: str) -> HttpResponse:
    if link.action == EXPORT:
        return _file(text, as_csv=request.POST.get("format") == "csv")
    one_time.erase_by_link(text)
    return draw("erased", language=language, organisation=link.subscriber.organisation)


def _file(text: str, *, as_csv: bool) -> HttpResponse:
    kind, ending = ("text/csv; charset=utf-8", "csv") if as_csv else ("application/json", "json")
    headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="my-data.{ending}"'}
    taken = one_time.take_export(text, as_csv=as_csv, also=_messages)
    return HttpResponse(taken, content_type=kind, headers=headers)


def _messages(subscriber: Subscriber) -> dict[str, Any]:
    """What was sent to the person, what they opened, pressed and answered, and how far they came: as the API has it."""
    timeline = [as_json(entry) for entry in whole_timeline(subscriber)]
    return {"timeline": timeline, "stages": list(whole_evidence(subscriber))}
