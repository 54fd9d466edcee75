"""Writing down what happened: one statement for events, first events and counters, so that they can never disagree.

An event carries its key, (at, id), from the moment it is noticed. So writing it again, after a commit nobody heard the
answer of, changes nothing: neither the rows nor the counters.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection
from psycopg.types.json import Jsonb

from outreach.core import clock
from outreach.core.vocabulary import EventKind, Verdict
from outreach.delivery.counters import slot


def new_key() -> int:
    """An event's id within its microsecond: random, and small enough for a JSON number."""
    return secrets.randbits(52)


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One thing that happened after hand-over."""

    kind: EventKind
    run: int
    #: `Delivery.id`; 0 where tracking is aggregate, and then nothing about a person is kept.
    delivery: int = 0
    channel: str = ""
    language: str = ""
    #: Position of the link in its content.
    link: int | None = None
    verdict: Verdict = Verdict.HUMAN
    #: Why that verdict, or the provider's reason.
    reason: str = ""
    source: str = ""
    #: The provider's own words.
    raw: dict[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=clock.now)
    key: int = field(default_factory=new_key)


#: Write events that are not there yet, the first of each kind a delivery, and the sums; the counters come last.
#: Events of a run that is gone are dropped. An open or click is personal only while its person agrees to be measured.
WRITE: Final = """
WITH incoming AS MATERIALIZED (
    SELECT i.at, i.id, i.run_id,
        CASE WHEN p.allowed THEN i.delivery END AS delivery,
        i.link, i.kind, i.channel, i.language, i.verdict, i.reason, i.source,
        CASE WHEN p.allowed THEN i.raw ELSE '{}' END AS raw
    FROM unnest(
        %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[], %s::smallint[], %s::text[], %s::text[],
        %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[]
    ) AS i (at, id, run_id, delivery, link, kind, channel, language, verdict, reason, source, raw)
    JOIN outreach_run r ON r.id = i.run_id
    CROSS JOIN LATERAL (
        SELECT i.kind NOT IN ('opened', 'clicked') OR EXISTS (
            SELECT FROM outreach_delivery d JOIN outreach_subscriber s ON s.id = d.subscriber_id
            WHERE d.run_id = i.run_id AND d.id = i.delivery AND s.is_measured
        ) AS allowed
    ) p
), written AS (
    INSERT INTO outreach_event (at, id, run_id, delivery, link, kind, channel, language, verdict, reason, source, raw)
    SELECT * FROM incoming ORDER BY at, id
    ON CONFLICT DO NOTHING
    RETURNING *
), first AS (
    INSERT INTO outreach_firstevent (run_id, delivery, kind, link, at)
    SELECT run_id, delivery, kind, coalesce(link, -1), min(at) FROM written WHERE delivery IS NOT NULL
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING
    RETURNING 1
)
INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
SELECT run_id, %s, 'event', channel, language, kind, verdict, count(*) FROM written
WHERE (SELECT count(*) FROM first) >= 0
GROUP BY 1, 4, 5, 6, 7 ORDER BY 1, 4, 5, 6, 7
ON CONFLICT (run_id, slot, kind, channel, language, name, reason)
DO UPDATE SET count = outreach_counter.count + excluded.count
"""


def parameters(happenings: Sequence[Happening]) -> list[Any]:
    """The parameters of WRITE."""
    columns = (
        [h.at for h in happenings],
        [h.key for h in happenings],
        [h.run for h in happenings],
        [h.delivery or None for h in happenings],
        [h.link for h in happenings],
        [str(h.kind) for h in happenings],
        [str(h.channel) for h in happenings],
        [h.language for h in happenings],
        [str(h.verdict) for h in happenings],
        [h.reason for h in happenings],
        [h.source for h in happenings],
        [Jsonb(h.raw) for h in happenings],
    )
    return [*columns, slot()]


def record(*happenings: Happening) -> None:
    """Write events down in the transaction of whoever calls; writing one twice changes nothing."""
    if not happenings:
        return
    with connection.cursor() as cursor:
        cursor.execute(WRITE, parameters(happenings))
