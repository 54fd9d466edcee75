"""Reports read clicks by link, and opens and clicks over time, from counters: those of before are counted once."""

from __future__ import annotations

from django.db import migrations, models

from outreach.core.vocabulary import CounterKind

FILL = """
INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
SELECT run_id, 0, 'link', channel, language, link::text, '', count(*)
FROM outreach_event
WHERE kind = 'clicked' AND verdict = 'human' AND link IS NOT NULL AND run_id IN (SELECT id FROM outreach_run)
GROUP BY 1, 4, 5, 6
UNION ALL
SELECT run_id, 0, 'moment', '', '', to_char(moment, 'YYYY-MM-DD"T"HH24:MI'), kind, count
FROM (
    SELECT e.run_id, e.kind, date_trunc(
            CASE WHEN e.at < r.as_of + interval '1 day' THEN 'minute' ELSE 'hour' END, e.at AT TIME ZONE 'UTC'
        ) AS moment, count(*) AS count
    FROM outreach_event e JOIN outreach_run r ON r.id = e.run_id
    WHERE e.kind IN ('opened', 'clicked') AND e.verdict = 'human' GROUP BY 1, 2, 3
) AS moments
"""
EMPTY = "DELETE FROM outreach_counter WHERE kind IN ('link', 'moment')"


class Migration(migrations.Migration):
    dependencies = [("outreach", "0039_join_by_text")]

    operations = [
        migrations.AlterField("counter", "kind", models.CharField(max_length=8, choices=CounterKind.choices)),
        migrations.RunSQL(FILL, EMPTY),
    ]
