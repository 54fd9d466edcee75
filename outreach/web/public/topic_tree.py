"""An organisation's topics as a tree that anybody may read: what each is about, and the way to subscribe to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from outreach.audience.models import Topic
from outreach.audience.topic_tree import Branch, grow_tree
from outreach.core.models import Organisation, in_language
from outreach.web.public.pages import choose_language, draw


@require_safe
def topic_tree(request: HttpRequest, slug: str) -> HttpResponse:
    """The topics of the organisation and of those below it."""
    language = choose_language(request)
    organisation = Organisation.objects.filter(slug=slug).first()
    if organisation is None:
        return draw("link_unknown", language=language, status=404)
    topics = Topic.objects.for_organisation(organisation).select_related("organisation")
    tree = _nested(grow_tree(topics), organisation, language)
    return draw("topic_tree", language=language, private=False, organisation=organisation, tree=tree)


def _nested(tree: Sequence[Branch], organisation: Organisation, language: str) -> list[dict[str, Any]]:
    """The tree as lists within lists, as screen readers say it."""
    roots: list[dict[str, Any]] = []
    open_lists = [roots]
    for branch in tree:
        shown = _shown(branch, organisation, language)
        del open_lists[branch.depth + 1 :]
        open_lists[-1].append(shown)
        open_lists.append(shown["children"])
    return roots


def _shown(branch: Branch, organisation: Organisation, language: str) -> dict[str, Any]:
    topic = branch.topic
    join = reverse("public-join", args=[topic.organisation.slug])
    return {
        "slug": topic.slug,
        "name": in_language(topic.name, language) or topic.slug,
        "description": in_language(topic.description, language),
        "owner": in_language(topic.organisation.name, language) if topic.organisation != organisation else "",
        "join": f"{join}?{urlencode({'topic': topic.slug, 'language': language})}",
        "join_all": f"{join}?{urlencode({'branch': topic.slug, 'language': language})}" if branch.below else "",
        "holds": len(branch.below),
        "children": [],
    }
