"""A table of sign-ups that wait for their confirmation."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0017_what_the_database_fills_in")]

    operations = [
        migrations.CreateModel(
            name="SignUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("value", models.CharField(max_length=320)),
                ("normalised", models.CharField(max_length=320)),
                ("language", models.CharField(choices=[("bg", "Български"), ("en", "English")], max_length=5)),
                ("topics", models.JSONField(default=list)),
                ("text_version", models.CharField(max_length=60)),
                ("network", models.CharField(blank=True, default="", max_length=50)),
                ("created_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.organisation"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organisation", "normalised", "created_at"], name="signup_by_address"),
                    models.Index(fields=["network", "created_at"], name="signup_by_network"),
                    models.Index(fields=["created_at"], name="signup_by_time"),
                ]
            },
        )
    ]
