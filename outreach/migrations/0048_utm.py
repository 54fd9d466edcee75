"""Campaigns tag the addresses of their links for web statistics."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0047_looked_at")]

    operations = [
        migrations.AddField("campaign", "utm", models.JSONField(blank=True, db_default={}, default=dict)),
    ]
