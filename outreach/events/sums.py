"""What is kept of events beside them, in one shape for writing, correcting and proving: sums and first events."""

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

#: The same of a relation that says the `delivery` as well: `named`, people's opens and clicks of known messages.
NAMED: Final = """
named AS (
    SELECT run_id, 'named' AS kind, channel, language, kind AS name, '' AS reason, sum(more)::bigint AS count
    FROM counted WHERE kind IN ('opened', 'clicked') AND verdict = 'human' AND delivery IS NOT NULL GROUP BY 1, 3, 4, 5
)"""

#: Keeps the first events of people's events `theirs` (run_id, delivery, kind, link, at): that of a link, and under -1
#: that of the kind, which two links followed at once share. What is new comes back.
KEEP_FIRST: Final = """
    INSERT INTO outreach_firstevent (run_id, delivery, kind, link, at)
    SELECT t.run_id, t.delivery, t.kind, each.link, min(t.at) FROM theirs t, unnest(ARRAY[-1, t.link]) AS each (link)
    WHERE each.link IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING
    RETURNING run_id, delivery, kind, link"""

#: Follows first events `first` that came: `readers`, messages by what a person did with them at least once. Each
#: message is looked up by its key, whatever the planner believes of so many.
READERS: Final = """
readers AS (
    SELECT f.run_id, 'reader' AS kind, d.channel, d.language, f.kind AS name, '' AS reason, {more}count(*) AS count
    FROM first f CROSS JOIN LATERAL (
        SELECT d.channel, d.language FROM outreach_delivery d WHERE d.run_id = f.run_id AND d.id = f.delivery LIMIT 1
    ) d
    WHERE f.link = -1 AND f.kind IN ('opened', 'clicked') GROUP BY 1, 3, 4, 5
)"""
CAME: Final = READERS.format(more="")
WENT: Final = READERS.format(more="-")

#: Adds sums to the counters of a slot, in the order of their key.
ADD_SUMS: Final = """
INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
SELECT run_id, {slot}, kind, channel, language, name, reason, count FROM {sums}{where}
ORDER BY run_id, kind, channel, language, name, reason
ON CONFLICT (run_id, slot, kind, channel, language, name, reason)
DO UPDATE SET count = outreach_counter.count + excluded.count
"""
#: `sums` of ADD_SUMS where messages are known: what only then can be counted, too.
ALL_SUMS: Final = "(TABLE sums UNION ALL TABLE named UNION ALL TABLE readers) AS every"
