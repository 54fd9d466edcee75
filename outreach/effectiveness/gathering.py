"""What sums of deliveries and events say of the first three stages, and writing that down as evidence, in batches.

Evidence of a group is what its sums say beyond what was written down: a late verdict "machine", or a message that came
back, lowers the sums, and the next pass takes back as many by a new row. Sums are read, never events, so a pass costs
the same whatever came back. Only where a run's tracking is individual are first events read, to name who may be named,
and to count them once where a reply or a service told of them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Q

from outreach.campaigns.models import Run
from outreach.core import clock
from outreach.core.vocabulary import Bearing, EventKind, EvidenceSource, Goal, RunKind, Tracking
from outreach.effectiveness.tallies import Tallies, Verdicts, tallies_of
from outreach.events.stages import CONFIDENCE, DOUBTFUL, Piece, append, count_once

#: Runs that began so lately are looked at by each pass; older ones, whose links are still followed, once a day.
LATELY: Final = timedelta(days=7)
#: Runs whose sums are read at once.
CHUNK: Final = 200
_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('outreach.gather', 0))"


class Reading(NamedTuple):
    """What one sum is evidence of."""

    stage: Goal
    source: EvidenceSource
    bearing: Bearing
    #: How many people at most, of a group's tallies.
    tally: Callable[[Tallies], int]

    @property
    def confidence(self) -> float:
        return DOUBTFUL if self.bearing == Bearing.UNCERTAIN else CONFIDENCE[self.source]


def _opens(group: Tallies) -> Verdicts:
    return _at_most(group, EventKind.OPENED)


def _clicks(group: Tallies) -> Verdicts:
    return _at_most(group, EventKind.CLICKED)


def _at_most(group: Tallies, kind: EventKind) -> Verdicts:
    """Of how many people these events are: of a known message one, of others each, but no more than messages."""
    events, most = group.events(kind), group.accepted
    people = group.readers(kind) + events.human - group.named(kind)
    return Verdicts(human=min(people, most), uncertain=min(events.uncertain, most), machine=events.machine)


READINGS: Final = (
    Reading(Goal.KNOWS, EvidenceSource.DELIVERY, Bearing.FOR, lambda group: group.reached),
    Reading(Goal.UNDERSTANDS, EvidenceSource.OPEN, Bearing.FOR, lambda group: _opens(group).human),
    Reading(Goal.UNDERSTANDS, EvidenceSource.OPEN, Bearing.UNCERTAIN, lambda group: _opens(group).uncertain),
    Reading(Goal.INTERESTED, EvidenceSource.CLICK, Bearing.FOR, lambda group: _clicks(group).human),
    Reading(Goal.INTERESTED, EvidenceSource.CLICK, Bearing.UNCERTAIN, lambda group: _clicks(group).uncertain),
)


#: Pieces that name who opened or clicked, of individual runs alone: the first time, by a person. They count nobody:
#: the sums of the group do. Where the verdict fell since, one of confidence 0 says so, and the latest piece holds.
APPEND_NAMED: Final = """
WITH readers AS (
    SELECT f.run_id, s.id AS subscriber_id, CASE f.kind WHEN 'opened' THEN 'open' ELSE 'click' END AS source,
        min(f.at) AS at, min(d.channel) AS channel, min(d.language) AS language
    FROM outreach_firstevent f
    JOIN outreach_delivery d ON d.run_id = f.run_id AND d.id = f.delivery
    JOIN outreach_subscriber o ON o.id = d.subscriber_id
    JOIN outreach_subscriber s ON s.id = coalesce(o.merged_into_id, o.id) AND s.is_measured AND s.erased_at IS NULL
    WHERE f.run_id = ANY (%(runs)s::bigint[]) AND f.kind IN ('opened', 'clicked') AND f.link = -1
    GROUP BY 1, 2, 3
),
said AS (
    SELECT DISTINCT ON (e.run_id, e.subscriber_id, e.source) e.run_id, e.subscriber_id, e.source, e.channel, e.language,
        e.confidence > 0 AS holds
    FROM outreach_stageevidence e JOIN outreach_subscriber s ON s.id = e.subscriber_id AND s.is_measured
    WHERE e.run_id = ANY (%(runs)s::bigint[]) AND e.source IN ('open', 'click')
    ORDER BY e.run_id, e.subscriber_id, e.source, e.id DESC
)
INSERT INTO outreach_stageevidence (
    organisation_id, services, run_id, channel, language, subscriber_id, stage, source, bearing, confidence, people, at
)
SELECT r.organisation_id, ARRAY(SELECT service_id FROM outreach_campaign_services WHERE campaign_id = r.campaign_id),
    r.id, coalesce(n.channel, l.channel), coalesce(n.language, l.language), subscriber_id,
    CASE source WHEN 'open' THEN 'understands' ELSE 'interested' END, source, 'for',
    CASE WHEN n.at IS NULL THEN 0 WHEN source = 'open' THEN %(open)s ELSE %(click)s END, 0, coalesce(n.at, %(now)s)
