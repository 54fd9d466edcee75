"""Segments: named rules of an organisation that campaigns take; who is meant now is found by `segment_people`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Segment
from outreach.audience.people_facts import open_to
from outreach.audience.rules import KnownRule, Rule, read_rule
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import Organisation
from outreach.core.vocabulary import JobState, Permission

LONGEST_NAME = 200


def create_segment(actor: Actor, *, name: str, where: Rule) -> Segment:
    """Keep a rule under a name in the actor's organisation.

    Raises:
        Invalid: the rule or the name is not acceptable, by path.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    known, fields = _checked(actor.organisation, name=name, where=where)
    if fields or known is None:
        raise Invalid(fields)
    segment = Segment(
        organisation=actor.organisation, name=name.strip(), where=dict(known.where), created_by=actor.user
    )
    keep_segment(actor, segment, "segment.created")
    return segment


def change_segment(actor: Actor, segment: Segment, *, name: str | None = None, where: Rule | None = None) -> Segment:
    """Change what is given. Campaigns that take the segment and were approved have to be approved again.

    Raises:
        Invalid: the rule or the name is not acceptable, by path.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    if segment.taken_at and where not in (None, segment.where):
        raise Invalid({"where": [_("A snapshot stays as it was taken.")]})
    known, fields = _checked(segment.organisation, name=name, where=where)
    if fields:
        raise Invalid(fields)
    segment.name = segment.name if name is None else name.strip()
    segment.where = segment.where if known is None else dict(known.where)
    # Nothing else: a worker may be listing the people of a snapshot.
    keep_segment(actor, segment, "segment.changed", fields=("name", "where", "changed_at"))
    return segment


@transaction.atomic
def delete_segment(actor: Actor, segment: Segment) -> None:
    """Take a segment away.

    Raises:
        StateConflict: a campaign takes it.
    """
    actor.require(Permission.EDIT_AUDIENCE)
    audit.record(actor, "segment.deleted", segment, name=segment.name)
    try:
        segment.delete()
    except ProtectedError as err:
        raise StateConflict(_("A campaign takes this segment.")) from err


def rule_of(segment: Segment) -> KnownRule:
    """The segment's rule with what it names, read again.

    Raises:
        Invalid: something that it names is gone.
    """
    return read_rule(segment.where, segment.organisation)


def usable_segments(organisation: Organisation) -> QuerySet[Segment]:
    """Those that a campaign of the organisation may take: of its subtree and of the nodes above it, and whole."""
    return open_to(organisation, Segment.objects.filter(state=JobState.DONE))


def _checked(
    organisation: Organisation, *, name: str | None, where: Rule | None
) -> tuple[KnownRule | None, dict[str, list[Any]]]:
    """What was given, read, and what is wrong with it."""
    fields = {} if name is None else wrong_in_name(name)
    try:
        known = None if where is None else read_rule(where, organisation)
    except Invalid as err:
        return None, {**fields, **err.fields}
    if known is not None and _names_half_a_snapshot(known):
        fields["where"] = [_("This snapshot is not whole yet.")]
    return known, fields


def _names_half_a_snapshot(rule: KnownRule) -> bool:
    named = [one.id for one in rule.references.get("snapshot", {}).values()]
    return bool(named) and Segment.objects.filter(pk__in=named).exclude(state=JobState.DONE).exists()


def wrong_in_name(name: str) -> dict[str, list[Any]]:
    if not name.strip():
        return {"name": [_("Give the segment a name.")]}
    return {"name": [_("Use at most 200 characters.")]} if len(name.strip()) > LONGEST_NAME else {}


def keep_segment(actor: Actor, segment: Segment, action: str, *, fields: Collection[str] | None = None) -> None:
    """Write a segment down, or some of its fields, with its entry in the audit.

    Raises:
        Invalid: there is one with its name.
    """
    try:
        with transaction.atomic():
            segment.save(update_fields=fields)
            audit.record(actor, action, segment)
    except IntegrityError as err:
        raise Invalid({"name": [_("There is a segment with this name already.")]}) from err
