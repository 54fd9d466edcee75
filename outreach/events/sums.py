"""What is counted of events: the sums that reports read, in one shape for writing, correcting and proving them."""

from __future__ import annotations

from typing import Final

#: Follows a relation `counted` (run_id, at, channel, language, kind, verdict, link, more) as the next `WITH` clause:
#: `sums` of all events by verdict, of people's clicks by link, and of their opens and clicks by moment: by the
#: minute on a run's first day, by the hour later.
SUMS: Final = """
sums AS (
    SELECT run_id, 'event' AS kind, channel, language, kind AS name, verdict AS reason, sum(more)::bigint AS count
    FROM counted GROUP BY 1, 3, 4, 5, 6
    UNION ALL
    SELECT run_id, 'link', channel, language, link::text, '', sum(more)::bigint
    FROM counted WHERE kind = 'clicked' AND verdict = 'human' AND link IS NOT NULL GROUP BY 1, 3, 4, 5
    UNION ALL
    SELECT run_id, 'moment', '', '', to_char(moment, 'YYYY-MM-DD"T"HH24:MI'), kind, more
    FROM (
        SELECT c.run_id, c.kind, date_trunc(
                CASE WHEN c.at < r.as_of + interval '1 day' THEN 'minute' ELSE 'hour' END, c.at AT TIME ZONE 'UTC'
            ) AS moment, sum(c.more)::bigint AS more
        FROM counted c JOIN outreach_run r ON r.id = c.run_id
        WHERE c.kind IN ('opened', 'clicked') AND c.verdict = 'human' GROUP BY 1, 2, 3
    ) AS moments
)"""

#: Adds `sums` to the counters of a slot, in the order of their key.
ADD_SUMS: Final = """
INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
SELECT run_id, {slot}, kind, channel, language, name, reason, count FROM sums{where}
ORDER BY run_id, kind, channel, language, name, reason
ON CONFLICT (run_id, slot, kind, channel, language, name, reason)
DO UPDATE SET count = outreach_counter.count + excluded.count
"""
