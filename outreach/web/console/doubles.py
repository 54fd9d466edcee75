"""Another record of the same person: who it may be, the two side by side, and making them one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from outreach.audience.attributes import fields_of
from outreach.audience.doubles_list import doubles_of
from outreach.audience.merging import facts_of, merge, propose
from outreach.audience.models import Subscriber
from outreach.audience.people import search
from outreach.audience.regions import region_name
from outreach.core.errors import Invalid, NotFound
from outreach.core.vocabulary import Channel, Language, Permission, SubscriberKind
from outreach.web.console.visit import Visit, filling, visiting

MOST_FOUND: Final = 10
_LABELS: Final[dict[str, Any]] = {
    "name": _("Name"),
    "kind": _("Kind"),
    "language": _("Language"),
    "timezone": _("Time zone"),
    "preferred_channel": _("Which way first"),
    "region": _("Region"),
}
_WORDS: Final[dict[str, dict[str, Any]]] = {
    "kind": dict(SubscriberKind.choices),
    "language": dict(Language.choices),
    "preferred_channel": dict(Channel.choices),
}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is known of two records."""

    #: As `merging.merge` names it.
    field: str
    label: Any
    mine: Any
    other: Any

    @property
    def is_choice(self) -> bool:
        """Whether both say something, and not the same."""
        return bool(self.mine != self.other and self.mine not in ("", None) and self.other not in ("", None))


@visiting(needs=Permission.EDIT_AUDIENCE)
def all_doubles(visit: Visit) -> HttpResponse:
    """Who may be in the organisation twice."""
    cursor = visit.request.GET.get("cursor", "").replace("\0", "")
    found = doubles_of(visit.organisation, after=cursor)
    return visit.show("people/all_doubles.html", groups=found.groups, next_cursor=found.following or None)


@filling(needs=Permission.EDIT_AUDIENCE)
def doubles(visit: Visit, key: int) -> HttpResponse:
    person = visit.find(_living(), key)
    text = visit.request.GET.get("text", "").replace("\0", "").strip()
    found = search(person.organisation, text, limit=MOST_FOUND)[0] if text else []
    return visit.show(
        "people/doubles.html",
        person=person,
        text=text,
        proposed=propose(person),
        found=[one for one in found if one.pk != key and one.organisation_id == person.organisation_id],
    )


@filling(needs=Permission.EDIT_AUDIENCE)
def compare(visit: Visit, key: int, other: int) -> HttpResponse:
    mine, theirs = visit.find(_living(), key), visit.find(_living(), other)
    if mine == theirs or mine.organisation_id != theirs.organisation_id:
        raise NotFound
    differences = _differences(mine, theirs)
    if visit.is_post:
        chosen = set(visit.request.POST.getlist("taken"))
        try:
            merge(visit.actor, mine, theirs, taken=[one.field for one in differences if one.field in chosen])
        except Invalid as invalid:
            raise NotFound from invalid
        visit.tell(_("The two records are one person now."))
        return visit.go("person", key=key)
    return visit.show(
        "people/compare.html", person=mine, other=theirs, differences=differences, channel_names=dict(Channel.choices)
    )


def _differences(mine: Subscriber, theirs: Subscriber) -> list[Difference]:
    labels = fields_of(mine.organisation)
    left, right = facts_of(mine), facts_of(theirs)
    return [
        Difference(
            field=field,
            label=_LABELS.get(field) or str(labels.get(name := field.removeprefix("attributes/"), name)),
            mine=_shown(field, left.get(field)),
            other=_shown(field, right.get(field)),
        )
        for field in dict.fromkeys([*left, *right])
    ]


def _shown(field: str, value: Any) -> Any:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if field == "region":
        return region_name(value, get_language() or "en")
    return _WORDS.get(field, {}).get(value, value)


def _living() -> Any:
    return (
        Subscriber.objects.filter(erased_at=None)
        .select_related("organisation")
        .prefetch_related("addresses", "subscriptions__topic")
    )
