"""Openings and clicks judged again when what came with them is known: read here, decided by `together`, and written.

Only where the delivery is known can events be looked at together: in aggregate tracking each stands for itself, and
`events.verdict` alone judges it. An event stays; its verdict, its reason, the sums and first events change at once.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final

from django.db import connection, transaction

from outreach.core import clock
from outreach.delivery.counters import SLOTS
from outreach.delivery.links import compiled_run
from outreach.events.models import LookedAt
from outreach.events.sums import ADD_SUMS, CAME, KEEP_FIRST, NAMED, SUMS, WENT
from outreach.events.together import HASTE, HASTY_LEAST, REACH, Correction, Message, Seen, judge_together

#: What is looked at in one transaction, after a standstill.
SLICE: Final = timedelta(minutes=15)
#: Slices of one call: the next one goes on.
SLICES: Final = 8
#: A domain of more people is a provider's, whose people have nothing in common.
LARGEST_DOMAIN: Final = 10_000
#: Counters of its own: whoever writes a first event that is looked for here waits for no sum of this transaction.
SLOT: Final = SLOTS

READ: Final = """
SELECT at, id, run_id, delivery, kind, channel, language, link, verdict, reason FROM outreach_event
WHERE at >= %s AND at < %s AND kind IN ('opened', 'clicked') AND delivery IS NOT NULL
"""
#: LATERAL with a limit: each row by its key, whatever the planner believes of so many.
READ_MESSAGES: Final = """
SELECT k.run_id, k.id, d.settled_at, d.domain FROM unnest(%s::bigint[], %s::bigint[]) AS k (run_id, id)
CROSS JOIN LATERAL (
    SELECT d.settled_at, coalesce(split_part(a.normalised, '@', 2), '') AS domain
    FROM outreach_delivery d LEFT JOIN outreach_address a ON a.id = d.address_id
    WHERE d.run_id = k.run_id AND d.id = k.id LIMIT 1
) d
"""
#: Of whom it can be known what they do: people at each domain of a run.
COUNT_DOMAINS: Final = """
SELECT split_part(a.normalised, '@', 2), count(*)
FROM outreach_delivery d JOIN outreach_subscriber s ON s.id = d.subscriber_id AND s.is_measured
JOIN outreach_address a ON a.id = d.address_id
WHERE d.run_id = %s AND d.channel = 'email' AND d.state <> 'skipped'
GROUP BY 1 HAVING count(*) BETWEEN %s AND %s
"""
#: E-mails that a run handed over since then, and all of its e-mails.
COUNT_HANDED: Final = """
SELECT coalesce(sum(count) FILTER (WHERE kind = 'minute' AND name >= %s), 0),
    coalesce(sum(count) FILTER (WHERE kind = 'state' AND name <> 'skipped'), 0)
