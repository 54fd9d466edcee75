"""Sign-up pages: a form that anybody fills in, and the confirmation behind the link of the e-mail.

Neither needs a log-in, a cookie or JavaScript. A GET changes nothing, since scanners open links.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from outreach.core.errors import Invalid, OutreachError
from outreach.core.models import Organisation, in_language
from outreach.core.vocabulary import Language
from outreach.events import signups
from outreach.web.public.pages import choose_language, draw


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def join_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the form; take it in. The answer is the same for an address that is known and one that is not."""
    language = choose_language(request)
    organisation = Organisation.objects.filter(slug=slug).first()
    if organisation is None:
        return draw("link_unknown", language=language, status=404)
    if request.method != "POST":
        return _form(organisation, language)
    # A field that nobody sees: who fills it in is a machine, and is answered like everybody.
    if not request.POST.get("website"):
        try:
            with override(language):
                signups.ask_to_join(organisation, _asked(request, language))
        except Invalid as err:
            problems = {field: str(texts[0]) for field, texts in err.fields.items()}
            return _form(organisation, language, status=err.status, posted=request, problems=problems)
        except OutreachError as err:
            with override(language):
                problems = {"": _later(err)}
            return _form(organisation, language, status=err.status, posted=request, problems=problems)
    return draw("join_sent", language=language, organisation=organisation)


def _later(err: OutreachError) -> str:
    if err.status == 429:
        return _("Too many sign-ups came from your network. Please try again in an hour.")
    return _("We cannot take sign-ups right now. Please try again later.")


def _asked(request: HttpRequest, language: str) -> signups.Asked:
    return signups.Asked(
        email=request.POST.get("email", ""),
        topics=request.POST.getlist("topic"),
        language=request.POST.get("language", language),
        shown_in=language,
        ip=request.META.get("REMOTE_ADDR", ""),
    )


def _form(
    organisation: Organisation,
    language: str,
    *,
    status: int = 200,
    posted: HttpRequest | None = None,
    problems: dict[str, str] | None = None,
) -> HttpResponse:
    given: Any = posted.POST if posted else {}
    chosen = given.getlist("topic") if posted else []
    spoken = given.get("language", language)
    topics = [
        {
            "slug": topic.slug,
            "name": in_language(topic.name, language) or topic.slug,
            "description": in_language(topic.description, language),
            "is_chosen": topic.slug in chosen,
        }
        for topic in signups.offered_topics(organisation)
    ]
    return draw(
        "join",
        language=language,
        status=status,
        organisation=organisation,
        topics=topics,
        email=given.get("email", "")[:320],
        spoken=spoken if spoken in Language.values else language,
        problems=problems or {},
        consent_text=signups.consent_text(organisation, language),
        text_version=signups.text_version(language),
    )


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_page(request: HttpRequest, text: str) -> HttpResponse:
    """Ask for the press of a button, and subscribe at it."""
    sign_up = signups.find_sign_up(text)
    language = choose_language(request, usual=sign_up.language if sign_up else "")
    if sign_up is None:
        return draw("join_expired", language=language, status=404)
    if request.method == "POST":
        signups.confirm(sign_up)
    is_done = request.method == "POST" or sign_up.confirmed_at is not None
    names = [
        in_language(topic.name, language) or topic.slug
        for topic in signups.offered_topics(sign_up.organisation)
        if topic.slug in sign_up.topics
    ]
    return draw(
        "joined" if is_done else "join_confirm", language=language, organisation=sign_up.organisation, names=names
    )
