"""Topics: what people subscribe to. Named in each language, addressed by a slug that public feeds use too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.consent_proof import PUBLISHED_AS
from outreach.audience.models import Topic
from outreach.audience.topic_tree import last_place
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Language, Permission, SubscriptionState

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_NAME = 200


def create_topic(
    actor: Actor,
    *,
    slug: str,
    name: Mapping[str, str],
    description: Mapping[str, str] | None = None,
    parent: Topic | None = None,
) -> Topic:
    """Add a topic to the actor's organisation.

    Raises:
        Invalid: the slug is taken or not a slug, no name is given, or the tree would be too deep.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    fields = _problems(name=name, description=description or {})
    if not SLUG.fullmatch(slug) or len(slug) > 60:
        fields["slug"] = [_("Use up to 60 small letters, digits and hyphens.")]
    if slug == PUBLISHED_AS:
        fields["slug"] = [_("The record of consents is published by this name.")]
    if fields:
        raise Invalid(fields)
    position = last_place(actor.organisation, parent)
    try:
        with transaction.atomic():
            topic = Topic.objects.create(
                organisation=actor.organisation,
                slug=slug,
                name=dict(name),
                description=dict(description or {}),
                parent=parent,
                position=position,
            )
            audit.record(actor, "topic.created", topic, slug=slug)
    except IntegrityError as err:
        raise Invalid({"slug": [_("There is a topic with this slug already.")]}) from err
    return topic


@transaction.atomic
def change_topic(
    actor: Actor,
    topic: Topic,
    *,
    name: Mapping[str, str] | None = None,
    description: Mapping[str, str] | None = None,
) -> Topic:
    """Change a topic's names or descriptions; its slug stays, since feeds and links carry it."""
    actor.require(Permission.EDIT_AUDIENCE)
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = dict(name)
    if description is not None:
        changes["description"] = dict(description)
    fields = _problems(**changes)
    if fields:
        raise Invalid(fields)
    if not changes:
        return topic
    for field, value in changes.items():
        setattr(topic, field, value)
    topic.save(update_fields=list(changes))
    audit.record(actor, "topic.changed", topic, fields=sorted(changes))
    return topic


def topics_with_counts(organisation: Organisation) -> QuerySet[Topic]:
    """The organisation's topics and those below, each with `subscribers`: how many people want it by any channel."""
    wanted = Q(subscriptions__state=SubscriptionState.SUBSCRIBED, subscriptions__subscriber__erased_at=None)
    return (
        Topic.objects.for_organisation(organisation)
        .select_related("organisation")
        .annotate(subscribers=Count("subscriptions__subscriber", filter=wanted, distinct=True))
        .order_by("slug")
    )


def topics_open_to(organisation: Organisation) -> QuerySet[Topic]:
    """Topics that the organisation's people can be subscribed to: its own, those below, those of the nodes above."""
    return Topic.objects.filter(
        Q(organisation__path__startswith=organisation.path) | Q(organisation__in=organisation.ancestor_ids())
    )


def _problems(**texts: Mapping[str, str]) -> dict[str, list[Any]]:
    fields: dict[str, list[Any]] = {}
    for field, by_language in texts.items():
        for language, text in by_language.items():
            if language not in Language.values:
                fields[f"{field}/{language}"] = [_("There is no such language here.")]
            elif field == "name" and len(text) > LONGEST_NAME:
                fields[f"{field}/{language}"] = [_("Use at most 200 characters.")]
    if "name" in texts and not any(text.strip() for text in texts["name"].values()):
        fields["name"] = [_("Give a name in at least one language.")]
    return fields
