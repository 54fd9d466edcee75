"""Committed windows, for the story of a receipt: rows of about 2 kB, each written once and once updated in place."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0003_limits")]

    operations = [
        migrations.CreateModel(
            name="Hand",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="outreach.run",
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hands",
                        to="outreach.batch",
                    ),
                ),
                ("fence", models.BigIntegerField()),
                ("worker", models.TextField()),
                ("ids", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ("in_hand_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
            ],
            options={"indexes": [models.Index(fields=["batch"], name="hands_of_batch")]},
        ),
        migrations.RunSQL(
            "ALTER TABLE outreach_hand SET (fillfactor = 50)", "ALTER TABLE outreach_hand RESET (fillfactor)"
        ),
    ]
