"""People: who is this? Search, and one person with addresses, consents, and all that happened."""

from __future__ import annotations

import json
from typing import Any, Final

from django import forms
from django.db.models import Prefetch
from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from outreach.audience.attributes import fields_of
from outreach.audience.consent_proof import LAWFUL_BASIS, prove
from outreach.audience.erasure import erase_subscriber
from outreach.audience.merging import all_ids, kept_id
from outreach.audience.models import Address, AttributeField, Consent, Import, Subscriber
from outreach.audience.pause import end_of_pause, pause_of, set_pause, zone_of
from outreach.audience.people import MOST_COUNTED, count, search
from outreach.audience.quiet_hours import quiet_hours_of, read_quiet_hours, set_quiet_hours
from outreach.audience.regions import BULGARIAN, region_name
from outreach.audience.subscribers import change_subscriber
from outreach.audience.suppression_list import entries_about
from outreach.audience.topics import topics_open_to
from outreach.core import clock
from outreach.core.errors import Invalid, NotFound
from outreach.core.vocabulary import (
    PERSONAL_CHANNELS,
    AttributeType,
    Channel,
    ConsentPurpose,
    Language,
    PauseLength,
    Permission,
    SubscriberKind,
)
from outreach.effectiveness.person_stages import standing_of
from outreach.effectiveness.telling import SOURCES, WORDS
from outreach.effectiveness.timeline import Place, TimelineEntry, read_place, timeline_page
from outreach.web.console.forms import ConsoleForm
from outreach.web.console.visit import Visit, filling, posting, visiting

PAGE: Final = 50


@visiting()
def people(visit: Visit) -> HttpResponse:
    given = visit.request.GET
    topics = {str(topic.pk): topic for topic in topics_open_to(visit.organisation)}
    wanted: dict[str, Any] = {
        "topic": topics.get(given.get("topic", "")),
        "kind": given["kind"] if given.get("kind") in SubscriberKind.values else "",
    }
    text = given.get("text", "").strip()
    try:
        rows, following = search(visit.organisation, text, **wanted, after=given.get("cursor") or None, limit=PAGE)
    except Invalid as err:
        raise NotFound from err
    return visit.show(
        "people/list.html",
        people=rows,
        next_cursor=following,
        found=_found(visit, text, wanted, shown=None if following or given.get("cursor") else len(rows)),
        most_counted=MOST_COUNTED,
        text=text,
        topics=list(topics.values()),
        kinds=SubscriberKind.choices,
        is_filtered=bool(text or wanted["topic"] or wanted["kind"]),
        imports=Import.objects.for_organisation(visit.organisation).order_by("-pk")[:3],
        **wanted,
    )


def _found(visit: Visit, text: str, wanted: dict[str, Any], *, shown: int | None) -> int | None:
    """How many there are: those shown, where they are all. Of a text nothing else is known: no index counts those."""
    if shown is not None:
        return shown
    return None if text else count(visit.organisation, **wanted)


@visiting()
def person(visit: Visit, key: int) -> HttpResponse:
    if (now := kept_id(key)) != key:
        return visit.go("person", key=now)
    found = visit.find(
        _living().prefetch_related(Prefetch("addresses", Address.objects.order_by("pk")), "subscriptions__topic"), key
    )
    entries, following = _timeline(visit, found)
    consents = list(Consent.objects.filter(subscriber__in=all_ids(found)).select_related("topic").order_by("-at")[:50])
    return visit.show(
        "people/person.html",
        person=found,
        entries=entries,
        next_cursor=str(following) if following else None,
        is_earlier="cursor" in visit.request.GET,
        consents=consents,
        bases=[(purpose.label, basis) for purpose, basis in LAWFUL_BASIS.items() if _is_among(purpose, consents)],
        sources=SOURCES,
        suppressed=entries_about(found.organisation, list(found.addresses.all())),
        stages=standing_of(found),
        known=_known(found),
        region=region_name(found.region, get_language() or "en"),
        words=WORDS | {"given": _("Consented"), "withdrawn": _("Withdrew"), "unsubscribed": _("Unsubscribed")},
        channel_names=dict(Channel.choices),
        address_channels=[one for one in Channel.choices if one[0] != Channel.FEED],
        wishes=[(channel.value, channel.label) for channel in Channel if channel in PERSONAL_CHANNELS],
        paused_until=pause_of(found),
        quiet_hours=quiet_hours_of(found),
        zone=zone_of(found),
        lengths=[length for length in PauseLength if length],
    )


def _timeline(visit: Visit, person: Subscriber) -> tuple[list[TimelineEntry], Place | None]:
    cursor = visit.request.GET.get("cursor", "")
    try:
        return timeline_page(person, place=read_place(cursor) if cursor else None, limit=PAGE)
    except Invalid as invalid:
        raise NotFound from invalid


def _known(person: Subscriber) -> list[tuple[str, Any]]:
    """Attributes under their labels, those that are declared first."""
    declared = fields_of(person.organisation) if person.attributes else {}
    words = {True: _("Yes"), False: _("No")}
    return [
        (str(declared.get(name, name)), words[value] if isinstance(value, bool) else value)
        for name, value in sorted(person.attributes.items(), key=lambda one: (one[0] not in declared, one[0]))
    ]


