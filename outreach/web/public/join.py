"""Sign-up pages: a form that anybody fills in, and the confirmation behind the link of the e-mail.

Neither needs a log-in, a cookie or JavaScript. A GET changes nothing, since scanners open links.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from outreach.core.errors import Invalid, OutreachError
from outreach.core.models import Organisation, in_language
from outreach.core.vocabulary import Frequency, Language
from outreach.events import signup_links, signup_words, signups, work
from outreach.events.storable import storable_text
from outreach.web.public.pages import choose_language, draw
from outreach.web.visitor import visitor_of


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def join_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the form; take it in. The answer is the same for an address that is known and one that is not."""
    language = choose_language(request)
    organisation = Organisation.objects.filter(slug=slug).first()
    if organisation is None:
        return draw("link_unknown", language=language, status=404)
    if request.method != "POST":
        return _form(organisation, language, request.GET)
    # A field that nobody sees: who fills it in is a machine, and is answered like everybody.
    if not request.POST.get("website"):
        try:
            with override(language):
                signups.ask_to_join(organisation, _asked(request, language))
        except Invalid as err:
            problems = {field: str(texts[0]) for field, texts in err.fields.items()}
            return _form(organisation, language, request.POST, status=err.status, problems=problems)
        except OutreachError as err:
            with override(language):
                problems = {"": _later(err)}
            return _form(organisation, language, request.POST, status=err.status, problems=problems)
    return draw("join_sent", language=language, organisation=organisation)


def _later(err: OutreachError) -> str:
    if err.status == 429:
        return _("Too many sign-ups came from your network. Please try again in an hour.")
    return _("We cannot take sign-ups right now. Please try again later.")


def _asked(request: HttpRequest, language: str) -> signups.Asked:
    return signups.Asked(
        email=request.POST.get("email", ""),
        topics=request.POST.getlist("topic"),
        branches=request.POST.getlist("branch"),
        language=request.POST.get("language", language),
        text_version=signup_words.text_version(language),
        ip=visitor_of(request),
        site=_site(request),
        work=request.POST.get("work", "")[:200],
        # At once is what is meant where nothing is said: it takes back no choice that was made elsewhere.
        profile={"frequency": often} if (often := _often(request.POST)) != Frequency.IMMEDIATE else {},
    )


def _often(given: QueryDict) -> str:
    word = given.get("often", "")
    return word if word in Frequency.values else Frequency.IMMEDIATE.value


def _site(request: HttpRequest) -> str:
    """Where the form stood, for the record: '' for our own page. Nothing is allowed or refused by it."""
    try:
        host = storable_text(urlsplit(request.headers.get("Origin", "")).hostname or "")[:255]
    except ValueError:  # it is no address
        host = ""
    is_ours = not host or host in {urlsplit(settings.BASE_URL).hostname, request.get_host().partition(":")[0]}
    if is_ours:
        return "elsewhere" if "embedded" in request.POST else ""
    return host


def _form(
    organisation: Organisation,
    language: str,
    given: QueryDict,
    *,
    status: int = 200,
    problems: dict[str, str] | None = None,
) -> HttpResponse:
    """The form, with what was posted or what a link to it marks; an address is never taken from a link."""
    spoken = given.get("language", language)
    return draw(
        "join",
        language=language,
        status=status,
        organisation=organisation,
        slug=organisation.slug,
        topics=_topics(organisation, language, given),
        email=given.get("email", "")[:320] if problems else "",
        spoken=spoken if spoken in Language.values else language,
        frequencies=list(Frequency),
        often=_often(given),
        problems=problems or {},
        consent_text=signup_words.consent_text(organisation, language),
        text_version=signup_words.text_version(language),
        challenge=work.make_challenge(),
        bits=work.BITS,
    )


def _topics(organisation: Organisation, language: str, marked: QueryDict) -> list[dict[str, Any]]:
    """What is offered, with the marks that a form or a link gives: `topic` for one, `branch` for all that it holds."""
    chosen, whole = marked.getlist("topic"), marked.getlist("branch")
    return [
        {
            "slug": branch.topic.slug,
            "name": in_language(branch.topic.name, language) or branch.topic.slug,
            "description": in_language(branch.topic.description, language),
            "depth": branch.depth,
            "holds": len(branch.below),
            "is_chosen": branch.topic.slug in chosen,
            "is_whole": branch.topic.slug in whole,
        }
        for branch in signups.offered_tree(organisation)
    ]


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_page(request: HttpRequest, text: str) -> HttpResponse:
    """Ask for the press of a button, and subscribe at it."""
    sign_up = signup_links.find_sign_up(text)
    language = choose_language(request, usual=sign_up.language if sign_up else "")
    if sign_up is None:
        return draw("join_expired", language=language, status=404)
    if request.method == "POST":
        signups.confirm(sign_up, shown_in=language)
    is_done = request.method == "POST" or sign_up.confirmed_at is not None
    names = [
        in_language(topic.name, language) or topic.slug
        for topic in signups.offered_topics(sign_up.organisation)
        if topic.slug in sign_up.topics
    ]
    return draw(
        "joined" if is_done else "join_confirm",
        language=language,
        organisation=sign_up.organisation,
        names=names,
        consent_text=signup_words.consent_text(sign_up.organisation, language),
        text_version=signup_words.text_version(language),
    )
