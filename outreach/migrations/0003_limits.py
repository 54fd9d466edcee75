"""Limits of an account by domain and by day; the buckets are made anew, they live for a minute."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0002_partitions")]

    operations = [
        migrations.AddField("account", "domain_rates", models.JSONField(default=dict)),
        migrations.AddField("account", "warm_up", models.JSONField(default=dict)),
        migrations.DeleteModel("Pace"),
        migrations.CreateModel(
            name="Pace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="outreach.account",
                    ),
                ),
                ("scope", models.TextField(db_default="", default="")),
                (
                    "lane",
                    models.CharField(choices=[("notices", "Notices"), ("campaigns", "Campaigns")], max_length=10),
                ),
                ("tokens", models.FloatField(default=0.0)),
                ("written_at", models.DateTimeField()),
                ("grants", models.JSONField(default=list)),
            ],
        ),
        migrations.AddConstraint(
            "pace", models.UniqueConstraint(fields=("account", "scope", "lane"), name="pace_once")
        ),
    ]
