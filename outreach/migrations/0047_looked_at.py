"""How far events were judged together; and first events are of people alone: those of before are found again."""

from __future__ import annotations

from django.db import migrations, models

FIRST_AGAIN = """
DELETE FROM outreach_firstevent WHERE kind IN ('opened', 'clicked');
INSERT INTO outreach_firstevent (run_id, delivery, kind, link, at)
SELECT run_id, delivery, kind, coalesce(link, -1), min(at) FROM outreach_event
WHERE kind IN ('opened', 'clicked') AND delivery IS NOT NULL AND verdict = 'human' GROUP BY 1, 2, 3, 4
"""


class Migration(migrations.Migration):
    dependencies = [("outreach", "0046_stage_evidence")]

    operations = [
        migrations.CreateModel(
            name="LookedAt",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("until", models.DateTimeField()),
                ("again_from", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RunSQL(FIRST_AGAIN, migrations.RunSQL.noop),
    ]
