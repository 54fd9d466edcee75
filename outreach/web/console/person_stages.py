"""The evidence that names one person: every piece of how far they came, the newest first."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse

from outreach.audience.models import Subscriber
from outreach.core.vocabulary import Channel
from outreach.effectiveness.person_stages import findings, pieces_about
from outreach.web.api.paging import write_cursor
from outreach.web.console.visit import Visit, visiting

PAGE: Final = 50


@visiting()
def person_stages(visit: Visit, key: int) -> HttpResponse:
    found = visit.find(Subscriber.objects.filter(erased_at=None), key)
    rows = pieces_about(found).order_by("-pk")
    pieces = list((rows if visit.cursor is None else rows.filter(pk__lt=visit.cursor))[: PAGE + 1])
    return visit.show(
        "people/stages.html",
        person=found,
        findings=findings(pieces[:PAGE]),
        next_cursor=write_cursor(pieces[PAGE - 1].pk) if len(pieces) > PAGE else None,
        channel_names=dict(Channel.choices),
    )