class PersonForm(ConsoleForm):
    """What is known of a person. Each declared attribute has a field of its own; the others stay as they are."""

    name = forms.CharField(label=_("Name"), required=False, max_length=200)
    kind = forms.ChoiceField(label=_("Kind"), choices=SubscriberKind.choices)
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices)
    region = forms.ChoiceField(label=_("Region"), required=False)
    timezone = forms.CharField(
        label=_("Time zone"), required=False, max_length=50, help_text=_("Where it is not that of the organisation.")
    )

    def __init__(self, person: Subscriber, *args: Any, **kwargs: Any) -> None:
        self.declared = fields_of(person.organisation)
        self.names = {f"attribute_{place}": name for place, name in enumerate(sorted(self.declared))}
        self.paths = {f"attributes/{name}": field for field, name in self.names.items()}
        extra = {field: _attribute_field(self.declared[name]) for field, name in self.names.items()}
        plain = {field: getattr(person, field) for field in ("name", "kind", "language", "region", "timezone")}
        known = {field: _shown(person.attributes.get(name)) for field, name in self.names.items()}
        super().__init__(*args, initial=plain | known, extra_fields=extra, **kwargs)
        self.fields["region"].choices = region_choices(person.region)  # type: ignore[attr-defined]

    @property
    def attribute_fields(self) -> list[forms.BoundField]:
        return [self[field] for field in self.names]

    def changes(self) -> dict[str, Any]:
        """What `change_subscriber` takes: of the attributes only those that differ; an emptied one goes."""
        given = self.cleaned_data
        changed = [field for field in self.changed_data if field in self.names]
        plain = {field: given[field] for field in ("name", "kind", "language", "region", "timezone")}
        return {**plain, "attributes": {self.names[field]: given[field] or None for field in changed}}


def _attribute_field(declared: AttributeField) -> forms.Field:
    if declared.type == AttributeType.YES_NO:
        return _choice_field(declared, [("yes", _("Yes")), ("no", _("No"))])
    if declared.type == AttributeType.CHOICE:
        return _choice_field(declared, [(word, word) for word in declared.choices])
    return forms.CharField(label=str(declared), required=False, max_length=2_000)


def _choice_field(declared: AttributeField, words: list[tuple[str, Any]]) -> forms.Field:
    return forms.ChoiceField(label=str(declared), required=False, choices=[("", _("not known")), *words])


def _shown(value: Any) -> Any:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def region_choices(known: str) -> list[tuple[str, Any]]:
    """Bulgaria's regions by name, and the person's own where it is another."""
    language = get_language() or "en"
    named = sorted(((code, region_name(code, language)) for code in BULGARIAN), key=lambda one: one[1])
    other = [(known, known)] if known and known not in BULGARIAN else []
    return [("", _("not known")), *other, *named]


@filling(needs=Permission.EDIT_AUDIENCE)
def change(visit: Visit, key: int) -> HttpResponse:
    """Correct what is known of a person."""
    found = visit.find(_living(), key)
    form = PersonForm(found, visit.request.POST or None)
    if visit.is_post and form.is_valid():
        try:
            change_subscriber(visit.actor, found, **form.changes())
            visit.tell(_("The changes are saved."))
            return visit.go("person", key=key)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("people/change.html", form=form, person=found)


def _is_among(purpose: ConsentPurpose, consents: list[Consent]) -> bool:
    return any(consent.purpose == purpose for consent in consents)


@visiting()
def consent_proof(visit: Visit, key: int) -> HttpResponse:
    """The signed proof of the person's consents, as a file."""
    found = visit.find(_living(), key)
    text = json.dumps(prove(found), ensure_ascii=False, indent=1)
    answer = HttpResponse(text, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="consents-{found.pk}.json"'
    return answer


@posting(needs=Permission.EDIT_AUDIENCE)
def change_wish(visit: Visit, key: int) -> HttpResponse:
    """Write down by which channel the person asked to be written to."""
    found = visit.find(_living(), key)
    try:
        change_subscriber(visit.actor, found, preferred_channel=visit.request.POST.get("first"))
    except Invalid as invalid:
        visit.complain(invalid)
    else:
        visit.tell(_("The wish is written down. Campaigns that reach each person one way follow it."))
    return visit.go("person", key=key)


@posting(needs=Permission.EDIT_AUDIENCE)
def change_pause(visit: Visit, key: int) -> HttpResponse:
    """Write down that the person asked to be left alone for a time, or to be written to again."""
    found = visit.find(_living(), key)
    given = visit.request.POST
    try:
        until = end_of_pause(given.get("length", ""), given.get("until", ""), zone=zone_of(found), now=clock.now())
        set_pause(visit.actor, found, until)
    except Invalid as invalid:
        visit.complain(invalid)
    else:
        visit.tell(_("The pause is written down.") if until else _("Campaigns write to this person again."))
    return visit.go("person", key=key)


@posting(needs=Permission.EDIT_AUDIENCE)
def change_quiet_hours(visit: Visit, key: int) -> HttpResponse:
    """Write down when in the day the person asked not to be disturbed."""
    found = visit.find(_living(), key)
    given = visit.request.POST
    try:
        hours = read_quiet_hours(given.get("quiet_from", ""), given.get("quiet_to", ""))
        set_quiet_hours(visit.actor, found, hours)
    except Invalid as invalid:
        visit.complain(invalid)
    else:
        visit.tell(_("The quiet hours are written down.") if hours else _("This person has no quiet hours."))
    return visit.go("person", key=key)


@posting(needs=Permission.EDIT_AUDIENCE)
def erase(visit: Visit, key: int) -> HttpResponse:
    found = visit.find(_living(), key)
    erase_subscriber(visit.actor, found)
    visit.tell(_("The person is erased. A nameless digest of their addresses keeps us from writing to them again."))
    return visit.go("people")


def _living() -> Any:
    return Subscriber.objects.filter(erased_at=None).select_related("organisation")
