"""Trouble by recipient domain, added up once a minute from the ledger's attempts and from what came back.

Sending writes nothing for it. Each attempt is counted once: they are read by their ids, those of the last minute not
yet, since a transaction that began before may still commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from django.db import connection, transaction

from outreach.core import clock
from outreach.core.vocabulary import Channel, EventKind, TroubleCause
from outreach.delivery.models import Delivery
from outreach.events.domain_tally import DomainTrouble, TroubleMark, TroubleNote
from outreach.events.trouble_causes import cause_of, without_names

#: Rows that one look adds up; the next look goes on.
MOST_AT_ONCE: Final = 20_000
#: Age at which attempts are counted: longer than a settle takes from its first statement to its commit.
SETTLED: Final = timedelta(seconds=60)
KEPT: Final = timedelta(days=90)
_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('outreach.gather_troubles', 0))"
#: What came back -> the sum it belongs to.
_SUMS: Final = {
    EventKind.DELAYED: "deferred",
    EventKind.REJECTED: "refused",
    EventKind.BOUNCED: "returned",
    EventKind.COMPLAINED: "complained",
}
#: Kinds of attempts, by the sum.
_OF_ATTEMPTS: Final = {"temporary": "deferred", "permanent": "refused"}

#: Where each row's message went: to a person's address, or to that of a notice.
_WHERE: Final = """
SELECT r.organisation_id, d.account_id, split_part(coalesce(a.normalised, n.normalised, ''), '@', 2) AS domain,
    t.kind, t.reason, t.said, (t.at AT TIME ZONE 'UTC')::date AS day, count(*), min(t.at), max(t.at)
FROM {rows} t
JOIN outreach_run r ON r.id = t.run_id
JOIN outreach_delivery d ON d.run_id = t.run_id AND d.id = t.delivery
LEFT JOIN outreach_address a ON a.id = d.address_id
LEFT JOIN outreach_notice n ON n.run_id = t.run_id AND n.delivery = t.delivery AND d.address_id IS NULL
WHERE d.channel = 'email'
GROUP BY 1, 2, 3, 4, 5, 6, 7"""

#: The id behind the last attempt that may be counted: before the first young one, at most so many on.
_BOUND: Final = """
WITH fresh AS MATERIALIZED (
    SELECT id, at FROM outreach_attempt WHERE id > %(mark)s ORDER BY id LIMIT %(most)s
)
SELECT coalesce(min(id) FILTER (WHERE at >= %(settled)s), max(id) + 1) FROM fresh"""
_ATTEMPTS: Final = _WHERE.format(
    rows="(SELECT run_id, delivery, kind, reason, detail AS said, at FROM outreach_attempt"
    " WHERE id > %(mark)s AND id < %(bound)s AND kind IN ('temporary', 'permanent'))"
)
#: Notes are taken away as they are counted, so each is counted once.
_TAKEN: Final = """
WITH taken AS (
    DELETE FROM outreach_troublenote WHERE id IN (
        SELECT id FROM outreach_troublenote ORDER BY id LIMIT %(most)s
    ) RETURNING run AS run_id, delivery, kind, reason, said, at
)"""
_NOTES: Final = _TAKEN + _WHERE.format(rows="taken")

_ADD: Final = """
INSERT INTO outreach_domaintrouble AS t (organisation_id, account_id, domain, cause, "on", deferred, refused, returned,
    complained, first_at, last_at, said)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (organisation_id, "on", domain, cause, account_id) DO UPDATE SET
    deferred = t.deferred + excluded.deferred, refused = t.refused + excluded.refused,
    returned = t.returned + excluded.returned, complained = t.complained + excluded.complained,
    first_at = least(t.first_at, excluded.first_at), last_at = greatest(t.last_at, excluded.last_at),
    said = CASE WHEN excluded.said <> '' AND (t.said = '' OR excluded.last_at >= t.last_at)
        THEN excluded.said ELSE t.said END"""


@dataclass(frozen=True, kw_only=True)
class Key:
    """What one sum is about."""

    organisation: int
    account: int | None
    domain: str
    cause: TroubleCause
    on: date


@dataclass(kw_only=True)
class Sum:
    """What is added to it."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    first_at: datetime
    last_at: datetime
    said: str = ""

    def add(self, name: str, count: int, *, first_at: datetime, last_at: datetime, said: str) -> None:
        self.counts[name] += count
        if said and (not self.said or last_at >= self.last_at):
            self.said = said
        self.first_at, self.last_at = min(self.first_at, first_at), max(self.last_at, last_at)


