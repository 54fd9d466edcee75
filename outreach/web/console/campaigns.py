"""Campaigns: where is everything? The list, and what may be done to a campaign from anywhere."""

from __future__ import annotations

from typing import Final

from django.db.models import Max, Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.drafts import archive_campaign, clone_campaign, restore_campaign
from outreach.campaigns.models import Campaign
from outreach.core.vocabulary import ENDED, UNDER_WAY, CampaignState, Channel, Permission
from outreach.effectiveness.overview import figures
from outreach.web.api.paging import write_cursor
from outreach.web.console.visit import Visit, posting, visiting

S = CampaignState
PAGE: Final = 30
#: Filter -> its name and the states in it; archived ones are in the last alone.
FILTERS: Final = {
    "": (_("All"), frozenset(S)),
    "written": (_("Being written"), frozenset({S.DRAFT, S.SUBMITTED, S.APPROVED})),
    "planned": (_("Scheduled"), frozenset({S.SCHEDULED})),
    "running": (_("Running"), UNDER_WAY),
    "ended": (_("Ended"), ENDED),
    "archived": (_("Archived"), frozenset(S)),
}


def campaign_of(visit: Visit, key: int) -> Campaign:
    """The campaign, if it is one of the visitor's organisation."""
    return visit.find(Campaign.objects.select_related("organisation", "edited_by"), key)


@visiting()
def campaigns(visit: Visit) -> HttpResponse:
    chosen = visit.request.GET.get("show", "")
    chosen = chosen if chosen in FILTERS else ""
    text = visit.request.GET.get("text", "").replace("\0", "").strip()
    found = list(_rows(visit, chosen, text)[: PAGE + 1])
    return visit.show(
        "campaigns/list.html",
        campaigns=found[:PAGE],
        figures=figures(found[:PAGE]),
        filters=[(key, label) for key, (label, _states) in FILTERS.items()],
        chosen=chosen,
        text=text,
        channel_names=dict(Channel.choices),
        next_cursor=write_cursor(found[PAGE - 1].pk) if len(found) > PAGE else None,
    )


@visiting()
def campaign(visit: Visit, key: int) -> HttpResponse:
    """Where this campaign is best looked at now."""
    found = campaign_of(visit, key)
    return visit.go(page_of(found), key=found.pk)


def page_of(campaign: Campaign) -> str:
    """The view that answers what one asks of a campaign in its state."""
    if campaign.state == S.DRAFT:
        return "aim"
    if campaign.state in UNDER_WAY:
        return "running"
    if campaign.state in ENDED and campaign.runs.exists():
        return "report"
    return "review"


@posting(needs=Permission.EDIT_CAMPAIGNS)
def clone(visit: Visit, key: int) -> HttpResponse:
    made = clone_campaign(visit.actor, campaign_of(visit, key))
    visit.tell(_("This is a copy, without its times. Nothing of it is sent before you start it."))
    return visit.go("aim", key=made.pk)


@posting(needs=Permission.EDIT_CAMPAIGNS)
def archive(visit: Visit, key: int) -> HttpResponse:
    found = campaign_of(visit, key)
    archive_campaign(visit.actor, found)
    visit.tell(_("“%(campaign)s” is in the archive; it can be brought back from there.") % {"campaign": found.name})
    return visit.go("campaigns")


@posting(needs=Permission.EDIT_CAMPAIGNS)
def restore(visit: Visit, key: int) -> HttpResponse:
    found = campaign_of(visit, key)
    restore_campaign(visit.actor, found)
    visit.tell(_("“%(campaign)s” is back.") % {"campaign": found.name})
    return visit.go("campaigns")


def _rows(visit: Visit, chosen: str, text: str) -> QuerySet[Campaign]:
    rows = (
        Campaign.objects.for_organisation(visit.organisation)
        .filter(state__in=FILTERS[chosen][1], archived_at__isnull=chosen != "archived")
        .select_related("organisation")
        .prefetch_related("topics")
        .annotate(started_at=Max("runs__started_at", filter=Q(runs__kind="campaign")))
        .order_by("-pk")
    )
    if text:
        rows = rows.filter(name__icontains=text)
    return rows if visit.cursor is None else rows.filter(pk__lt=visit.cursor)
