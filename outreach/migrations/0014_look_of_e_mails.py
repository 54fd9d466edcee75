"""How e-mails look and what goes with them: branding, pictures, a preheader, an entry for the reader's calendar."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

PICTURES = [("hosted", "Shown from our address"), ("attached", "Sent within the e-mail")]


def key() -> models.BigAutoField[int, int]:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [("outreach", "0010_people_without_foreign_keys")]

    operations = [
        migrations.AddField(
            "content", "preheader", models.CharField(blank=True, db_default="", default="", max_length=200)
        ),
        migrations.AddField("content", "calendar", models.JSONField(blank=True, db_default={}, default=dict)),
        migrations.AddField(
            "content",
            "pictures",
            models.CharField(choices=PICTURES, db_default="hosted", default="hosted", max_length=10),
        ),
        migrations.CreateModel(
            name="Picture",
            fields=[
                ("id", key()),
                ("key", models.CharField(max_length=40, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("media_type", models.CharField(max_length=20)),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                ("size", models.PositiveIntegerField()),
                ("alt", models.CharField(max_length=300)),
                ("data", models.BinaryField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pictures",
                        to="outreach.organisation",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "constraints": [
                    models.UniqueConstraint(fields=("organisation", "digest"), name="picture_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Branding",
            fields=[
                ("id", key()),
                ("name", models.JSONField(blank=True, default=dict)),
                ("colour", models.CharField(blank=True, default="", max_length=7)),
                ("link_colour", models.CharField(blank=True, default="", max_length=7)),
                ("footer", models.JSONField(blank=True, default=dict)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "logo",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="outreach.picture",
                    ),
                ),
                (
                    "organisation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="branding",
                        to="outreach.organisation",
                    ),
                ),
            ],
        ),
    ]