FROM outreach_counter WHERE run_id = %s AND channel = 'email' AND kind IN ('minute', 'state')
"""
_ADD_CORRECTED: Final = ADD_SUMS.format(slot=SLOT, sums="(TABLE sums UNION ALL TABLE named) AS every", where="")
CORRECT: Final = f"""
WITH corrected AS (
    SELECT * FROM unnest(%(ats)s::timestamptz[], %(ids)s::bigint[], %(olds)s::text[], %(verdicts)s::text[],
        %(reasons)s::text[]) AS c (at, id, old, verdict, reason)
), changed AS (
    UPDATE outreach_event e SET verdict = c.verdict, reason = c.reason FROM corrected c
    WHERE e.at = c.at AND e.id = c.id AND e.verdict = c.old
    RETURNING e.run_id, e.delivery, e.at, e.channel, e.language, e.kind, e.link, e.verdict, c.old
), counted AS (
    SELECT run_id, delivery, at, channel, language, kind, old AS verdict, link, -1 AS more FROM changed
    UNION ALL SELECT run_id, delivery, at, channel, language, kind, verdict, link, 1 FROM changed
), {SUMS}, {NAMED}, summed AS ({_ADD_CORRECTED})
SELECT count(*) FROM changed
"""  # noqa: S608 -- put together from constants
_ADD_READERS: Final = ADD_SUMS.format(slot=SLOT, sums="readers", where="")
#: The first events of these deliveries again, from those that are still a person's.
FIRST_AGAIN: Final = (
    f"""
    WITH first AS (
        DELETE FROM outreach_firstevent f
        USING unnest(%(runs)s::bigint[], %(deliveries)s::bigint[]) AS k (run_id, delivery)
        WHERE f.run_id = k.run_id AND f.delivery = k.delivery AND f.kind IN ('opened', 'clicked')
        RETURNING f.run_id, f.delivery, f.kind, f.link
    ), {WENT}{_ADD_READERS}
    """,  # noqa: S608 -- put together from constants
    f"""
    WITH theirs AS (
        SELECT e.run_id, e.delivery, e.kind, e.link, e.at
        FROM unnest(%(runs)s::bigint[], %(deliveries)s::bigint[]) AS k (run_id, delivery)
        JOIN outreach_event e ON e.run_id = k.run_id AND e.delivery = k.delivery
        WHERE e.kind IN ('opened', 'clicked') AND e.verdict = 'human'
    ), first AS ({KEEP_FIRST}), {CAME}{_ADD_READERS}
    """,  # noqa: S608 -- put together from constants
)
#: First events that are missing beside a person's events. A click that was not committed when another of the same
#: person was taken from them met the first event of that one, and then it was gone: REACH covers many calls, so the
#: next ones see it. No NOT EXISTS: a plan would hash everybody's first events, where this looks at each by its key.
FIRST_MISSING: Final = f"""
WITH theirs AS (
    SELECT run_id, delivery, kind, link, at FROM outreach_event
    WHERE at >= %s AND at < %s AND kind IN ('opened', 'clicked') AND verdict = 'human' AND delivery IS NOT NULL
), first AS ({KEEP_FIRST}), {CAME}{_ADD_READERS}
"""  # noqa: S608 -- put together from constants


def judge_bursts() -> int:
    """Correct the verdicts of what came since the last call, and of what was written long after it happened.

    Answers how many were corrected. After a standstill it goes on where it stood; doing it again changes nothing.
    """
    corrected = 0
    for _ in range(SLICES):
        found, is_done = _judge_slice()
        corrected += found
        if is_done:
            break
    return corrected


@transaction.atomic
def _judge_slice() -> tuple[int, bool]:
    """Judge what is next; how many were corrected, and whether nothing is left. Who comes meanwhile does nothing."""
    now = clock.now()
    LookedAt.objects.bulk_create([LookedAt(id=1, until=now - SLICE)], ignore_conflicts=True)
    state = LookedAt.objects.select_for_update(skip_locked=True).filter(id=1).first()
    if state is None:
        return 0, True
    begun, until = state.until - REACH, min(now, state.until + SLICE)
    state.until = until
    corrected = _judge(begun, until)
    if state.again_from is not None:
        begun, until = state.again_from - REACH, state.again_from + SLICE
        corrected += _judge(begun, until + REACH)
        state.again_from = until if until < now else None
    state.save()
    return corrected, state.until == now and state.again_from is None


def _judge(since: datetime, until: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(FIRST_MISSING, [since, until])  # before the sums, for whose rows whoever writes one may wait
        cursor.execute(READ, [since, until])
        events = [Seen(*row) for row in cursor.fetchall()]
    if not events:
        return 0
    share_handed = cache(lambda run: _share_handed(run, since - HASTE))
    corrections = judge_together(
        events,
        _messages(events),
        links=links_beside,
        recipients=lambda run, domain: _recipients(run, domain, share_handed(run)),
    )
    return _write(corrections) if corrections else 0


def _messages(events: Sequence[Seen]) -> dict[tuple[int, int], Message]:
    keys = sorted({(seen.run, seen.delivery) for seen in events})
    with connection.cursor() as cursor:
        cursor.execute(READ_MESSAGES, [[run for run, _ in keys], [delivery for _, delivery in keys]])
        return {(run, id_): Message(handed_at, domain) for run, id_, handed_at, domain in cursor.fetchall()}


def links_beside(seen: Seen) -> int:
    """How many links the message has whose link was followed; 0 where that is not known."""
    return _links(seen.run).get((seen.channel, seen.language, seen.link or 0), 0)


@lru_cache(maxsize=64)
def _links(run_id: int) -> dict[tuple[str, str, int], int]:
    run = compiled_run(run_id)
    links = run.links if run else []
    beside = Tally((link.channel, link.language, link.variant) for link in links)
    return {
        (link.channel, link.language, link.position): beside[link.channel, link.language, link.variant]
        for link in links
    }


def _recipients(run: int, domain: str, share_handed: float) -> int:
    """People at the domain whom the run reached, as many as its share of all messages lets expect."""
    people = _domains(run, f"{clock.now():%Y-%m-%dT%H}").get(domain)
    return LARGEST_DOMAIN if people is None else round(people * share_handed)


def _share_handed(run: int, since: datetime) -> float:
    """Of a run's messages, those that were handed over since then."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_HANDED, [f"{since:%Y-%m-%dT%H:%M}", run])
        handed, planned = cursor.fetchone()
    return min(1.0, int(handed) / max(1, int(planned)))


@lru_cache(maxsize=64)
def _domains(run: int, hour: str) -> dict[str, int]:
    """Counted again each `hour`."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_DOMAINS, [run, HASTY_LEAST, LARGEST_DOMAIN])
        return dict(cursor.fetchall())


def _write(corrections: Sequence[Correction]) -> int:
    parameters: dict[str, Any] = {
        "ats": [each.seen.at for each in corrections],
        "ids": [each.seen.id for each in corrections],
        "olds": [each.seen.verdict for each in corrections],
        "verdicts": [str(each.judgement.verdict) for each in corrections],
        "reasons": [each.judgement.reason for each in corrections],
    }
    keys = sorted({(each.seen.run, each.seen.delivery) for each in corrections})
    with connection.cursor() as cursor:
        cursor.execute(CORRECT, parameters)
        changed = int(cursor.fetchone()[0])
        for statement in FIRST_AGAIN:
            cursor.execute(statement, {"runs": [run for run, _ in keys], "deliveries": [each for _, each in keys]})
    return changed
