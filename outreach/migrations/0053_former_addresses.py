"""Addresses that people had before, and an index of what providers told: an erasure finds both."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

from outreach.core.vocabulary import Channel


class Migration(migrations.Migration):
    dependencies = [("outreach", "0052_signed_calls")]

    operations = [
        migrations.CreateModel(
            name="FormerAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subscriber",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="outreach.subscriber",
                    ),
                ),
                ("channel", models.CharField(choices=Channel.choices, max_length=10)),
                ("normalised", models.CharField(max_length=320)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["subscriber", "channel", "normalised"], name="former_address_once")
                ],
            },
        ),
        migrations.AddIndex(
            "event",
            models.Index(fields=["run", "delivery"], condition=~models.Q(raw={}), name="event_told"),
        ),
    ]
