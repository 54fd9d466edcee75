"""Running: is it going well? Every number is the ledger's, is read again every two seconds, and opens its people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.lifecycle import allowed
from outreach.campaigns.models import Campaign, Run
from outreach.core.errors import NotFound
from outreach.core.models import AuditEntry
from outreach.core.vocabulary import UNDER_WAY, Channel, DeliveryState, Reason, RunKind
from outreach.effectiveness.tallies import tallies_of
from outreach.web.console.campaigns import campaign_of
from outreach.web.console.progress import Progress, progress_of
from outreach.web.console.visit import Visit, visiting

S = DeliveryState
R = Reason
#: Column of the table -> heading.
HEADINGS: Final = {
    "delivered": _("Delivered"),
    "accepted": _("Accepted"),
    "sending": _("Sending"),
    "deferred": _("Deferred"),
    "rejected": _("Rejected"),
    "bounced": _("Bounced"),
    "unknown": _("Unknown"),
    "planned": _("Planned"),
    "cancelled": _("Cancelled"),
}
#: Reason -> what to do about it; '' where nothing need be done.
REMEDIES: Final = {
    R.UNKNOWN_RECIPIENT: _("They are not written to again. Look where these addresses came from."),
    R.REFUSED: _("Open one of them: its receipt shows the provider's own words."),
    R.POLICY: _("The provider refuses our sender. Check the account: its records say what is missing."),
    R.UNSUPPORTED: _("Change the text for this channel, or leave the channel out next time."),
    R.RENDERING: _("The text needs something that these people do not have. Give it a default value."),
    R.ACCOUNT_PROBLEM: _("Check the account, then resume it; these messages wait or can be sent in a copy."),
    R.TOO_MANY_ATTEMPTS: _("The provider asked to try later too often. Ask it why."),
    R.LOST_IN_HAND: _("Nothing is sent again by itself. A receipt or an answer of the provider may still clear it up."),
    R.NO_ANSWER: _("Nothing is sent again by itself. A receipt or an answer of the provider may still clear it up."),
    R.TEMPORARY: "",
    R.RATE_LIMITED: "",
}
NOTHING_TO_DO: Final = frozenset({R.TEMPORARY, R.RATE_LIMITED})
TONES: Final = {
    S.REJECTED: ("circle-x", "bad"),
    S.UNKNOWN: ("help-circle", "unsure"),
    S.DEFERRED: ("hourglass", "warn"),
}
#: Audit's action -> what happened, in words.
HAPPENED: Final = {
    "campaign.created": _("Written by %(who)s"),
    "campaign.submitted": _("%(who)s asked for approval"),
    "campaign.approved": _("%(who)s approved"),
    "campaign.rejected": _("%(who)s sent it back"),
    "campaign.scheduled": _("%(who)s scheduled it"),
    "campaign.unscheduled": _("%(who)s took it off the schedule"),
    "campaign.started": _("Started by %(who)s"),
    "campaign.paused": _("Paused by %(who)s"),
    "campaign.resumed": _("%(who)s let it go on"),
    "campaign.cancelled": _("Cancelled by %(who)s"),
}
#: Code of a run's trouble -> why it stands still.
TROUBLES: Final = {
    "past_grace": _("It was due on %(due)s, longer ago than this installation waits. Is this a restored copy?"),
    "too_many_refusals": _("It paused itself: the provider refuses too many of its messages."),
}
UNKNOWN_TROUBLE: Final = _("It stands still and asks whether it may go on. Is this a restored copy?")


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Messages that failed or wait for one reason on one channel."""

    sign: str
    tone: str
    title: str
    count: int
    remedy: str
    href: str


@visiting()
def running(visit: Visit, key: int) -> HttpResponse:
    campaign = campaign_of(visit, key)
    return visit.show("campaigns/running.html", **_live(campaign), happened=_happened(campaign))


@visiting()
def running_live(visit: Visit, key: int) -> HttpResponse:
    """The part that moves, for htmx."""
    return visit.show("campaigns/live.html", **_live(campaign_of(visit, key)))


def _live(campaign: Campaign) -> dict[str, Any]:
    run = campaign.runs.filter(kind=RunKind.CAMPAIGN).select_related("started_by").order_by("-pk").first()
    if run is None:
        raise NotFound
    progress = progress_of([run])[0]
    people = reverse("console:deliveries", kwargs={"key": campaign.pk})
    return {
        "campaign": campaign,
        "run": run,
        "progress": progress,
        "people": people,
        "headings": HEADINGS,
        "troubles": _troubles(run, people),
        "left_out": [(reason, Reason(reason).label, count) for reason, count in progress.skipped.items()],
        "verbs": {str(verb) for verb in allowed(campaign.state)},
        "is_moving": run.state in UNDER_WAY,
        "why": _why(run),
        "finding": _finding(progress),
    }


def _finding(progress: Progress) -> str:
    """Whether the ledger adds up, in a word for the page."""
    if not progress.is_complete:
        return "counting"
    return "good" if progress.adds_up else "bad"


def _troubles(run: Run, people: str) -> list[Trouble]:
    tallies = tallies_of([run.pk])
    found = [
        _trouble(state, channel, reason, count, people)
        for state in TONES
        for channel in tallies.values("channel")
        for reason, count in tallies.only(channel=channel).reasons(state).items()
    ]
    return sorted(found, key=lambda trouble: (trouble.tone == "warn", -trouble.count))


def _trouble(state: str, channel: str, reason: str, count: int, people: str) -> Trouble:
    sign, tone = TONES[DeliveryState(state)]
    label = Reason(reason).label if reason else DeliveryState(state).label
    return Trouble(
        sign=sign,
        tone=tone,
        title=f"{Channel(channel).label}: {label}",
        count=count,
        remedy=str(REMEDIES.get(Reason(reason), "")),
        href=f"{people}?{urlencode({'state': state, 'channel': channel, 'reason': reason})}",
    )


def _why(run: Run) -> str:
    if not run.trouble:
        return ""
    facts = {"due": run.trouble.get("due", ""), **run.trouble}
    return str(TROUBLES.get(run.trouble.get("code", ""), UNKNOWN_TROUBLE)) % facts


def _happened(campaign: Campaign) -> list[tuple[datetime, str]]:
    entries = (
        AuditEntry.objects.for_organisation(campaign.organisation)
        .filter(Q(noun="campaign", noun_id=str(campaign.pk)), action__in=HAPPENED)
        .select_related("user", "token")
        .order_by("-at")[:12]
    )
    itself = translate("the product itself")
    return [(entry.at, str(HAPPENED[entry.action]) % {"who": entry.user or entry.token or itself}) for entry in entries]
