"""Report: did it work?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from outreach.campaigns.models import Campaign
from outreach.core.spreadsheet import csv_rows
from outreach.core.vocabulary import Channel, DeliveryState, EventKind, EvidenceSource, Goal, Language
from outreach.effectiveness.accuracy import KINDS_PLAYED, judged
from outreach.effectiveness.funnel import Stage
from outreach.effectiveness.report import Line, Report, report
from outreach.events.feedback import Feedback
from outreach.events.models import Reply
from outreach.events.stages import CONFIDENCE, DOUBTFUL
from outreach.web.console.charts import flow, over_time
from outreach.web.console.opinions import drawn
from outreach.web.console.visit import Visit, visiting
from outreach.web.formats import number

#: Replies that the page quotes.
QUOTED: Final = 6

#: The finding in words, by the stage that it is about.
FINDINGS: Final[dict[str, Callable[[int], str]]] = {
    Goal.KNOWS: lambda n: ngettext("%(n)s message reached its reader", "%(n)s messages reached their readers", n),
    Goal.UNDERSTANDS: lambda n: ngettext("%(n)s message was opened", "%(n)s messages were opened", n),
    Goal.INTERESTED: lambda n: ngettext(
        "%(n)s time somebody followed a link or answered", "%(n)s times people followed a link or answered", n
    ),
    Goal.USES: lambda n: ngettext("%(n)s person used the service", "%(n)s people used the service", n),
    Goal.SATISFIED: lambda n: ngettext("%(n)s person was satisfied", "%(n)s people were satisfied", n),
    Goal.RECOMMENDS: lambda n: ngettext("%(n)s person recommended it", "%(n)s people recommended it", n),
}
#: And where it is nobody.
NOBODY: Final[dict[str, Any]] = {
    Goal.KNOWS: gettext_lazy("No message has reached its reader yet"),
    Goal.UNDERSTANDS: gettext_lazy("No message has been opened yet"),
    Goal.INTERESTED: gettext_lazy("Nobody has followed a link or answered yet"),
    Goal.USES: gettext_lazy("Nobody has used the service yet"),
    Goal.SATISFIED: gettext_lazy("Nobody has said that they are satisfied yet"),
    Goal.RECOMMENDS: gettext_lazy("Nobody has recommended it yet"),
}


@visiting()
def show_report(visit: Visit, key: int) -> HttpResponse:
    campaign = visit.find(Campaign.objects.select_related("organisation"), key)
    found = report(campaign)
    return visit.show("campaigns/report.html", **_page(found))


@visiting()
def export_report(visit: Visit, key: int) -> HttpResponse:
    """Channels and languages side by side as CSV, for a spreadsheet."""
    campaign = visit.find(Campaign.objects.all(), key)
    found = report(campaign)
    parts = (("channel", found.channels), ("language", found.languages))
    lines = [[dimension, *line.__dict__.values()] for dimension, part in parts for line in part]
    text = csv_rows([["dimension", *Line.__dataclass_fields__], *lines])
    answer = HttpResponse("\ufeff" + text, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="report-{campaign.pk}.csv"'
    return answer


def _page(found: Report) -> dict[str, Any]:
    replies = Reply.objects.filter(campaign=found.campaign, kind="reply").order_by("-received_at")[:QUOTED]
    return {
        "campaign": found.campaign,
        "report": found,
        "finding": _finding(found),
        "stage_names": {goal.value: goal.label for goal in Goal},
        "source_names": dict(EvidenceSource.choices),
        "confidence": {source.value: sure for source, sure in CONFIDENCE.items()},
        "doubtful": DOUBTFUL,
        "flow": flow(found.stages),
        "over_time": over_time(found.bars),
        "opens_found": found.tallies.events(EventKind.OPENED),
        "clicks_found": found.tallies.events(EventKind.CLICKED),
        "judged": judged(found.tallies, found.campaign.tracking),
        "kinds_played": KINDS_PLAYED,
        "unsubscribed": found.tallies.events(EventKind.UNSUBSCRIBED).human,
        "state_names": {word.value: word.label for word in DeliveryState},
        "states": found.tallies.states(),
        "channel_names": dict(Channel.choices),
        "language_names": dict(Language.choices),
        "quoted": list(replies),
        **drawn(Feedback.objects.filter(campaign=found.campaign)),
    }


def _finding(found: Report) -> str:
    """The answer first: about the campaign's goal, or the furthest stage before it that is measured."""
    stage = _stage_to_tell(found.stages, found.campaign.goal)
    if stage is None or not found.runs:
        return _("Nothing has been sent yet")
    if not stage.people:
        return str(NOBODY[stage.goal])
    return FINDINGS[stage.goal](stage.people) % {"n": number(stage.people)}


def _stage_to_tell(stages: list[Stage], goal: str) -> Stage | None:
    wanted = list(Goal.values).index(goal)
    measured = [stage for stage in stages[: wanted + 1] if stage.people is not None]
    return measured[-1] if measured else None
