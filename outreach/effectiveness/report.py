"""The report of a campaign: what became of every message, who moved how far, channels side by side, over time.

All from counters, so that it costs the same at a thousand and at ten million; `outreach ledger --check` proves them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Sum

from outreach.campaigns.models import Campaign, Run
from outreach.core.vocabulary import CounterKind, EventKind, ReplyKind, RunKind, Tracking
from outreach.delivery.cost import Cost, spent
from outreach.delivery.cost import as_json as cost_json
from outreach.delivery.links import compiled_run
from outreach.delivery.models import Counter, Delivery
from outreach.effectiveness.accuracy import judged, judged_json
from outreach.effectiveness.funnel import Stage, Uses, conversions_of, funnel, uses_of
from outreach.effectiveness.intervals import wilson
from outreach.effectiveness.opinions import opinion_json, opinions_of
from outreach.effectiveness.tallies import Tallies, tallies_of
from outreach.events.attribution import days_of
from outreach.events.models import Reply

#: Widths of the over-time chart's bars, seconds; the first that gives at most so many is taken.
WIDTHS: Final = (60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400)
MOST_BARS: Final = 60

#: What counts as an answer of a person.
ANSWERS: Final = (ReplyKind.REPLY, ReplyKind.ANSWER, ReplyKind.STOP)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One channel or language of the comparison."""

    name: str
    audience: int
    accepted: int
    delivered: int
    bounced: int
    opened: int
    clicked: int
    replied: int
    unsubscribed: int

    @property
    def click_share(self) -> float:
        return self.clicked / self.accepted if self.accepted else 0.0

    @property
    def open_share(self) -> float:
        return self.opened / self.accepted if self.accepted else 0.0


@dataclass(frozen=True, kw_only=True)
class FollowedLink:
    """A link of a message and how often people followed it."""

    channel: str
    language: str
    position: int
    url: str
    label: str
    human: int


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What happened in one interval of the over-time chart."""

    #: Its beginning.
    at: datetime
    accepted: int
    opened: int
    clicked: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that the report shows; the console draws it and the API gives it as JSON."""

    campaign: Campaign
    runs: list[Run]
    tallies: Tallies
    stages: list[Stage]
    channels: list[Line]
    languages: list[Line]
    links: list[FollowedLink]
    bars: list[Bar]
    #: ReplyKind -> how many.
    replies: dict[str, int]
    conversions: dict[str, int]
    uses: Uses
    #: Days after its message within which a use counts: as declared before the start.
    attribution_days: int
    #: What its messages cost by now.
    cost: Cost

    @property
    def answers(self) -> int:
        return sum(self.replies.get(kind, 0) for kind in ANSWERS)


def report(campaign: Campaign) -> Report:
    """The report over all runs of a campaign, test sends left out; a bounded number of queries."""
    runs = list(Run.objects.filter(campaign=campaign, kind=RunKind.CAMPAIGN).order_by("pk"))
    run_ids = [run.pk for run in runs]
    tallies = tallies_of(run_ids)
    replies, answered_by = _replies(campaign)
    conversions = conversions_of(run_ids)
    return Report(
        campaign=campaign,
        runs=runs,
        tallies=tallies,
        stages=funnel(tallies, is_tracked=any(run.frozen.get("tracking") != Tracking.NONE for run in runs)),
        channels=[
            _line(name, tallies.only(channel=name), answered_by.get(name, 0)) for name in tallies.values("channel")
        ],
        languages=[_line(name, tallies.only(language=name), 0) for name in tallies.values("language") if name],
        links=_links(runs),
        bars=_over_time(runs, tallies),
        replies=replies,
        conversions=conversions,
        uses=uses_of(run_ids),
        attribution_days=days_of(runs[-1]) if runs else campaign.attribution_days,
        cost=spent(runs),
    )


def as_json(found: Report) -> dict[str, Any]:
    """The report as the API gives it."""
    tallies = found.tallies
    return {
        "campaign": str(found.campaign.pk),
        "audience": tallies.audience,
        **_fates(found),
        "reasons": {state: tallies.reasons(state) for state in ("skipped", "rejected", "unknown", "deferred")},
        "receipts": tallies.receipts(),
        "opens": tallies.events(EventKind.OPENED).as_json(),
        "clicks": tallies.events(EventKind.CLICKED).as_json(),
        "judged": judged_json(judged(tallies, found.campaign.tracking)),
        "unsubscribed": tallies.events(EventKind.UNSUBSCRIBED).human,
        "replies": found.replies,
        "conversions": found.conversions,
        "feedback": [opinion_json(opinion) for opinion in opinions_of(found.campaign.feedback.all())],
        "uses": found.uses.__dict__,
        "attribution_days": found.attribution_days,
        "channels": [_line_json("channel", line) for line in found.channels],
        "languages": [_line_json("language", line) for line in found.languages],
        "funnel": [_stage_json(stage) for stage in found.stages],
        "links": [link.__dict__ for link in found.links],
        "cost": cost_json(found.cost),
        "over_time": [{**bar.__dict__, "at": bar.at.isoformat()} for bar in found.bars],
    }


