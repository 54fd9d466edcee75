"""A batch finds its rows by the range of their ids; only those that moved have an index of their own.

The index of every row's batch was a fifth of what fan-out writes. Open batches of before get the range that holds
their rows; rows of open retries count as moved.
"""

from __future__ import annotations

from django.db import migrations, models

FIND_RANGES = """
UPDATE outreach_delivery d SET is_moved = true
FROM outreach_batch b
WHERE d.batch_id = b.id AND b.state <> 'done' AND b.is_retry AND d.state IN ('planned', 'deferred');
UPDATE outreach_batch b SET first_id = range.first_id, last_id = range.last_id
FROM (
    SELECT d.batch_id, min(d.id) AS first_id, max(d.id) AS last_id
    FROM outreach_delivery d JOIN outreach_batch open ON open.id = d.batch_id AND open.state <> 'done'
    WHERE NOT d.is_moved GROUP BY d.batch_id
) AS range
WHERE b.id = range.batch_id;
"""


class Migration(migrations.Migration):
    dependencies = [("outreach", "0025_days_of_consents")]

    operations = [
        migrations.AddField("batch", "first_id", models.BigIntegerField(null=True)),
        migrations.AddField("batch", "last_id", models.BigIntegerField(null=True)),
        migrations.AddField("delivery", "is_moved", models.BooleanField(default=False, db_default=False)),
        migrations.RunSQL(FIND_RANGES, migrations.RunSQL.noop),
        migrations.AddIndex(
            "delivery", models.Index(fields=["batch"], condition=models.Q(is_moved=True), name="delivery_moved")
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX delivery_batch", "CREATE INDEX delivery_batch ON outreach_delivery (batch_id)"
                )
            ],
            state_operations=[
                migrations.AlterField(
                    "delivery",
                    "batch",
                    models.ForeignKey(
                        "outreach.Batch",
                        on_delete=models.DO_NOTHING,
                        null=True,
                        db_constraint=False,
                        db_index=False,
                        related_name="deliveries",
                    ),
                )
            ],
        ),
    ]
