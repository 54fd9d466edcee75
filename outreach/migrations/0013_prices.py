"""What messages cost: prices of an account, and what runs that are over cost. START and HELP are answers of their own."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

CHANNELS = [
    ("email", "E-mail"),
    ("sms", "SMS"),
    ("social", "Social media"),
    ("feed", "Feed"),
    ("push", "Push"),
    ("webhook", "Webhook"),
]
UNITS = [("segment", "Each part of an SMS"), ("message", "Each message")]
ANSWERS = [
    ("reply", "Reply"),
    ("auto_reply", "Automatic reply"),
    ("bounce", "Bounce"),
    ("complaint", "Complaint"),
    ("stop", "STOP"),
    ("start", "START"),
    ("help", "HELP"),
    ("other", "Other"),
]


class Migration(migrations.Migration):
    dependencies = [("outreach", "0011_suppression_sync")]

    operations = [
        migrations.AlterField(model_name="reply", name="kind", field=models.CharField(choices=ANSWERS, max_length=12)),
        migrations.CreateModel(
            name="Price",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("country", models.CharField(blank=True, default="", max_length=2)),
                ("unit", models.CharField(choices=UNITS, max_length=8)),
                ("amount", models.DecimalField(decimal_places=6, max_digits=12)),
                ("currency", models.CharField(max_length=3)),
                ("valid_from", models.DateField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prices",
                        to="outreach.account",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account", "country", "unit", "valid_from"), name="price_once"),
                    models.CheckConstraint(condition=models.Q(("amount__gte", 0)), name="price_is_no_gift"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Spend",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(choices=CHANNELS, max_length=10)),
                ("language", models.CharField(default="", max_length=5)),
                ("country", models.CharField(default="", max_length=2)),
                ("messages", models.BigIntegerField()),
                ("segments", models.BigIntegerField(default=0)),
                ("amount", models.DecimalField(decimal_places=6, max_digits=18, null=True)),
                ("currency", models.CharField(default="", max_length=3)),
                (
                    "account",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="outreach.account",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="spends",
                        to="outreach.run",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "account", "channel", "language", "country"), name="spend_once"
                    )
                ],
            },
        ),
    ]