def _fates(found: Report) -> dict[str, dict[str, int]]:
    """State -> rows: `primary` of the audience, `fallback` of what stands in for one of those on another channel.

    The counters do not tell these apart, so where there are fallbacks their rows are counted.
    """
    states = found.tallies.states()
    later = dict.fromkeys(states, 0)
    if found.tallies.fallbacks:
        rows = Delivery.objects.filter(run__in=[run.pk for run in found.runs], fallback_of__isnull=False)
        later |= dict(rows.order_by().values_list("state").annotate(Count("id")))
    return {"primary": {state: count - later[state] for state, count in states.items()}, "fallback": later}


def _line(name: str, part: Tallies, replied: int) -> Line:
    receipts = part.receipts()
    return Line(
        name=name,
        audience=part.messages,
        accepted=part.accepted,
        delivered=receipts["delivered"],
        bounced=receipts["bounced"],
        opened=part.events(EventKind.OPENED).human,
        clicked=part.events(EventKind.CLICKED).human,
        replied=replied,
        unsubscribed=part.events(EventKind.UNSUBSCRIBED).human,
    )


def _line_json(dimension: str, line: Line) -> dict[str, Any]:
    values = dict(line.__dict__)
    interval = wilson(min(line.clicked, line.accepted), line.accepted)
    return {
        dimension: values.pop("name"),
        **values,
        "click_share": interval and interval.as_json(),
    }


def _stage_json(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.goal,
        "people": stage.people,
        "share": stage.share and stage.share.as_json(),
        "against": stage.against,
        "uncertain": stage.uncertain,
        "unknown": stage.unknown,
        "of_answers": stage.of_answers and stage.of_answers.as_json(),
        "sources": stage.sources,
    }


def _replies(campaign: Campaign) -> tuple[dict[str, int], dict[str, int]]:
    """(kind -> replies, channel -> answers of people), in one query."""
    kinds: dict[str, int] = defaultdict(int)
    channels: dict[str, int] = defaultdict(int)
    for row in Reply.objects.filter(campaign=campaign).values("kind", "channel").annotate(count=Count("pk")).order_by():
        kinds[row["kind"]] += row["count"]
        channels[row["channel"]] += row["count"] if row["kind"] in ANSWERS else 0
    return dict(kinds), dict(channels)


def _links(runs: list[Run]) -> list[FollowedLink]:
    """Links of the newest run's contents with human clicks over all runs, most followed first."""
    if not runs:
        return []
    clicks: Mapping[tuple[str, str, int], int] = {
        (row["channel"], row["language"], int(row["name"])): row["sum"]
        for row in _sums(runs, CounterKind.LINK, "channel", "language", "name")
    }
    newest = compiled_run(runs[-1].pk)
    found = [
        FollowedLink(
            channel=link.channel,
            language=link.language,
            position=link.position,
            url=link.url,
            label=link.label,
            human=clicks.get((link.channel, link.language, link.position), 0),
        )
        for link in (newest.links if newest else ())
    ]
    return sorted(found, key=lambda link: -link.human)


def _over_time(runs: list[Run], tallies: Tallies) -> list[Bar]:
    """Accepted, opened and clicked in bars from the first acceptance to the last thing that people did."""
    happened = [("accepted", _minute(name), count) for name, count in tallies.minutes().items()]
    happened += [
        (row["reason"], _minute(row["name"]), row["sum"]) for row in _sums(runs, CounterKind.MOMENT, "name", "reason")
    ]
    happened = [one for one in happened if one[2]]
    if not happened:
        return []
    moments = [moment for _, moment, _ in happened]
    width = bar_width(max(moments) - min(moments))
    origin = min(moments).replace(minute=0)
    bars: dict[datetime, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for kind, moment, count in happened:
        bars[origin + (moment - origin) // width * width][kind] += count
    return [
        Bar(at=at, accepted=sums["accepted"], opened=sums[EventKind.OPENED], clicked=sums[EventKind.CLICKED])
        for at, sums in _without_gaps(bars, width)
    ]


def _sums(runs: list[Run], kind: CounterKind, *by: str) -> list[dict[str, Any]]:
    """Counters of one kind, summed over slots and whatever they are not asked `by`."""
    rows = Counter.objects.filter(run__in=[run.pk for run in runs], kind=kind)
    return list(rows.values(*by).annotate(sum=Sum("count")).order_by())


def _minute(name: str) -> datetime:
    return datetime.strptime(name, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)


def bar_width(span: timedelta) -> timedelta:
    """The narrowest of the usual widths that gives at most `MOST_BARS` bars."""
    fitting = (width for width in WIDTHS if span.total_seconds() / width <= MOST_BARS)
    return timedelta(seconds=next(fitting, WIDTHS[-1]))


def _without_gaps(
    bars: Mapping[datetime, Mapping[str, int]], width: timedelta
) -> list[tuple[datetime, Mapping[str, int]]]:
    """Every bar from the first to the last, also the empty ones; at most the last 400."""
    nothing: Mapping[str, int] = defaultdict(int)
    first, last = min(bars), max(bars)
    count = (last - first) // width + 1
    return [(first + width * step, bars.get(first + width * step, nothing)) for step in range(count)][-400:]
