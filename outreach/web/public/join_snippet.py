"""The sign-up form for other sites: plain HTML that any page can hold, which posts to ours.

It needs no script, cookie or frame of ours: the form is text, so a site's own style and policy hold for it. What it
posts is only a wish, which the owner of the address confirms on our page; so it carries no token, and none is needed.
"""

from __future__ import annotations

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.translation import override

from outreach.core.models import Organisation, in_language
from outreach.events import signup_words, signups


def join_snippet(organisation: Organisation, language: str) -> str:
    """The form's HTML, in a language, with the topics of now."""
    tree = signups.offered_tree(organisation)
    topics = [(each.topic.slug, in_language(each.topic.name, language) or each.topic.slug, each.depth) for each in tree]
    with override(language):
        return render_to_string(
            "public/join_snippet.html",
            {
                "lang": language,
                "action": f"{settings.BASE_URL}/join/{organisation.slug}?language={language}",
                "slug": organisation.slug,
                "topics": topics,
                "consent_text": signup_words.consent_text(organisation, language),
                "text_version": signup_words.text_version(language),
            },
        )
