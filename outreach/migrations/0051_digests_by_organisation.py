"""Digests are made by organisation: an index of each one's items, and what was missed, for all of them."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0050_segments_at_scale")]

    operations = [
        migrations.RemoveField("digestitem", "topic"),
        migrations.AddIndex(
            "digestitem",
            models.Index(
                fields=["organisation", "due_at"],
                condition=models.Q(digest__isnull=True, dropped=""),
                name="digest_item_waits",
            ),
        ),
        migrations.RemoveIndex("digestitem", "digest_item_due"),
        migrations.AddField("installation", "digests_missed_from", models.DateTimeField(null=True)),
        migrations.AddField("installation", "digests_missed_to", models.DateTimeField(null=True)),
    ]
