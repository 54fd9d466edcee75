"""Snapshots of segments, and who was in them."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0032_import_terms")]

    operations = [
        migrations.AddField(
            model_name="segment",
            name="taken_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="SnapshotMember",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "segment_id", "subscriber_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="outreach.segment",
                    ),
                ),
                (
                    "subscriber",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="outreach.subscriber",
                    ),
                ),
            ],
        ),
    ]
