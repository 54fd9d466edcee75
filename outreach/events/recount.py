"""Proof that the sums of events equal the events, and that each person's event has its first: each in one snapshot."""

from __future__ import annotations

from typing import Final

from django.db import connection

from outreach.campaigns.models import Campaign
from outreach.delivery.check import LedgerCheck, Problem
from outreach.events.sums import SUMS

#: Sums that differ from the rows: run, kind, channel, language, name, reason, rows, sum. NULL for every campaign.
DIFFER: Final = f"""
WITH wanted AS (
    SELECT id FROM outreach_run WHERE %(campaign)s::bigint IS NULL OR campaign_id = %(campaign)s
), counted AS (
    SELECT run_id, at, channel, language, kind, verdict, link, 1 AS more
    FROM outreach_event WHERE run_id IN (SELECT id FROM wanted)
), {SUMS}, kept AS (
    SELECT run_id, kind, channel, language, name, reason, sum(count)::bigint AS kept
    FROM outreach_counter WHERE kind IN ('event', 'link', 'moment') AND run_id IN (SELECT id FROM wanted)
    GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT run_id, kind, channel, language, name, reason, coalesce(count, 0), coalesce(kept, 0)
FROM sums FULL JOIN kept USING (run_id, kind, channel, language, name, reason)
WHERE coalesce(count, 0) <> coalesce(kept, 0)
ORDER BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 -- put together from constants

#: Openings and clicks by a person without a first event: run, kind, how many. First events outlive their events, so
#: none is too many.
WITHOUT_FIRST: Final = """
SELECT e.run_id, e.kind, count(DISTINCT (e.delivery, coalesce(e.link, -1)))
FROM outreach_event e JOIN outreach_run r ON r.id = e.run_id
LEFT JOIN outreach_firstevent f
    ON f.run_id = e.run_id AND f.delivery = e.delivery AND f.kind = e.kind AND f.link = coalesce(e.link, -1)
WHERE (%(campaign)s::bigint IS NULL OR r.campaign_id = %(campaign)s)
    AND e.kind IN ('opened', 'clicked') AND e.verdict = 'human' AND e.delivery IS NOT NULL AND f.run_id IS NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""


def check_events(found: LedgerCheck, campaign: Campaign | None = None) -> LedgerCheck:
    """Add to a check of the ledger what is wrong with the sums of events and with first events."""
    wanted = {"campaign": campaign.pk if campaign else None}
    with connection.cursor() as cursor:
        cursor.execute(DIFFER, wanted)
        rows = cursor.fetchall()
        cursor.execute(WITHOUT_FIRST, wanted)
        without_first = cursor.fetchall()
    for run, kind, channel, language, name, reason, happened, kept in rows:
        what = " ".join(filter(None, ("" if kind == "event" else kind, channel, language, name, reason)))
        words = f"{happened} events of {what}, but {kept} were counted"
        found.problems.append(Problem(run=run, code="events", message=words))
        found.counters_equal = False
    for run, kind, count in without_first:
        words = f"{count} first events of {kind} are missing"
        found.problems.append(Problem(run=run, code="first_events", message=words))
    return found
