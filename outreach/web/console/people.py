"""People: who is this? Search, and one person with addresses, consents, and all that happened."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Consent, Import, Subscriber
from outreach.audience.people import MOST_COUNTED, count, search
from outreach.audience.subscribers import change_subscriber
from outreach.audience.topics import topics_open_to
from outreach.core.errors import Invalid, NotFound
from outreach.core.vocabulary import PERSONAL_CHANNELS, Channel, Permission, SubscriberKind
from outreach.effectiveness.telling import SOURCES, WORDS
from outreach.effectiveness.timeline import timeline
from outreach.web.console.visit import Visit, posting, visiting

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
    found = visit.find(_living().prefetch_related("addresses", "subscriptions__topic"), key)
    return visit.show(
        "people/person.html",
        person=found,
        entries=timeline(found),
        consents=Consent.objects.filter(subscriber=found).select_related("topic").order_by("-at")[:50],
        sources=SOURCES,
        words=WORDS | {"given": _("Consented"), "withdrawn": _("Withdrew"), "unsubscribed": _("Unsubscribed")},
        channel_names=dict(Channel.choices),
        wishes=[(channel.value, channel.label) for channel in Channel if channel in PERSONAL_CHANNELS],
    )


@posting(needs=Permission.EDIT_AUDIENCE)
def change_wish(visit: Visit, key: int) -> HttpResponse:
    """Write down by which channel the person asked to be written to."""
    found = visit.find(_living(), key)
    try:
        change_subscriber(visit.actor, found, preferred_channel=visit.request.POST.get("first"))
    except Invalid as invalid:
        for sentences in invalid.fields.values():
            messages.error(visit.request, str(sentences[0]))
    else:
        visit.tell(_("The wish is written down. Campaigns that reach each person one way follow it."))
    return visit.go("person", key=key)


@posting(needs=Permission.EDIT_AUDIENCE)
def erase(visit: Visit, key: int) -> HttpResponse:
    found = visit.find(_living(), key)
    erase_subscriber(visit.actor, found)
    visit.tell(_("The person is erased. A nameless digest of their addresses keeps us from writing to them again."))
    return visit.go("people")


def _living() -> Any:
    return Subscriber.objects.filter(erased_at=None).select_related("organisation")
