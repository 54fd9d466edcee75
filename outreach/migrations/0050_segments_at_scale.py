"""Counts by region that read no person's row, lists of rare kinds, and snapshots that a job takes."""

from __future__ import annotations

from django.db import migrations, models

from outreach.core.vocabulary import JobState


class Migration(migrations.Migration):
    dependencies = [("outreach", "0049_attribution")]

    operations = [
        migrations.AddIndex(
            "subscriber",
            models.Index(
                fields=["organisation", "region", "language", "kind", "id"],
                condition=~models.Q(region="") & models.Q(erased_at=None),
                name="subscriber_in_region",
            ),
        ),
        migrations.RemoveIndex("subscriber", "subscriber_by_region"),
        migrations.AddIndex(
            "subscriber",
            models.Index(
                fields=["organisation", "kind", "sort_key", "id"],
                condition=models.Q(kind__in=["official", "partner"], erased_at=None),
                name="subscriber_of_kind",
            ),
        ),
        migrations.AddField(
            "segment",
            "state",
            models.CharField(
                max_length=10, choices=JobState.choices, default=JobState.DONE, db_default=JobState.DONE.value
            ),
        ),
        migrations.AddField("segment", "taking", models.JSONField(default=dict, db_default={}, blank=True)),
        migrations.AddField("segment", "listed", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("segment", "listed_to", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("segment", "list_until", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("segment", "lease_until", models.DateTimeField(null=True)),
    ]