def note_trouble(delivery: Delivery, kind: EventKind, *, reason: str, said: str) -> None:
    """Have a message that came back, or was reported, counted for its domain; in the caller's transaction.

    `reason` is a word of `bounces.classify` or a provider's; `said` are the server's own words, where they are known.
    """
    if delivery.channel == Channel.EMAIL and kind in _SUMS:
        TroubleNote.objects.create(
            run=delivery.run_id, delivery=delivery.id, kind=kind, reason=reason[:100], said=said[:500]
        )


@transaction.atomic
def gather_troubles() -> int:
    """Add up what is new; how many sums grew. Nobody does it twice at once."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        if not cursor.fetchone()[0]:
            return 0
        sums = add_up([*_attempts(), *_rows(_NOTES, most=MOST_AT_ONCE)])
        if sums:
            cursor.executemany(_ADD, [_values(key, one) for key, one in sorted(sums.items(), key=_order)])
    return len(sums)


def forget_troubles() -> int:
    """Drop sums that are too old to keep; answer how many."""
    return DomainTrouble.objects.filter(on__lt=(clock.now() - KEPT).date()).delete()[0]


_Row = tuple[int, int | None, str, str, str, str, date, int, datetime, datetime]


def _attempts() -> list[_Row]:
    mark, _is_new = TroubleMark.objects.get_or_create(pk=1)
    with connection.cursor() as cursor:
        known: dict[str, Any] = {"mark": mark.attempt, "most": MOST_AT_ONCE, "settled": clock.now() - SETTLED}
        cursor.execute(_BOUND, known)
        bound: int | None = cursor.fetchone()[0]
    if bound is None or bound == mark.attempt + 1:
        return []
    TroubleMark.objects.filter(pk=mark.pk).update(attempt=bound - 1)
    return _rows(_ATTEMPTS, mark=mark.attempt, bound=bound)


def _rows(statement: str, **parameters: Any) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[_Row] = cursor.fetchall()
    return rows


def add_up(rows: Iterable[_Row]) -> dict[Key, Sum]:
    """The sums of rows; one without a domain is of none."""
    sums: dict[Key, Sum] = {}
    for organisation, account, domain, kind, reason, said, on, count, first_at, last_at in rows:
        if not domain:
            continue
        words = without_names(said)
        key = Key(organisation=organisation, account=account, domain=domain, on=on, cause=_cause(words, kind, reason))
        one = sums.setdefault(key, Sum(first_at=first_at, last_at=last_at))
        name = _OF_ATTEMPTS.get(kind) or _SUMS[EventKind(kind)]
        one.add(name, count, first_at=first_at, last_at=last_at, said=words)
    return sums


@lru_cache(maxsize=2_000)
def _cause(words: str, kind: str, reason: str) -> TroubleCause:
    return TroubleCause.COMPLAINTS if kind == EventKind.COMPLAINED else cause_of(words, reason=reason)


def _order(item: tuple[Key, Sum]) -> tuple[int, date, str, str, int]:
    key = item[0]
    return key.organisation, key.on, key.domain, key.cause, key.account or 0


def _values(key: Key, one: Sum) -> list[Any]:
    counts = (one.counts[name] for name in ("deferred", "refused", "returned", "complained"))
    about = (key.organisation, key.account, key.domain[:260], str(key.cause), key.on)
    return [*about, *counts, one.first_at, one.last_at, one.said]
