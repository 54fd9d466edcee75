"""Proof that the sums of events equal the events, and that each person's event has its first: each in one snapshot."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.db import connection

from outreach.campaigns.models import Campaign
from outreach.delivery.check import LedgerCheck, Problem
from outreach.events.sums import ALL_SUMS, NAMED, SUMS

#: Runs whose rows are all there still: sums outlive them (`delivery.retention`). NULL for every campaign, 0 months
#: where everything is kept.
_WANTED: Final = """
wanted AS (
    SELECT id FROM outreach_run
    WHERE (%(campaign)s::bigint IS NULL OR campaign_id = %(campaign)s) AND retired_at IS NULL
        AND (%(months)s = 0 OR as_of >= date_trunc('month', now() - make_interval(months => %(months)s)))
)"""

#: Sums that differ from the rows: run, kind, channel, language, name, reason, rows, sum.
DIFFER: Final = f"""
WITH {_WANTED}, counted AS (
    SELECT run_id, delivery, at, channel, language, kind, verdict, link, 1 AS more
    FROM outreach_event WHERE run_id IN (SELECT id FROM wanted)
), {SUMS}, {NAMED}, readers AS (
    SELECT f.run_id, 'reader' AS kind, d.channel, d.language, f.kind AS name, '' AS reason, count(*) AS count
    FROM outreach_firstevent f JOIN outreach_delivery d ON d.run_id = f.run_id AND d.id = f.delivery
    WHERE f.run_id IN (SELECT id FROM wanted) AND f.link = -1 AND f.kind IN ('opened', 'clicked') GROUP BY 1, 3, 4, 5
), kept AS (
    SELECT run_id, kind, channel, language, name, reason, sum(count)::bigint AS kept
    FROM outreach_counter
    WHERE kind IN ('event', 'link', 'moment', 'named', 'reader') AND run_id IN (SELECT id FROM wanted)
    GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT run_id, kind, channel, language, name, reason, coalesce(count, 0), coalesce(kept, 0)
FROM {ALL_SUMS} FULL JOIN kept USING (run_id, kind, channel, language, name, reason)
WHERE coalesce(count, 0) <> coalesce(kept, 0)
ORDER BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 -- put together from constants

#: Openings and clicks by a person without a first event of the link or of the kind, and first events of a kind without
#: any by a person: run, kind, how many.
FIRSTS_DIFFER: Final = f"""
WITH {_WANTED}, theirs AS (
    SELECT DISTINCT e.run_id, e.delivery, e.kind, each.link
    FROM outreach_event e, unnest(ARRAY[-1, e.link]) AS each (link)
    WHERE e.run_id IN (SELECT id FROM wanted) AND e.kind IN ('opened', 'clicked') AND e.verdict = 'human'
        AND e.delivery IS NOT NULL AND each.link IS NOT NULL
), firsts AS (
    SELECT run_id, delivery, kind, link FROM outreach_firstevent
    WHERE run_id IN (SELECT id FROM wanted) AND kind IN ('opened', 'clicked')
)
SELECT run_id, kind, count(*) FILTER (WHERE f IS NULL), count(*) FILTER (WHERE t IS NULL)
FROM theirs t FULL JOIN firsts f USING (run_id, delivery, kind, link)
WHERE t IS NULL OR f IS NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 -- put together from constants


def check_events(found: LedgerCheck, campaign: Campaign | None = None) -> LedgerCheck:
    """Add to a check of the ledger what is wrong with the sums of events and with first events."""
    wanted = {"campaign": campaign.pk if campaign else None, "months": settings.KEEP_MONTHS}
    with connection.cursor() as cursor:
        cursor.execute(DIFFER, wanted)
        rows = cursor.fetchall()
        cursor.execute(FIRSTS_DIFFER, wanted)
        firsts = cursor.fetchall()
    for run, kind, channel, language, name, reason, happened, kept in rows:
        what = " ".join(filter(None, ("" if kind == "event" else kind, channel, language, name, reason)))
        words = f"{happened} {'messages' if kind == 'reader' else 'events'} of {what}, but {kept} were counted"
        found.problems.append(Problem(run=run, code="events", message=words))
        found.counters_equal = False
    for run, kind, missing, made_up in firsts:
        for count, words in ((missing, "are missing"), (made_up, "have no event")):
            if count:
                message = f"{count} first events of {kind} {words}"
                found.problems.append(Problem(run=run, code="first_events", message=message))
    return found
