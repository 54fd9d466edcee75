"""Lists of whom not to write to that come as files."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from outreach.core.vocabulary import Channel, JobState

KEY = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [("outreach", "0034_kept_suppressions")]

    operations = [
        migrations.CreateModel(
            name="SuppressionImport",
            fields=[
                ("id", KEY),
                ("file_name", models.CharField(max_length=255)),
                ("file_size", models.BigIntegerField()),
                ("encoding", models.CharField(max_length=20)),
                ("delimiter", models.CharField(blank=True, max_length=2)),
                ("columns", models.JSONField(default=list)),
                ("channel", models.CharField(choices=Channel.choices, max_length=10)),
                ("note", models.CharField(blank=True, max_length=200)),
                ("state", models.CharField(choices=JobState.choices, default="queued", max_length=10)),
                ("trouble", models.TextField(blank=True, default="")),
                ("rows", models.BigIntegerField(default=0)),
                ("added", models.BigIntegerField(default=0)),
                ("known", models.BigIntegerField(default=0)),
                ("rejected", models.BigIntegerField(default=0)),
                ("bytes_read", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.organisation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SuppressionRejection",
            fields=[
                ("id", KEY),
                ("line", models.BigIntegerField()),
                ("reason", models.CharField(max_length=40)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rejections",
                        to="outreach.suppressionimport",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["job", "line"], name="suppression_rejection_once")]
            },
        ),
    ]
