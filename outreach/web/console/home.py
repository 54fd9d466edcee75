"""Home: what needs me today."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Count, Min
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from outreach.campaigns.models import Campaign, Run
from outreach.core import clock
from outreach.core.models import Alert, Organisation
from outreach.core.vocabulary import UNDER_WAY, CampaignState, ConversationState, Goal, Permission, RunKind
from outreach.effectiveness.overview import overview
from outreach.events.talk import Conversation
from outreach.web.console.alerts import Waiting, waiting_alerts
from outreach.web.console.progress import Progress, progress_of
from outreach.web.console.visit import Visit, visiting
from outreach.web.formats import moment, number

MOST: Final = 8


@visiting()
def home(visit: Visit) -> HttpResponse:
    waiting = _waiting(visit)
    seen = overview(visit.organisation)
    return visit.show(
        "home/page.html",
        heading=_heading(len(waiting)),
        running=running_now(visit.organisation),
        waiting=waiting,
        upcoming=_upcoming(visit.organisation),
        overview=seen,
        goals=dict(Goal.choices),
        has_campaigns=bool(seen.runs) or Campaign.objects.for_organisation(visit.organisation).exists(),
    )


@visiting()
def home_running(visit: Visit) -> HttpResponse:
    """The part of Home that moves, for htmx."""
    return visit.show("home/running.html", running=running_now(visit.organisation))


@visiting()
def more(visit: Visit) -> HttpResponse:
    """Everything that a telephone's bar at the bottom has no room for."""
    return visit.show("more.html")


def running_now(organisation: Organisation) -> list[Progress]:
    """The runs under way, newest first."""
    runs = (
        Run.objects.for_organisation(organisation)
        .filter(kind=RunKind.CAMPAIGN, state__in=UNDER_WAY)
        .select_related("campaign", "organisation")
        .order_by("-pk")[:MOST]
    )
    return progress_of(runs)


def _heading(count: int) -> str:
    if not count:
        return _("Nothing waits for you")
    return ngettext("%(count)s thing waits for you", "%(count)s things wait for you", count) % {"count": count}


def _upcoming(organisation: Organisation) -> Any:
    planned = (CampaignState.SUBMITTED, CampaignState.APPROVED, CampaignState.SCHEDULED)
    return (
        Campaign.objects.for_organisation(organisation)
        .filter(state__in=planned, starts_at__gte=clock.now(), archived_at=None)
        .select_related("organisation")
        .order_by("starts_at")[:MOST]
    )


def _waiting(visit: Visit) -> list[Waiting]:
    alerts = Alert.objects.for_organisation(visit.organisation).filter(resolved_at=None).order_by("raised_at")
    return [*waiting_alerts(alerts[:MOST]), *_replies(visit), *_approvals(visit)]


def _replies(visit: Visit) -> list[Waiting]:
    """One row for all who wrote and wait for an answer."""
    if not visit.may(Permission.ANSWER):
        return []
    talks = Conversation.objects.for_organisation(visit.organisation).filter(state=ConversationState.WAITING)
    found = talks.aggregate(count=Count("pk"), since=Min("waiting_since"), due=Min("due_at"))
    if not found["count"]:
        return []
    is_late = found["due"] is not None and found["due"] < clock.now()
    late = _("For the first of them the time to answer is over.") if is_late else ""
    title = ngettext("%(count)s person waits for an answer", "%(count)s people wait for an answer", found["count"])
    return [
        Waiting(
            sign="inbox",
            tone="warn" if is_late else "",
            title=title % {"count": number(found["count"])},
            text=" ".join(filter(None, (_("The longest since %(at)s.") % {"at": moment(found["since"])}, late))),
            href=reverse("console:inbox"),
            action=_("Open the inbox"),
        )
    ]


def _approvals(visit: Visit) -> list[Waiting]:
    if not visit.may(Permission.APPROVE):
        return []
    submitted = (
        Campaign.objects.for_organisation(visit.organisation)
        .filter(state=CampaignState.SUBMITTED, archived_at=None)
        .select_related("organisation")
        .order_by("starts_at", "pk")
    )
    return [
        Waiting(
            sign="file-text",
            title=_("%(organisation)s asks for approval") % {"organisation": campaign.organisation},
            text=_("“%(campaign)s”") % {"campaign": campaign.name},
            starts_at=campaign.starts_at,
            href=reverse("console:review", kwargs={"key": campaign.pk}),
            action=_("Look at it"),
        )
        for campaign in submitted[:MOST]
        if campaign.edited_by_id != visit.user.pk
    ]
