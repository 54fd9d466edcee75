"""Runs whose rows were dropped for their age keep their sums, and say so."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0004_hands")]

    operations = [migrations.AddField("run", "retired_at", models.DateTimeField(null=True))]
