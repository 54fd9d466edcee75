"""Proof that the sums of evidence equal its pieces, and that the pieces say what deliveries and events do."""

from __future__ import annotations

from typing import Final

from django.db import connection

from outreach.campaigns.models import Campaign
from outreach.delivery.check import LedgerCheck, Problem
from outreach.events.recount import check_events

#: Sums of evidence that differ from their pieces: run, channel, language, name, bearing, pieces, sum.
DIFFER: Final = """
WITH wanted AS (
    SELECT id FROM outreach_run WHERE %(campaign)s::bigint IS NULL OR campaign_id = %(campaign)s
), pieces AS (
    SELECT run_id, channel, language, stage || ':' || source AS name, bearing AS reason, sum(people)::bigint AS told
    FROM outreach_stageevidence WHERE run_id IN (SELECT id FROM wanted) GROUP BY 1, 2, 3, 4, 5
), kept AS (
    SELECT run_id, channel, language, name, reason, sum(count)::bigint AS kept
    FROM outreach_counter WHERE kind = 'stage' AND run_id IN (SELECT id FROM wanted) GROUP BY 1, 2, 3, 4, 5
)
SELECT run_id, channel, language, name, reason, coalesce(told, 0), coalesce(kept, 0)
FROM pieces FULL JOIN kept USING (run_id, channel, language, name, reason)
WHERE coalesce(told, 0) <> coalesce(kept, 0)
ORDER BY 1, 2, 3, 4, 5
"""


def check_what_came_back(found: LedgerCheck, campaign: Campaign | None = None) -> LedgerCheck:
    """Add to a check of the ledger what is wrong with the sums of events and of evidence."""
    check_events(found, campaign)
    with connection.cursor() as cursor:
        cursor.execute(DIFFER, {"campaign": campaign.pk if campaign else None})
        rows = cursor.fetchall()
    for run, channel, language, name, bearing, told, kept in rows:
        what = " ".join(filter(None, (channel, language, name, bearing)))
        words = f"evidence tells of {told} people of {what}, but {kept} were counted"
        found.problems.append(Problem(run=run, code="evidence", message=words))
        found.counters_equal = False
    return found
