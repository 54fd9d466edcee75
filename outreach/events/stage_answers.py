"""Answers to our one question as evidence: was somebody satisfied, would they recommend the service."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run, Service
from outreach.core.vocabulary import Bearing, EvidenceSource, Goal
from outreach.delivery.questions import SCALES
from outreach.events.stages import DOUBTFUL, add_evidence


class Said(NamedTuple):
    """What an answer to one of our questions is evidence of."""

    stage: Goal
    bearing: Bearing
    confidence: float


def judge_answer(question: str, value: int) -> Said:
    """What a number on a question's scale says of the stage that it is named for; the ends of the scale are surest."""
    scale, stage = SCALES[question], Goal(question)
    if scale.poor < value < scale.good:
        return Said(stage, Bearing.UNCERTAIN, DOUBTFUL)
    bearing = Bearing.FOR if value >= scale.good else Bearing.AGAINST
    return Said(stage, bearing, 1.0 if value in {scale.low, scale.high} else 0.8)


def add_answer(
    question: str,
    value: int | None,
    *,
    organisation: int,
    before: int | None = None,
    run: Run | None = None,
    service: Service | None = None,
    subscriber: Subscriber | None = None,
    channel: str = "",
    language: str = "",
    at: datetime | None = None,
) -> None:
    """Append an answer to `satisfied` or `recommends`; `before` is the person's earlier answer, which it takes back.

    Without a value there is nothing but the taking back.
    """
    common: dict[str, Any] = {
        "organisation": organisation, "run": run, "service": service, "subscriber": subscriber,
        "channel": channel, "language": language, "at": at,
    }  # fmt: skip
    for answer, people in ((before, -1), (value, 1)):
        if answer is not None:
            said = judge_answer(question, answer)
            add_evidence(
                said.stage,
                EvidenceSource.ANSWER,
                bearing=said.bearing,
                confidence=said.confidence,
                people=people,
                **common,
            )
