"""Who put an address on the list of whom not to write to, and why. New columns are filled by their defaults."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from outreach.core.vocabulary import SuppressionSource


class Migration(migrations.Migration):
    dependencies = [("outreach", "0033_snapshots")]

    operations = [
        migrations.AddField(
            "suppression",
            "source",
            models.CharField(max_length=10, choices=SuppressionSource.choices, default="", db_default="", blank=True),
        ),
        migrations.AddField(
            "suppression", "note", models.CharField(max_length=200, default="", db_default="", blank=True)
        ),
        migrations.AddField(
            "suppression",
            "created_by",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddIndex("suppression", models.Index(fields=["organisation", "id"], name="suppression_newest")),
        migrations.AddIndex(
            "address", models.Index(fields=["digest"], condition=Q(state="bouncing"), name="address_bouncing")
        ),
    ]
