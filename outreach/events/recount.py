"""Proof that the sums of events equal the events: counted again, in one statement and so in one snapshot."""

from __future__ import annotations

from typing import Final

from django.db import connection

from outreach.campaigns.models import Campaign
from outreach.delivery.check import LedgerCheck, Problem

#: Sums that differ from the rows: run, channel, language, kind, verdict, rows, sum. NULL for every campaign.
DIFFER: Final = """
WITH wanted AS (
    SELECT id FROM outreach_run WHERE %(campaign)s::bigint IS NULL OR campaign_id = %(campaign)s
), happened AS (
    SELECT run_id, channel, language, kind AS name, verdict AS reason, count(*) AS rows
    FROM outreach_event WHERE run_id IN (SELECT id FROM wanted) GROUP BY 1, 2, 3, 4, 5
), counted AS (
    SELECT run_id, channel, language, name, reason, sum(count) AS kept
    FROM outreach_counter WHERE kind = 'event' AND run_id IN (SELECT id FROM wanted) GROUP BY 1, 2, 3, 4, 5
)
SELECT run_id, channel, language, name, reason, coalesce(rows, 0)::bigint, coalesce(kept, 0)::bigint
FROM happened FULL JOIN counted USING (run_id, channel, language, name, reason)
WHERE coalesce(rows, 0) <> coalesce(kept, 0)
ORDER BY 1, 2, 3, 4, 5
"""


def check_events(found: LedgerCheck, campaign: Campaign | None = None) -> LedgerCheck:
    """Add to a check of the ledger what is wrong with the sums of events."""
    with connection.cursor() as cursor:
        cursor.execute(DIFFER, {"campaign": campaign.pk if campaign else None})
        rows = cursor.fetchall()
    for run, channel, language, name, reason, happened, kept in rows:
        words = f"{happened} events of {channel} {language} {name} {reason}, but {kept} were counted"
        found.problems.append(Problem(run=run, code="events", message=words))
        found.counters_equal = False
    return found
