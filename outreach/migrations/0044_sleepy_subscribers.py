"""Rules for subscribers who are asleep; openings that are not sure are found by person, too."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0043_imports_taken_back")]

    operations = [
        migrations.CreateModel(
            name="SleepRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("days", models.PositiveSmallIntegerField()),
                ("messages", models.PositiveSmallIntegerField()),
                ("grace", models.PositiveSmallIntegerField()),
                ("is_active", models.BooleanField(default=False)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.organisation"
                    ),
                ),
                (
                    "topic",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.topic"
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="outreach.segment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["organisation", "topic"], name="sleep_rule_once", nulls_distinct=False
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SleepQuestion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("days", models.PositiveSmallIntegerField()),
                ("messages", models.PositiveSmallIntegerField()),
                ("grace", models.PositiveSmallIntegerField()),
                ("decided_to", models.BigIntegerField(default=0, db_default=0)),
                ("fates", models.JSONField(default=dict)),
                ("decided_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="questions",
                        to="outreach.sleeprule",
                    ),
                ),
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.campaign"
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["campaign"], condition=models.Q(decided_at=None), name="sleep_question_open")
                ],
            },
        ),
        migrations.RemoveIndex(model_name="event", name="event_of_person"),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                fields=["delivery", "kind", "at"],
                name="event_of_person",
                condition=models.Q(
                    delivery__isnull=False,
                    kind__in=["opened", "clicked"],
                    verdict__in=["human", "uncertain"],
                ),
            ),
        ),
    ]
