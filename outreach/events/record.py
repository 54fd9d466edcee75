"""Writing down what happened: one statement for events, first events and counters, so that they can never disagree.

An event carries its key, (at, id), from the moment it is noticed. So writing it again, after a commit nobody heard the
answer of, changes nothing: neither the rows nor the counters.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Final

from django.db import connection

from outreach.core import clock
from outreach.core.vocabulary import EventKind, Verdict
from outreach.delivery.counters import slot
from outreach.events.sums import ADD_SUMS, ALL_SUMS, CAME, KEEP_FIRST, NAMED, SUMS


def new_key() -> int:
    """An event's id within its microsecond: random, and small enough for a JSON number."""
    return random.getrandbits(52)  # no secret, only its own; a forked process draws others


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

    @cached_property
    def alike(self) -> tuple[Any, ...]:
        """What it shares with other events of a batch, as plain values."""
        return (
            *(self.run, self.link, str(self.kind), str(self.channel), self.language),
            *(str(self.verdict), self.reason, self.source),
        )

    def again(self) -> Happening:
        """The same once more: now, and under a key of its own. A tenth of the price of saying everything anew."""
        other = object.__new__(Happening)
        other.__dict__.update(self.__dict__, alike=self.alike, at=clock.now(), key=new_key())
        return other


#: What many events of a batch have in common, said once, and what each has of its own. Events of a run that is gone
#: are dropped.
_INCOMING: Final = """
WITH alike AS MATERIALIZED (
    SELECT a.* FROM unnest(
        %s::bigint[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]
    ) WITH ORDINALITY AS a (run_id, link, kind, channel, language, verdict, reason, source, number)
    WHERE EXISTS (SELECT FROM outreach_run r WHERE r.id = a.run_id)
), each AS (
    SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::int[], %s::bigint[], %s::text[])
        AS i (at, id, number, delivery, raw)
)"""

#: An open or click is personal only while its person agrees to be measured.
_PERSONAL: Final = f""", incoming AS MATERIALIZED (
    SELECT i.at, i.id,
        CASE WHEN i.delivery IS NULL OR a.kind NOT IN ('opened', 'clicked') THEN i.delivery ELSE (
            -- No EXISTS: a plan for any batch would hash everybody who is measured.
            SELECT d.id FROM outreach_delivery d JOIN outreach_subscriber s ON s.id = d.subscriber_id
            WHERE d.run_id = a.run_id AND d.id = i.delivery AND s.is_measured LIMIT 1
        ) END AS delivery,
        a.run_id, a.link, a.kind, a.channel, a.language, a.verdict, a.reason, a.source, i.raw
    FROM each i JOIN alike a USING (number)
), written AS (
    INSERT INTO outreach_event (at, id, run_id, delivery, link, kind, channel, language, verdict, reason, source, raw)
    SELECT at, id, run_id, delivery, link, kind, channel, language, verdict, reason, source,
        CASE WHEN delivery IS NULL AND kind IN ('opened', 'clicked') THEN '{{}}' ELSE coalesce(raw, '{{}}')::jsonb END
    FROM incoming ORDER BY at, id
    ON CONFLICT DO NOTHING
    RETURNING run_id, delivery, link, at, kind, channel, language, verdict
), theirs AS (
    SELECT * FROM written WHERE delivery IS NOT NULL AND verdict = 'human'
), first AS ({KEEP_FIRST}
)"""  # noqa: S608 -- put together from constants

_NOBODYS: Final = """, written AS (
    INSERT INTO outreach_event (at, id, run_id, link, kind, channel, language, verdict, reason, source)
    SELECT i.at, i.id, a.run_id, a.link, a.kind, a.channel, a.language, a.verdict, a.reason, a.source
    FROM each i JOIN alike a USING (number)
    ON CONFLICT DO NOTHING
    RETURNING run_id, link, at, kind, channel, language, verdict
)"""

#: Where nobody can have written an event before, nothing is looked for, and what came is what is counted.
_NEW_NOBODYS: Final = """, incoming AS MATERIALIZED (
    SELECT i.at, i.id, a.run_id, a.link, a.kind, a.channel, a.language, a.verdict, a.reason, a.source
    FROM each i JOIN alike a USING (number)
), written AS (
    INSERT INTO outreach_event (at, id, run_id, link, kind, channel, language, verdict, reason, source)
    SELECT * FROM incoming
    RETURNING 1
)"""


