"""Records that were made part of another one. The new column is filled by its default: no table is rewritten."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("outreach", "0036_bounce_rules")]

    operations = [
        migrations.AddField(
            "subscriber",
            "merged_into",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="outreach.subscriber",
                db_constraint=False,
                db_index=False,
            ),
        ),
        migrations.AddIndex(
            "subscriber",
            models.Index(fields=["merged_into"], condition=Q(merged_into__isnull=False), name="subscriber_merged"),
        ),
    ]
