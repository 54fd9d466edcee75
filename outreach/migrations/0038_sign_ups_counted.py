"""Sign-ups name their source and site, are counted before they are taken, and organisations refuse mail domains."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0037_merged_people")]

    operations = [
        migrations.CreateModel(
            name="SignUpRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("refused_domains", models.JSONField(default=list)),
                (
                    "organisation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="outreach.organisation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SignUpTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=32)),
                ("since", models.DateTimeField()),
                ("count", models.IntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["since"], name="tally_by_time")],
                "constraints": [models.UniqueConstraint(fields=("key", "since"), name="tally_once")],
            },
        ),
        migrations.RemoveIndex(model_name="signup", name="signup_by_address"),
        migrations.RemoveIndex(model_name="signup", name="signup_by_network"),
        migrations.AddField(model_name="signup", name="profile", field=models.JSONField(default=dict)),
        migrations.AddField(
            model_name="signup", name="site", field=models.CharField(blank=True, default="", max_length=255)
        ),
        migrations.AddField(model_name="signup", name="source", field=models.CharField(default="form", max_length=10)),
        migrations.AlterField(
            model_name="signup", name="text_version", field=models.CharField(blank=True, default="", max_length=60)
        ),
        migrations.AddIndex(model_name="signup", index=models.Index(fields=["normalised"], name="signup_by_address")),
    ]
