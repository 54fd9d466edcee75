"""After how many returned messages an address is not written to any more."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from outreach.core.vocabulary import Channel, SuppressionReason

KEY = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [("outreach", "0035_lists_of_suppressions")]

    operations = [
        migrations.AlterField(
            "suppression", "reason", models.CharField(max_length=12, choices=SuppressionReason.choices)
        ),
        migrations.CreateModel(
            name="BounceRule",
            fields=[
                ("id", KEY),
                ("hard_after", models.PositiveSmallIntegerField()),
                ("soft_after", models.PositiveSmallIntegerField()),
                ("within_days", models.PositiveSmallIntegerField()),
                (
                    "organisation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bounce_rule",
                        to="outreach.organisation",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BounceCount",
            fields=[
                ("id", KEY),
                ("channel", models.CharField(choices=Channel.choices, max_length=10)),
                ("digest", models.BinaryField(max_length=32)),
                ("is_hard", models.BooleanField()),
                ("seen", models.JSONField(default=dict)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.organisation"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["digest", "channel", "organisation", "is_hard"], name="bounces_once"
                    )
                ]
            },
        ),
    ]
