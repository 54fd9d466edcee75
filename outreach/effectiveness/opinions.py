"""What people answered to the questions of messages: how answers are spread, how sure the shares are, newest words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef, QuerySet

from outreach.campaigns.models import NoticeTemplate
from outreach.core.models import Organisation
from outreach.core.vocabulary import Question, RunKind
from outreach.delivery.models import Notice
from outreach.delivery.questions import SCALES
from outreach.effectiveness.intervals import Z95, Share, wilson
from outreach.events.feedback import Feedback

#: Words that a page quotes.
QUOTED: Final = 6


@dataclass(frozen=True, kw_only=True)
class Step:
    """One number of a question's scale."""

    value: int
    count: int
    #: Of all who gave a number.
    share: Share


@dataclass(frozen=True)
class Opinion:
    """How people answered one question with numbers."""

    question: str
    #: Number -> people who gave it.
    counts: Mapping[int, int]

    @property
    def answered(self) -> int:
        return sum(self.counts.values())

    @property
    def good(self) -> int:
        """People at the stage that the question is named for."""
        return sum(count for value, count in self.counts.items() if value >= SCALES[self.question].good)

    @property
    def poor(self) -> int:
        return sum(count for value, count in self.counts.items() if value <= SCALES[self.question].poor)

    @property
    def share(self) -> Share | None:
        """The good answers among all."""
        return wilson(self.good, self.answered)

    @property
    def average(self) -> float:
        return sum(value * count for value, count in self.counts.items()) / self.answered

    @cached_property
    def steps(self) -> list[Step]:
        """Every number of the scale, the unused too."""
        found = ((value, self.counts.get(value, 0)) for value in SCALES[self.question].values)
        whole = self.answered
        return [
            Step(value=value, count=count, share=share)
            for value, count in found
            if (share := wilson(count, whole)) is not None
        ]

    @property
    def net(self) -> Share | None:
        """Good answers less the poor ones, as a share of all, from -1 to 1: what is called NPS, over 100.

        The interval is that of a difference of two shares of one sample.
        """
        whole = self.answered
        if not whole:
            return None
        value = (self.good - self.poor) / whole
        spread = max(0.0, (self.good + self.poor) / whole - value * value)
        reach = Z95 * math.sqrt(spread / whole)
        return Share(value=value, low=max(-1.0, value - reach), high=min(1.0, value + reach))


def opinions_of(rows: QuerySet[Feedback]) -> list[Opinion]:
    """The spread of each question that was answered with numbers; one query, by index alone."""
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    answered = rows.filter(value__isnull=False).values_list("question", "value").annotate(count=Count("pk")).order_by()
    for question, value, count in answered:
        counts[question][value or 0] = count
    return [Opinion(question, counts[question]) for question in Question.values if question in counts]


def answers_to_notices(organisation: Organisation, template: NoticeTemplate | None = None) -> QuerySet[Feedback]:
    """What was answered to questions in the organisation's notices; of one template only, where one is named."""
    rows = Feedback.objects.for_organisation(organisation).filter(campaign=None, run__kind=RunKind.NOTICE)
    if template is None:
        return rows
    return rows.filter(Exists(Notice.objects.filter(run=OuterRef("run"), template=template)))


def newest_words(rows: QuerySet[Feedback], *, most: int = QUOTED) -> list[Feedback]:
    """What people wrote, the newest first."""
    return list(rows.exclude(text="").select_related("campaign").order_by("-pk")[:most])


def opinion_json(opinion: Opinion) -> dict[str, Any]:
    """As the API gives it."""
    share, net = opinion.share, opinion.net
    return {
        "question": opinion.question,
        "answered": opinion.answered,
        "values": {str(step.value): step.count for step in opinion.steps},
        "average": opinion.average,
        "good": opinion.good,
        "poor": opinion.poor,
        "share": share and share.as_json(),
        "net": net and net.as_json(),
    }