_COUNTED: Final = ", counted AS (SELECT {columns}, 1 AS more FROM {events}),"
#: Adds the events of one relation to the counters when the other is complete.
_COUNT: Final = (
    _COUNTED.replace("{columns}", "run_id, at, channel, language, kind, verdict, link")
    + SUMS
    + ADD_SUMS.format(slot="%s", sums="sums", where=" WHERE (SELECT count(*) FROM {last}) >= 0")
)
#: The same where messages are known; what is sorted to be added has read all first events.
_COUNT_THEIRS: Final = (
    _COUNTED.format(columns="*", events="written")
    + f"{SUMS}, {NAMED}, {CAME}"
    + ADD_SUMS.format(slot="%s", sums=ALL_SUMS, where="")
)

#: Write events that are not there yet, the first of each kind a delivery, and the sums; the counters come last.
WRITE: Final = _INCOMING + _PERSONAL + _COUNT_THEIRS
#: The same for events that name nobody, at half the price: what aggregate tracking writes.
WRITE_NOBODYS: Final = _INCOMING + _NOBODYS + _COUNT.format(events="written", last="written")
#: The same for those of them that were never handed to the database; fails where one is there.
WRITE_NEW_NOBODYS: Final = _INCOMING + _NEW_NOBODYS + _COUNT.format(events="incoming", last="written")


#: What is written later than this after it happened has to be judged again: `events.bursts` looks no further back.
LATE: Final = timedelta(minutes=4)
#: Older than this, an event keeps its first verdict: a provider's wrong clock must not have decades judged again.
FARTHEST: Final = timedelta(days=30)
#: In the way of the task that judges, which holds the row: so it comes before the events, whose rows both may want.
LOOK_AGAIN: Final = """
INSERT INTO outreach_lookedat AS l (id, until, again_from) VALUES (1, %(now)s, %(since)s)
ON CONFLICT (id) DO UPDATE SET again_from = least(l.again_from, excluded.again_from)
"""


def late_since(happenings: Iterable[Happening]) -> datetime | None:
    """When the first of the openings and clicks of known deliveries happened that are written late."""
    now = clock.now()
    late = (h.at for h in happenings if h.delivery and h.kind in _READ and now - FARTHEST < h.at < now - LATE)
    return min(late, default=None)


_READ: Final = frozenset({EventKind.OPENED, EventKind.CLICKED})


def statement(happenings: Sequence[Happening], *, are_new: bool = False) -> str:
    """The SQL that writes these events, for their `parameters`; `are_new`: none was ever handed to the database."""
    if any(h.delivery or h.raw for h in happenings):
        return WRITE
    return WRITE_NEW_NOBODYS if are_new else WRITE_NOBODYS


def parameters(happenings: Sequence[Happening]) -> list[Any]:
    """What `statement` is executed with."""
    numbers: dict[tuple[Any, ...], int] = {}
    of_each = [numbers.setdefault(h.alike, len(numbers) + 1) for h in happenings]
    raws = [json.dumps(h.raw) if h.raw else None for h in happenings]
    return [
        *(_array(map(_element, column)) for column in zip(*numbers, strict=True)),
        _array(h.at.isoformat() for h in happenings),
        _array(str(h.key) for h in happenings),
        _array(map(str, of_each)),
        _array(str(h.delivery) if h.delivery else "NULL" for h in happenings),
        raws if any(raws) else None,
        slot(),
    ]


def _array(elements: Iterable[str]) -> str:
    """PostgreSQL's text of an array: a fifth of the price of a list."""
    return "{" + ",".join(elements) + "}"


@lru_cache(maxsize=4096)
def _element(value: str | int | None) -> str:
    """A text or number as it stands in an array; remembered, since those of a batch are few and the same."""
    if value is None:
        return "NULL"
    return '"' + str(value).replace("\\", r"\\").replace('"', r"\"") + '"'


def record(*happenings: Happening) -> bool:
    """Write events down in the transaction of whoever calls; False where none was new, and nothing changed."""
    if not happenings:
        return False
    with connection.cursor() as cursor:
        if since := late_since(happenings):
            cursor.execute(LOOK_AGAIN, {"now": clock.now(), "since": since})
        cursor.execute(statement(happenings), parameters(happenings))
        return bool(cursor.rowcount)  # sums that grew
