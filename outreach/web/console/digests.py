"""Digests: when they went, to how many, what they told, and the receipts."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse

from outreach.core.vocabulary import Channel
from outreach.effectiveness.digest_runs import digest_runs, next_due, told_in
from outreach.web.api.paging import write_cursor
from outreach.web.console.deliveries import messages_of
from outreach.web.console.visit import Visit, visiting

PAGE: Final = 25


@visiting()
def digests(visit: Visit) -> HttpResponse:
    runs = digest_runs(visit.organisation)
    runs = runs if visit.cursor is None else runs.filter(pk__lt=visit.cursor)
    found = list(runs.order_by("-pk")[: PAGE + 1])
    return visit.show(
        "digests/list.html",
        rows=told_in(found[:PAGE]),
        next_cursor=write_cursor(found[PAGE - 1].pk) if len(found) > PAGE else None,
        next_due=next_due(visit.organisation),
        channel_names=dict(Channel.choices),
    )


@visiting()
def digest_run(visit: Visit, key: int) -> HttpResponse:
    """The messages of a run of digests, each with its receipt."""
    run = visit.find(digest_runs(visit.organisation), key)
    [digest] = told_in([run])
    return visit.show("digests/run.html", digest=digest, **(messages_of(visit, [run.pk]) | {"channels": ()}))
