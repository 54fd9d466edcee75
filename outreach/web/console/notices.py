"""Notices: what services told people one by one, what waits for somebody, and the templates that they are sent by."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import mask
from outreach.campaigns.models import NoticeTemplate
from outreach.core.vocabulary import Channel, DeliveryState, Language, LawfulBasis, Permission, Reason, Receipt
from outreach.delivery.models import Notice
from outreach.delivery.notices import cancel_notices, resume_notices, stopped_runs
from outreach.effectiveness.notices import fates
from outreach.web.api.paging import write_cursor
from outreach.web.console.visit import Visit, posting, visiting

PAGE: Final = 50


@visiting()
def notices(visit: Visit) -> HttpResponse:
    rows = Notice.objects.for_organisation(visit.organisation).select_related("template", "subscriber", "run")
    rows = rows if visit.cursor is None else rows.filter(pk__lt=visit.cursor)
    found = list(rows.order_by("-pk")[: PAGE + 1])
    templates = NoticeTemplate.objects.for_organisation(visit.organisation).select_related("organisation")
    return visit.show(
        "notices/list.html",
        rows=[(fate, mask(fate.notice.value) if fate.notice.value else "") for fate in fates(found[:PAGE])],
        next_cursor=write_cursor(found[PAGE - 1].pk) if len(found) > PAGE else None,
        templates=[(template, _written(template)) for template in templates.order_by("name", "pk")],
        stopped=stopped_runs(visit.organisation).select_related("organisation"),
        bases=dict(LawfulBasis.choices),
        channel_names=dict(Channel.choices),
        languages=dict(Language.choices),
        reasons=dict(Reason.choices),
        state_names={**dict(DeliveryState.choices), "sending": _("Sending")},
        receipt_names=dict(Receipt.choices),
    )


@posting(needs=Permission.PUBLISH)
def resume(visit: Visit, key: int) -> HttpResponse:
    run = visit.find(stopped_runs(visit.organisation), key)
    resume_notices(visit.actor, run)
    visit.tell(_("The notices of “%(name)s” go on.") % {"name": run.title})
    return visit.go("notices")


@posting(needs=Permission.PUBLISH)
def cancel(visit: Visit, key: int) -> HttpResponse:
    run = visit.find(stopped_runs(visit.organisation), key)
    cancel_notices(visit.actor, run)
    visit.tell(_("What had not left of “%(name)s” will not leave.") % {"name": run.title})
    return visit.go("notices")


def _written(template: NoticeTemplate) -> list[tuple[str, str]]:
    """(channel, language) of its texts."""
    return [(content["channel"], content["language"]) for content in template.contents]
