"""Declared attributes, and where people live. The new column is filled by its default: no table is rewritten."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

from outreach.core.vocabulary import AttributeType


class Migration(migrations.Migration):
    dependencies = [("outreach", "0019_segments")]

    operations = [
        migrations.CreateModel(
            name="AttributeField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("type", models.CharField(choices=AttributeType.choices, max_length=10)),
                ("label", models.JSONField(default=dict)),
                ("choices", models.JSONField(blank=True, default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attribute_fields",
                        to="outreach.organisation",
                    ),
                ),
            ],
            options={"ordering": ("name",)},
        ),
        migrations.AddConstraint(
            "attributefield", models.UniqueConstraint(fields=["organisation", "name"], name="attribute_once")
        ),
        migrations.AddField(
            "subscriber", "region", models.CharField(max_length=6, default="", db_default="", blank=True)
        ),
        migrations.AddIndex(
            "subscriber",
            models.Index(fields=["organisation", "region"], condition=~Q(region=""), name="subscriber_by_region"),
        ),
    ]
