"""Who opened or followed a message counts once where that is known: sums of the readers of before are made once."""

from __future__ import annotations

from django.db import migrations, models

from outreach.core.vocabulary import CounterKind, EvidenceSource

FILL = (
    """
    INSERT INTO outreach_firstevent (run_id, delivery, kind, link, at)
    SELECT run_id, delivery, kind, -1, min(at) FROM outreach_firstevent WHERE kind = 'clicked' GROUP BY 1, 2, 3
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
    SELECT run_id, 0, 'named', channel, language, kind, '', count(*)
    FROM outreach_event
    WHERE kind IN ('opened', 'clicked') AND verdict = 'human' AND delivery IS NOT NULL
        AND run_id IN (SELECT id FROM outreach_run)
    GROUP BY 1, 4, 5, 6
    UNION ALL
    SELECT f.run_id, 0, 'reader', d.channel, d.language, f.kind, '', count(*)
    FROM outreach_firstevent f JOIN outreach_delivery d ON d.run_id = f.run_id AND d.id = f.delivery
    WHERE f.link = -1 AND f.kind IN ('opened', 'clicked') GROUP BY 1, 4, 5, 6
    """,
)
EMPTY = (
    "DELETE FROM outreach_counter WHERE kind IN ('named', 'reader')",
    "DELETE FROM outreach_firstevent WHERE kind = 'clicked' AND link = -1",
)


class Migration(migrations.Migration):
    dependencies = [("outreach", "0054_tallies")]

    operations = [
        migrations.AlterField("counter", "kind", models.CharField(max_length=8, choices=CounterKind.choices)),
        migrations.AlterField("stageevidence", "source", models.TextField(choices=EvidenceSource.choices)),
        migrations.RunSQL(FILL, EMPTY),
    ]
