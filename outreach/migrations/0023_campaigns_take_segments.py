"""Campaigns take a segment, and leave out others."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0022_chain_of_consents")]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="segment",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="campaigns",
                to="outreach.segment",
            ),
        ),
        migrations.CreateModel(
            name="Exclusion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.campaign"
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="outreach.segment"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["campaign", "segment"], name="exclusion_once")],
            },
        ),
        migrations.AddField(
            model_name="campaign",
            name="excluded_segments",
            field=models.ManyToManyField(
                blank=True, related_name="+", through="outreach.Exclusion", to="outreach.segment"
            ),
        ),
    ]
