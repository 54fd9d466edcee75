"""Caps of topics, budgets that organisations share, and what people got lately, by keyed hash of their address."""

from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0028_quiet_hours")]

    operations = [
        migrations.AddField("topic", "cap_messages", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField("topic", "cap_days", models.PositiveSmallIntegerField(null=True)),
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("messages", models.PositiveSmallIntegerField()),
                ("days", models.PositiveSmallIntegerField()),
                (
                    "organisation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="budget", to="outreach.organisation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BudgetMember",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("joined_at", models.DateTimeField(auto_now_add=True)),
                (
                    "budget",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="members", to="outreach.budget"
                    ),
                ),
                (
                    "organisation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.organisation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Pressure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("scope", models.CharField(max_length=24)),
                ("digest", models.BinaryField(max_length=32)),
                ("taken", models.JSONField(default=list)),
                ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["seen_at"], name="pressure_by_age")],
                "constraints": [models.UniqueConstraint(fields=("scope", "digest"), name="pressure_once")],
            },
        ),
    ]
