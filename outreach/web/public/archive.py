"""The public archive: what a topic's feed published, as pages for people and search engines."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from outreach.audience.consent_proof import PUBLISHED_AS, public_key
from outreach.audience.models import Topic
from outreach.core.models import in_language
from outreach.feeds.consent_roots import read_roots
from outreach.feeds.entries import read_feed
from outreach.web.public.pages import choose_language, draw


@require_safe
def topics(request: HttpRequest) -> HttpResponse:
    """Every topic, each with its feed."""
    language = choose_language(request)
    rows = [
        {
            "slug": topic.slug,
            "name": in_language(topic.name, language) or topic.slug,
            "description": in_language(topic.description, language),
            "organisation": in_language(topic.organisation.name, language),
        }
        for topic in Topic.objects.select_related("organisation")
    ]
    return draw("archive", language=language, private=False, topics=rows, consents=PUBLISHED_AS)


@require_safe
def entries(request: HttpRequest, slug: str) -> HttpResponse:
    """What was published on a topic, newest first; the days' roots of the record of consents."""
    language = choose_language(request)
    if slug == PUBLISHED_AS:
        return draw("archive_consents", language=language, private=False, feed=read_roots(language), key=public_key())
    topic = Topic.objects.select_related("organisation").filter(slug=slug).first()
    if topic is None:
        return draw("link_unknown", language=language, status=404)
    feed = read_feed(topic, language)
    return draw(
        "archive_topic",
        language=language,
        private=False,
        organisation=topic.organisation,
        feed=feed,
    )
