"""Evidence that people came to a stage of the funnel: append-only, each piece with its source and how sure it is.

A piece names a person only where the person agreed to be measured and the run's tracking is individual; else it speaks
of the run's messages by one channel in one language. What was wrong is taken back by a new row. Sums are counters,
written by the same statement. What arrived, was opened and was followed comes in batches: `effectiveness.gathering`.

Each source counts whom it tells of; of whom several tell, a piece below zero says so, and the person counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models.functions import Now

from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run, Service
from outreach.core import clock
from outreach.core.models import Organisation, OwnedQuerySet
from outreach.core.vocabulary import Bearing, EvidenceSource, Goal, Tracking
from outreach.delivery.counters import slot

#: How sure one piece is taken to be. Conventions, not measurements: a message that arrived may lie unread, a service
#: knows who used it. Answers say it themselves: `events.stage_answers`.
CONFIDENCE: Final[dict[EvidenceSource, float]] = {
    EvidenceSource.DELIVERY: 0.6,
    EvidenceSource.OPEN: 0.8,
    EvidenceSource.CLICK: 0.9,
    EvidenceSource.REPLY: 0.95,
    EvidenceSource.SERVICE: 1.0,
}
#: Of a piece by which a stage cannot be told, such as a privacy proxy's opening.
DOUBTFUL: Final = 0.3


class StageEvidence(models.Model):
    """One piece of evidence, about one person or about many of a group. The database refuses to change or delete it."""

    objects = OwnedQuerySet["StageEvidence"].as_manager()

    organisation = models.ForeignKey(
        Organisation, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    #: Ids of the services that it is about: the one that was named, else those that the run's campaign promotes.
    services = ArrayField(models.BigIntegerField(), default=list)
    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    channel = models.TextField(default="", db_default="")
    language = models.TextField(default="", db_default="")
    #: Null where it speaks of a group, and once the person was erased: the one change that the database allows.
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    stage = models.TextField(choices=Goal.choices)
    source = models.TextField(choices=EvidenceSource.choices)
    bearing = models.TextField(choices=Bearing.choices)
    #: In [0, 1].
    confidence = models.FloatField()
    #: How many more of the run's people it tells of: 0 where an earlier piece told of the same person, below 0 where it
    #: takes back.
    people = models.BigIntegerField()
    #: When it happened; of a group: when it was gathered.
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["run", "stage"], name="evidence_of_run"),
            models.Index(
                fields=["subscriber", "stage"],
                name="evidence_of_person",
                condition=models.Q(subscriber__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.stage} {self.source} {self.people:+}"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of evidence as it is appended; see `StageEvidence` for its fields."""

    stage: Goal
    source: EvidenceSource
    bearing: Bearing
    confidence: float
    people: int
    at: datetime
    organisation: int
    run: int | None
    channel: str
    language: str
    subscriber: int | None = None
    #: Null: those of the run's campaign.
    service: int | None = None


#: Appends pieces and adds them to the sums of their run, which come last.
APPEND: Final = """
WITH written AS (
    INSERT INTO outreach_stageevidence (
        organisation_id, run_id, subscriber_id, channel, language, stage, source, bearing, confidence, people, at,
        services
    )
    SELECT g.organisation_id, g.run_id, g.subscriber_id, g.channel, g.language, g.stage, g.source, g.bearing,
        g.confidence, g.people, g.at, CASE WHEN g.service_id IS NOT NULL THEN ARRAY[g.service_id] ELSE ARRAY(
            SELECT p.service_id FROM outreach_run r JOIN outreach_campaign_services p ON p.campaign_id = r.campaign_id
            WHERE r.id = g.run_id ORDER BY 1
        ) END
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
        %s::float8[], %s::bigint[], %s::timestamptz[], %s::bigint[]) AS g (organisation_id, run_id, subscriber_id,
        channel, language, stage, source, bearing, confidence, people, at, service_id)
    RETURNING run_id, channel, language, stage, source, bearing, people
)
INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
SELECT run_id, %s, 'stage', channel, language, stage || ':' || source, bearing, sum(people)::bigint
FROM written WHERE run_id IS NOT NULL
GROUP BY run_id, channel, language, stage, source, bearing HAVING sum(people) <> 0
ORDER BY run_id, channel, language, stage, source, bearing
ON CONFLICT (run_id, slot, kind, channel, language, name, reason)
DO UPDATE SET count = outreach_counter.count + excluded.count
"""


