"""How far each account's list of whom not to write to was compared with its provider's. A new, empty table."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0012_domain_reports")]

    operations = [
        migrations.CreateModel(
            name="SuppressionSync",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("tried_at", models.DateTimeField(null=True)),
                ("told_until", models.DateTimeField(null=True)),
                ("fetched_until", models.DateTimeField(null=True)),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.account"
                    ),
                ),
            ],
        ),
    ]
