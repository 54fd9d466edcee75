"""The label of a way to choose channels: what it does has grown. No SQL comes of it."""

from __future__ import annotations

from django.db import migrations, models

MODES = [
    ("all", "Every channel that the person can be reached by"),
    ("preferred", "One channel: the one the person asked for, else the first of the order"),
]


class Migration(migrations.Migration):
    dependencies = [("outreach", "0013_prices")]

    operations = [
        migrations.AlterField(
            "campaign", "channel_mode", models.CharField(choices=MODES, default="all", max_length=10)
        ),
    ]