def append(pieces: Sequence[Piece]) -> None:
    """Append evidence and count it, in the caller's transaction."""
    if not pieces:
        return
    columns = zip(*(_row(piece) for piece in pieces), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(APPEND, [*(list(column) for column in columns), slot()])


def _row(piece: Piece) -> tuple[Any, ...]:
    return (
        piece.organisation, piece.run, piece.subscriber, piece.channel, piece.language, str(piece.stage),
        str(piece.source), str(piece.bearing), piece.confidence, piece.people, piece.at, piece.service,
    )  # fmt: skip


def add_evidence(
    stage: Goal,
    source: EvidenceSource,
    *,
    organisation: int,
    run: Run | None = None,
    service: Service | None = None,
    subscriber: Subscriber | None = None,
    channel: str = "",
    language: str = "",
    bearing: Bearing = Bearing.FOR,
    confidence: float | None = None,
    at: datetime | None = None,
    people: int = 1,
) -> None:
    """Append what a person or a service told, in the caller's transaction: the one door for every other source.

    `people` is 0 where the same source told of the same person before: the piece is kept and adds nobody; -1 takes an
    earlier one back. `subscriber` is kept only where the person may be named. Answers to our questions:
    `stage_answers.add_answer`.
    """
    named = subscriber.pk if subscriber is not None and may_name(subscriber, run) else None
    if named is not None:
        told = StageEvidence.objects.filter(subscriber=named, run=run, stage=stage, source=source, bearing=bearing)
        counted = _people(people, told)
        # What was never counted is taken back as a late verdict is: by a piece that is not sure at all.
        confidence = 0.0 if people < 0 and not counted else confidence
        people = counted
    piece = Piece(
        stage=stage,
        source=source,
        bearing=bearing,
        confidence=CONFIDENCE.get(source, 1.0) if confidence is None else confidence,
        people=people,
        at=at or clock.now(),
        organisation=organisation,
        run=run.pk if run else None,
        channel=channel,
        language=language,
        subscriber=named,
        service=service.pk if service else None,
    )
    append([piece])
    if named is not None and run is not None:
        count_once([run.pk], subscriber=named)


def may_name(subscriber: Subscriber, run: Run | None) -> bool:
    """Whether evidence may say whose it is: only of who agreed to be measured, and never in aggregate tracking."""
    is_individual = run is None or run.frozen.get("tracking") == Tracking.INDIVIDUAL
    return is_individual and subscriber.is_measured and subscriber.erased_at is None


def _people(people: int, told: models.QuerySet[StageEvidence]) -> int:
    """A source counts a person once in a run and stage, and takes back only what it counted."""
    is_counted = (told.aggregate(people=models.Sum("people"))["people"] or 0) > 0
    return people if is_counted == (people < 0) else 0


#: Of each named person in a run and stage by how much the pieces of evidence, and the messages that the person opened
#: or followed, which the groups' sums count, are more than one person: what is not said yet, or no longer so. Above
#: zero: one of the sources was taken back. `{of_messages}` and `{of_pieces}` narrow it to one person.
OVERLAPS: Final = """
WITH wanted AS (
    SELECT id FROM outreach_run WHERE id = ANY (%(runs)s::bigint[]) AND retired_at IS NULL
), told AS MATERIALIZED (
    SELECT e.run_id, e.subscriber_id, e.stage, min(e.channel) AS channel, min(e.language) AS language,
        coalesce(sum(e.people) FILTER (WHERE e.source <> 'overlap'), 0) AS people,
        coalesce(sum(e.people) FILTER (WHERE e.source = 'overlap'), 0) AS overlap
    FROM outreach_stageevidence e
    WHERE e.run_id IN (SELECT id FROM wanted) AND e.subscriber_id IS NOT NULL AND e.bearing = 'for'
        AND e.people <> 0{of_pieces}
    GROUP BY 1, 2, 3
), read AS (
    SELECT d.run_id, coalesce(o.merged_into_id, o.id) AS subscriber_id,
        CASE f.kind WHEN 'opened' THEN 'understands' ELSE 'interested' END AS stage,
        min(d.channel) AS channel, min(d.language) AS language, count(*) AS people
    FROM outreach_delivery d
    JOIN outreach_subscriber o ON o.id = d.subscriber_id
    JOIN outreach_firstevent f ON f.run_id = d.run_id AND f.delivery = d.id AND f.link = -1
    WHERE d.run_id IN (SELECT id FROM wanted) AND f.kind IN ('opened', 'clicked'){of_messages}
    GROUP BY 1, 2, 3
    HAVING count(*) > 1 OR coalesce(o.merged_into_id, o.id) IN (SELECT subscriber_id FROM told)
)
SELECT r.organisation_id, r.id, p.subscriber_id, p.stage, p.channel, p.language, p.change
FROM (
    SELECT run_id, subscriber_id, stage, coalesce(t.channel, d.channel) AS channel,
        coalesce(t.language, d.language) AS language,
        least(0, 1 - coalesce(d.people, 0) - coalesce(t.people, 0)) - coalesce(t.overlap, 0) AS change
    FROM read d FULL JOIN told t USING (run_id, subscriber_id, stage)
) p
JOIN outreach_run r ON r.id = p.run_id
JOIN outreach_subscriber s ON s.id = p.subscriber_id AND s.is_measured AND s.erased_at IS NULL
WHERE p.change <> 0
"""
_ONE: Final = {
    "of_messages": """ AND d.target = ANY (ARRAY(
            SELECT 's:' || id FROM outreach_subscriber WHERE id = %(subscriber)s OR merged_into_id = %(subscriber)s
        ))""",
    "of_pieces": " AND e.subscriber_id = %(subscriber)s",
}
OVERLAPS_OF_ALL: Final = OVERLAPS.format(of_messages="", of_pieces="")
OVERLAPS_OF_ONE: Final = OVERLAPS.format(**_ONE)


def count_once(runs: Iterable[int], *, subscriber: int | None = None) -> int:
    """Append for those who may be named in these runs, or one of them, what makes each count once; how many pieces."""
    with connection.cursor() as cursor:
        query = OVERLAPS_OF_ALL if subscriber is None else OVERLAPS_OF_ONE
        cursor.execute(query, {"runs": list(runs), "subscriber": subscriber})
        rows = cursor.fetchall()
    now = clock.now()
    append(
        [
            Piece(
                stage=Goal(stage),
                source=EvidenceSource.OVERLAP,
                bearing=Bearing.FOR,
                confidence=1.0,
                people=int(change),
                at=now,
                organisation=organisation,
                run=run,
                channel=channel,
                language=language,
                subscriber=person,
            )
            for organisation, run, person, stage, channel, language, change in rows
        ]
    )
    return len(rows)


#: Evidence of the record that goes is taken back without a name and appended for the one that stays: sums keep.
FOLLOW_MERGE: Final = """
INSERT INTO outreach_stageevidence (
    organisation_id, services, run_id, channel, language, subscriber_id, stage, source, bearing, confidence, people, at
)
SELECT organisation_id, services, run_id, channel, language, side.subscriber, stage, source, bearing, confidence,
    people * side.sign, at
FROM outreach_stageevidence, (VALUES (NULL::bigint, -1), (%(kept)s::bigint, 1)) AS side (subscriber, sign)
WHERE subscriber_id = %(gone)s AND (side.sign > 0 OR people <> 0)
ORDER BY id
"""


def follow_merge(gone: int, kept: int) -> None:
    """Have a person's evidence be that of the record that is kept."""
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW_MERGE, {"gone": gone, "kept": kept})
    forget_person(gone)


def forget_person(subscriber_id: int) -> None:
    """Take the name off a person's evidence; that somebody came so far stays."""
    StageEvidence.objects.filter(subscriber=subscriber_id).update(subscriber=None)
