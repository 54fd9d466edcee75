"""Segments: which groups do we have, and whom does each mean now? The builder, which works without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from outreach.audience.attributes import attributes_open_to
from outreach.audience.facts import FACTS, Argument, Takes
from outreach.audience.models import Segment
from outreach.audience.regions import BULGARIAN, region_name
from outreach.audience.rule_words import in_words
from outreach.audience.rules import KnownRule, read_rule, read_rules
from outreach.audience.segment_people import count_people, sample_people
from outreach.audience.segments import change_segment, create_segment, delete_segment, rule_of, usable_segments
from outreach.audience.snapshots import take_snapshot
from outreach.campaigns.fields import usable_services, usable_topics
from outreach.campaigns.models import Campaign
from outreach.campaigns.segment_use import campaigns_naming, with_use
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Permission
from outreach.web.console.segment_outline import (
    A_GROUP,
    GROUP_WORDS,
    OTHER,
    ROOT,
    Group,
    act,
    facts_about,
    laid_out,
    outline_of,
    read_outline,
    rule_of_outline,
)
from outreach.web.console.visit import Visit, filling, posting, visiting

#: How long a change of the builder waits for an exact count before it shows an estimate, and then for the exact one.
AT_ONCE: Final = 250
IN_TIME: Final = 60_000
MOST_CAMPAIGNS: Final = 200
#: Campaigns that a segment's page names.
MOST_NAMED: Final = 10


@dataclass(kw_only=True)
class Builder:
    """The builder's state: a name, an outline, and what is wrong with them."""

    organisation: Organisation
    name: str = ""
    outline: Group = field(default_factory=Group)
    #: Place in the outline, or `name`, -> sentences.
    problems: dict[str, list[str]] = field(default_factory=dict)
    #: The place to go on at.
    focus: str = ""

    @property
    def rule(self) -> dict[str, Any]:
        return rule_of_outline(self.outline)[0]

    def take(self, invalid: Invalid) -> None:
        """Show what is wrong where it stands: the longest beginning of a path that the outline has."""
        _rule, places = rule_of_outline(self.outline)
        for path, sentences in invalid.facts["fields"].items():
            self.problems.setdefault(_place_of(path, places), []).extend(sentences)

    @cached_property
    def declared(self) -> list[tuple[str, str]]:
        """Attributes that are declared here, by name and label: any other may be named, too."""
        return [(one.name, str(one)) for one in attributes_open_to(self.organisation).order_by("name")]

    def choices(self, argument: Argument) -> list[tuple[str, Any]]:
        """What a control offers."""
        if argument.words is not None:
            return [(str(value), label) for value, label in argument.words.choices if value]
        return self._offers[argument.refers]

    @cached_property
    def _offers(self) -> Mapping[str, list[tuple[str, Any]]]:
        return {
            "region": [(code, region_name(code, get_language() or "")) for code in BULGARIAN],
            "topic": [(topic.slug, str(topic)) for topic in usable_topics(self.organisation)],
            "service": [(service.slug, str(service)) for service in usable_services(self.organisation)],
            "snapshot": [
                (str(one.pk), one.name) for one in usable_segments(self.organisation).filter(taken_at__isnull=False)
            ],
            "campaign": [
                (str(one.pk), one.name)
                for one in Campaign.objects.for_organisation(self.organisation).order_by("-pk")[:MOST_CAMPAIGNS]
            ],
        }


def _place_of(path: str, places: Mapping[str, str]) -> str:
    """`where/and/0/clicked/within` -> `r.0:within`; the clause itself where no control is wrong by itself."""
    parts = path.split("/")
    for length in range(len(parts), 0, -1):
        place = places.get("/".join(parts[:length]))
        if place is not None:
            rest = parts[length:]
            is_control = len(rest) > 1 and rest[0] in FACTS
            return f"{place}:{rest[1]}" if is_control else place
    return parts[0]


@visiting()
def segments(visit: Visit) -> HttpResponse:
    rows = list(with_use(Segment.objects.for_organisation(visit.organisation)).select_related("organisation"))
    known = read_rules([row.where for row in rows], visit.organisation)
    return visit.show("segments/list.html", segments=list(zip(rows, map(in_words, known), strict=True)))


@visiting()
def segment_count(visit: Visit, key: int) -> HttpResponse:
    """How many people a segment of the list means now, for htmx."""
    found = visit.find(Segment.objects.select_related("organisation"), key)
    try:
        count = count_people(found.organisation, rule_of(found), patience=AT_ONCE)
    except Invalid:  # it names what is gone: its page says what
        count = None
    return visit.show("segments/count.html", count=count)


