"""Trouble by recipient domain: what waits to be added up, how far the ledger is, and the sums by day."""

from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from outreach.core.vocabulary import EventKind, TroubleCause

KEY = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [("outreach", "0040_sums_by_link_and_moment")]

    operations = [
        migrations.CreateModel(
            name="TroubleNote",
            fields=[
                ("id", KEY),
                ("run", models.BigIntegerField()),
                ("delivery", models.BigIntegerField()),
                ("kind", models.CharField(choices=EventKind.choices, max_length=12)),
                ("reason", models.CharField(default="", max_length=100)),
                ("said", models.CharField(default="", max_length=500)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="TroubleMark",
            fields=[("id", KEY), ("attempt", models.BigIntegerField(default=0))],
        ),
        migrations.CreateModel(
            name="DomainTrouble",
            fields=[
                ("id", KEY),
                ("domain", models.CharField(max_length=260)),
                ("cause", models.CharField(choices=TroubleCause.choices, max_length=16)),
                ("on", models.DateField()),
                ("deferred", models.PositiveBigIntegerField(default=0)),
                ("refused", models.PositiveBigIntegerField(default=0)),
                ("returned", models.PositiveBigIntegerField(default=0)),
                ("complained", models.PositiveBigIntegerField(default=0)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("said", models.CharField(default="", max_length=240)),
                (
                    "account",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="outreach.account",
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="outreach.organisation",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation", "on", "domain", "cause", "account"),
                        name="domain_trouble_once",
                        nulls_distinct=False,
                    )
                ]
            },
        ),
    ]
