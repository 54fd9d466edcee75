"""What people answered, drawn: on the report of a campaign and on the page of a service; and as a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Model, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.http import HttpResponse
from django.utils.translation import get_language, ngettext

from outreach.campaigns.models import Campaign, NoticeTemplate, Service
from outreach.campaigns.survey import Survey
from outreach.core import audit
from outreach.core.errors import NotFound
from outreach.core.spreadsheet import csv_rows
from outreach.core.vocabulary import Channel, Question
from outreach.delivery.questions import SCALES, word_steps
from outreach.effectiveness.opinions import Opinion, answers_to_notices, newest_words, opinions_of
from outreach.events.feedback import Feedback
from outreach.web.console.visit import Visit, visiting
from outreach.web.formats import number

#: Answers in one file; more are fetched over the API.
MOST_LINES: Final = 100_000
COLUMNS: Final = (
    "at",
    "campaign",
    "service",
    "question",
    "value",
    "text",
    "channel",
    "language",
    "source",
    "subscriber",
)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One question's answers, in words and for the chart."""

    opinion: Opinion
    title: str
    #: The finding in a sentence.
    finding: str
    #: Number of the scale -> what it means.
    meanings: dict[int, str]
    #: The highest end of an interval: the chart's width.
    widest: float
    good: range
    poor: range


def drawn(rows: QuerySet[Feedback]) -> dict[str, Any]:
    """What `console/opinions.html` draws."""
    found = opinions_of(rows)
    return {"opinions": [draw_opinion(opinion) for opinion in found], "words_of_people": newest_words(rows)}


def draw_opinion(opinion: Opinion) -> Drawn:
    """One question, ready for `spreads`."""
    scale = SCALES[opinion.question]
    return Drawn(
        opinion=opinion,
        title=str(Question(opinion.question).label),
        finding=_finding(opinion),
        meanings=word_steps(opinion.question, get_language() or "bg"),
        widest=max(step.share.high for step in opinion.steps),
        good=range(scale.good, scale.high + 1),
        poor=range(scale.low, scale.poor + 1),
    )


def _finding(opinion: Opinion) -> str:
    scale, n = SCALES[opinion.question], opinion.answered
    facts = {"n": number(n), "good": number(opinion.good), "poor": number(opinion.poor), "step": scale.good}
    if opinion.question == Question.SATISFIED:
        said = ngettext(
            "Of %(n)s person who answered, %(good)s is satisfied (%(step)s or more).",
            "Of %(n)s people who answered, %(good)s are satisfied (%(step)s or more).",
            n,
        )
    else:
        said = ngettext(
            "Of %(n)s person who answered, %(good)s would recommend it (9 or 10) and %(poor)s would not (0 to 6).",
            "Of %(n)s people who answered, %(good)s would recommend it (9 or 10) and %(poor)s would not (0 to 6).",
            n,
        )
    return said % facts


@visiting()
def campaign_feedback(visit: Visit, key: int) -> HttpResponse:
    """Every answer to a campaign's questions as CSV."""
    campaign = visit.find(Campaign.objects.all(), key)
    return _file(visit, campaign, Feedback.objects.filter(campaign=campaign), f"feedback-{campaign.pk}.csv")


@visiting()
def service_feedback(visit: Visit, service_id: int) -> HttpResponse:
    """What people answered about a service, whichever campaign asked."""
    found = visit.find(Service.objects.select_related("organisation"), service_id)
    rows = Feedback.objects.for_organisation(visit.organisation).filter(service=found)
    if visit.request.GET.get("file") == "csv":
        return _file(visit, found, rows, f"feedback-{found.slug}.csv")
    names = dict(Channel.choices)
    return visit.show(
        "services/feedback.html", service=found, channel_names=names, surveys=surveys_of(found), **drawn(rows)
    )


@visiting()
def notice_answers(visit: Visit) -> HttpResponse:
    """What people answered to questions in notices, of all templates or one of them."""
    templates = list(NoticeTemplate.objects.for_organisation(visit.organisation).order_by("name", "pk"))
    wanted = visit.request.GET.get("template", "")
    chosen = next((template for template in templates if str(template.pk) == wanted), None)
    if wanted and chosen is None:
        raise NotFound
    rows = answers_to_notices(visit.organisation, chosen)
    if visit.request.GET.get("file") == "csv":
        named = rows.annotate(asked=KeyTextTransform("name", KeyTransform("campaign", "run__frozen")))
        name = chosen.slug if chosen else "notices"
        return _file(visit, chosen or visit.organisation, named, f"feedback-{name}.csv")
    names = dict(Channel.choices)
    return visit.show("notices/answers.html", templates=templates, chosen=chosen, channel_names=names, **drawn(rows))


def surveys_of(service: Service) -> list[Survey]:
    """A service's surveys, the newest first, each with how many `answered`."""
    return list(service.surveys.annotate(answered=Count("responses")).order_by("-pk"))


def _file(visit: Visit, of: Model, rows: QuerySet[Feedback], name: str) -> HttpResponse:
    audit.record(visit.actor, "feedback.exported", of)
    newest = rows.select_related("campaign", "service").order_by("-pk")[:MOST_LINES]
    answer = HttpResponse("\ufeff" + csv_rows([COLUMNS, *_lines(newest)]), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _lines(rows: QuerySet[Feedback]) -> Iterator[list[Any]]:
    for row in rows:
        campaign = row.campaign.name if row.campaign else getattr(row, "asked", "")
        service = row.service.slug if row.service else ""
        facts = (row.question, row.value, row.text, row.channel, row.language, row.source, row.subscriber_id)
        yield [row.at.isoformat(), campaign, service, *facts]