FROM readers n FULL JOIN said l USING (run_id, subscriber_id, source)
JOIN outreach_run r ON r.id = run_id
WHERE coalesce(l.holds, false) <> (n.at IS NOT NULL)
"""


@dataclass(frozen=True, kw_only=True)
class Owed:
    """Evidence of a group that is not written down yet; below 0: that is to be taken back."""

    run: int
    channel: str
    language: str
    reading: Reading
    people: int


def owed(tallies: Tallies) -> list[Owed]:
    """What the sums say beyond the evidence that is written down. Pure."""
    found = []
    for (run, channel, language), group in tallies.groups().items():
        written = group.evidence()
        for reading in READINGS:
            if more := reading.tally(group) - written.get((reading.stage, reading.source, reading.bearing), 0):
                found.append(Owed(run=run, channel=channel, language=language, reading=reading, people=more))
    return found


def gather_lately() -> int:
    """Write down what the runs under way and those of the last days are evidence of; how many pieces."""
    recent = Q(finished_at=None) | Q(occurrence__gte=clock.now() - LATELY)
    return gather(Run.objects.filter(recent, kind=RunKind.CAMPAIGN).values_list("pk", flat=True))


def gather_all() -> int:
    """The same for every run."""
    return gather(Run.objects.filter(kind=RunKind.CAMPAIGN).values_list("pk", flat=True))


def gather(run_ids: Iterable[int]) -> int:
    """Write down what these runs' sums say; done again, it writes nothing. Two at once: the second leaves it."""
    ids = list(run_ids)
    return sum(_gather(ids[start : start + CHUNK]) for start in range(0, len(ids), CHUNK))


@transaction.atomic
def _gather(run_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        if not cursor.fetchone()[0]:
            return 0
    found = owed(tallies_of(run_ids))
    owners = dict(Run.objects.filter(pk__in={one.run for one in found}).values_list("pk", "organisation"))
    now = clock.now()
    append(
        [
            Piece(
                stage=one.reading.stage,
                source=one.reading.source,
                bearing=one.reading.bearing,
                confidence=one.reading.confidence,
                people=one.people,
                at=now,
                organisation=owners[one.run],
                run=one.run,
                channel=one.channel,
                language=one.language,
            )
            for one in found
        ]
    )
    # A retired run has no deliveries to tell whose they were: what was written down stays.
    individual = Run.objects.filter(pk__in=run_ids, frozen__tracking=Tracking.INDIVIDUAL, retired_at=None)
    named = list(individual.values_list("pk", flat=True))
    return len(found) + _append_named(named) + count_once(named)


def _append_named(run_ids: list[int]) -> int:
    sure = {"open": CONFIDENCE[EvidenceSource.OPEN], "click": CONFIDENCE[EvidenceSource.CLICK]}
    with connection.cursor() as cursor:
        cursor.execute(APPEND_NAMED, {"runs": run_ids, "now": clock.now(), **sure})
        return int(cursor.rowcount)