@filling(needs=Permission.EDIT_AUDIENCE)
def new_segment(visit: Visit) -> HttpResponse:
    return _edit(visit, None)


@filling(needs=Permission.VIEW)
def segment(visit: Visit, key: int) -> HttpResponse:
    found = visit.find(Segment.objects.select_related("organisation"), key)
    if visit.is_post:
        visit.actor.require(Permission.EDIT_AUDIENCE)
    return _edit(visit, found)


@posting(needs=Permission.VIEW)
def segment_look(visit: Visit) -> HttpResponse:
    """Whom the builder's rule means, for htmx: at once, and exactly where `exact` is asked for. Nothing is saved."""
    builder = _posted(visit, None)
    patience = IN_TIME if "exact" in visit.request.GET else AT_ONCE
    return visit.show("segments/look.html", builder=builder, **_look(builder, patience=patience))


@posting(needs=Permission.EDIT_AUDIENCE)
def remove_segment(visit: Visit, key: int) -> HttpResponse:
    found = visit.find(Segment.objects.all(), key)
    delete_segment(visit.actor, found)
    visit.tell(_("The segment “%(name)s” is gone.") % {"name": found.name})
    return visit.go("segments")


@posting(needs=Permission.EDIT_AUDIENCE)
def snapshot(visit: Visit, key: int) -> HttpResponse:
    try:
        taken = take_snapshot(visit.actor, visit.find(Segment.objects.select_related("organisation"), key))
    except Invalid as invalid:  # it names what is gone
        visit.complain(invalid)
        return visit.go("segment", key=key)
    if taken.is_whole:
        visit.tell(_("The people of now are kept as “%(name)s”.") % {"name": taken.name})
        return visit.go("segments")
    return visit.go("segment", key=taken.pk)


@visiting()
def snapshot_progress(visit: Visit, key: int) -> HttpResponse:
    """How far a snapshot is, for htmx; tells htmx to load the whole page when it is whole."""
    taken = visit.find(Segment.objects.all(), key)
    answer = visit.show("segments/taking.html", segment=taken)
    if taken.is_whole:
        answer["HX-Refresh"] = "true"
    return answer


def _edit(visit: Visit, found: Segment | None) -> HttpResponse:
    builder = _posted(visit, found) if visit.is_post else _kept(visit, found)
    asked = visit.request.POST.get("do", "")
    if asked == "save":
        try:
            kept = _save(visit, builder, found)
        except Invalid as invalid:
            builder.take(invalid)
        else:
            visit.tell(_("The segment “%(name)s” is saved.") % {"name": kept.name})
            return visit.go("segments")
    elif asked:
        builder.focus = act(builder.outline, asked, visit.request.POST.get(f"{asked.partition(':')[2]}:add", ""))
    patience = IN_TIME if asked == "exact" else AT_ONCE
    return visit.show(
        "segments/form.html",
        builder=builder,
        segment=found,
        facts=FACTS,
        facts_about=facts_about(),
        laid_out=laid_out,
        other=OTHER,
        group_words=GROUP_WORDS,
        a_group=A_GROUP,
        root=ROOT,
        takes=Takes,
        may_edit=visit.may(Permission.EDIT_AUDIENCE),
        campaigns=campaigns_naming(visit.organisation, found)[:MOST_NAMED] if found else [],
        **_look(builder, patience=patience),
    )


def _posted(visit: Visit, found: Segment | None) -> Builder:
    posted = visit.request.POST
    organisation = found.organisation if found else visit.organisation
    return Builder(organisation=organisation, name=posted.get("name", ""), outline=read_outline(posted))


def _kept(visit: Visit, found: Segment | None) -> Builder:
    if found is None:
        return Builder(organisation=visit.organisation)
    return Builder(organisation=found.organisation, name=found.name, outline=outline_of(found.where))


def _save(visit: Visit, builder: Builder, found: Segment | None) -> Segment:
    if found is None:
        return create_segment(visit.actor, name=builder.name, where=builder.rule)
    where = None if found.taken_at else builder.rule  # that of a snapshot stays
    return change_segment(visit.actor, found, name=builder.name, where=where)


def _look(builder: Builder, *, patience: int) -> dict[str, Any]:
    """Whom the rule means now, in numbers, words and examples; nothing where the rule is not a whole one yet."""
    known = _whole(builder)
    if known is None:
        return {"words": "", "count": None, "people": []}
    return {
        "words": in_words(known),
        "count": count_people(builder.organisation, known, patience=patience),
        "people": sample_people(builder.organisation, known),
    }


def _whole(builder: Builder) -> KnownRule | None:
    try:
        return read_rule(builder.rule, builder.organisation)
    except Invalid:
        return None
