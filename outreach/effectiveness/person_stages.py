"""How far one person came along the stages, by the evidence that names them: that of individual tracking alone.

Of each stage the newest piece that was not taken back is what stands. All pieces are kept, those taken back too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Service
from outreach.core.vocabulary import Bearing, EvidenceSource, Goal
from outreach.events.stages import StageEvidence

#: Pieces that are read at once.
CHUNK: Final = 1_000
#: A piece takes an earlier one back where it counts below zero, or where it says that it is not sure at all.
STANDING: Final = """
WITH mine AS (
    SELECT *, people < 0 OR confidence = 0 AS takes_back FROM outreach_stageevidence
    WHERE subscriber_id = %s AND source <> 'overlap'
), balanced AS (
    SELECT *, sum(CASE WHEN takes_back THEN -1 ELSE 1 END)
        OVER (PARTITION BY run_id, services, stage, source, bearing) AS balance
    FROM mine
)
SELECT DISTINCT ON (stage) * FROM balanced WHERE balance > 0 AND NOT takes_back ORDER BY stage, at DESC, id DESC
"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One piece of evidence about a person, with the names of what it is about."""

    stage: Goal
    source: EvidenceSource
    bearing: Bearing
    #: In [0, 1].
    confidence: float
    #: Whether it says that an earlier piece like it no longer holds.
    takes_back: bool
    #: Of its run's campaign or notice; '' where a service told it of itself.
    campaign: str
    services: tuple[Service, ...]
    channel: str
    at: datetime

    @property
    def service_names(self) -> list[str]:
        """In the active language."""
        return [str(service) for service in self.services]


def pieces_about(subscriber: Subscriber) -> QuerySet[StageEvidence]:
    """All evidence that names the person, without what only has several sources count one person once."""
    pieces = StageEvidence.objects.filter(subscriber=subscriber).exclude(source=EvidenceSource.OVERLAP)
    return pieces.select_related("run__campaign")


def findings(pieces: Sequence[StageEvidence]) -> list[Finding]:
    """The pieces with names, in the same order; one query."""
    wanted = {key for piece in pieces for key in piece.services}
    services = Service.objects.in_bulk(wanted) if wanted else {}
    return [
        Finding(
            stage=Goal(piece.stage),
            source=EvidenceSource(piece.source),
            bearing=Bearing(piece.bearing),
            confidence=piece.confidence,
            takes_back=piece.people < 0 or piece.confidence == 0,
            campaign=piece.run.title if piece.run else "",
            services=tuple(services[key] for key in piece.services if key in services),
            channel=piece.channel,
            at=piece.at,
        )
        for piece in pieces
    ]


def standing_of(subscriber: Subscriber) -> dict[Goal, Finding]:
    """What stands of each stage of which anything is known, in the order of the stages; at most four queries."""
    rows = list(StageEvidence.objects.raw(STANDING, [subscriber.pk]).prefetch_related("run__campaign"))
    found = {finding.stage: finding for finding in findings(rows)}
    return {stage: found[stage] for stage in Goal if stage in found}


def whole_evidence(subscriber: Subscriber) -> Iterator[dict[str, Any]]:
    """Every piece that names the person, the newest first, as the API gives it."""
    rows, last = pieces_about(subscriber).order_by("-pk"), 2**63 - 1
    while chunk := list(rows.filter(pk__lt=last)[:CHUNK]):
        yield from map(finding_json, findings(chunk))
        last = chunk[-1].pk


def finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "stage": finding.stage.value,
        "source": finding.source.value,
        "bearing": finding.bearing.value,
        "confidence": finding.confidence,
        "takes_back": finding.takes_back,
        "campaign": finding.campaign,
        "services": [service.slug for service in finding.services],
        "channel": finding.channel,
        "at": finding.at.isoformat(),
    }
