"""Notices: one message to one person now. Their rows are of runs without a campaign, a run a day and template."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

CHANNELS = [
    ("email", "E-mail"),
    ("sms", "SMS"),
    ("social", "Social media"),
    ("feed", "Feed"),
    ("push", "Push"),
    ("webhook", "Webhook"),
]
BASES = [
    ("contract", "A contract with the person"),
    ("legal_obligation", "A duty that the law lays on the sender"),
    ("vital_interests", "The person's life or safety"),
    ("public_task", "A task in the public interest"),
]
KINDS = [("campaign", "Campaign"), ("test", "Test send"), ("notice", "Notice")]


def key() -> models.BigAutoField[int, int]:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [("outreach", "0007_account_rests")]

    operations = [
        migrations.CreateModel(
            name="NoticeTemplate",
            fields=[
                ("id", key()),
                ("slug", models.SlugField(max_length=60)),
                ("name", models.CharField(max_length=200)),
                ("lawful_basis", models.CharField(choices=BASES, max_length=20)),
                ("contents", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notice_templates",
                        to="outreach.organisation",
                    ),
                ),
            ],
            options={
                "ordering": ("slug",),
                "constraints": [
                    models.UniqueConstraint(fields=("organisation", "slug"), name="notice_template_once"),
                ],
            },
        ),
        migrations.AlterField(
            "run",
            "campaign",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="outreach.campaign"
            ),
        ),
        migrations.AlterField("run", "kind", models.CharField(choices=KINDS, default="campaign", max_length=10)),
        migrations.AddField("run", "digest", models.CharField(db_default="", default="", max_length=64)),
        migrations.AddIndex(
            "run",
            models.Index(
                fields=["digest"], condition=models.Q(kind="notice", fanned_out_at=None), name="run_open_to_notices"
            ),
        ),
        migrations.AddConstraint(
            "run",
            models.CheckConstraint(
                condition=models.Q(kind="notice", campaign=None)
                | (~models.Q(kind="notice") & models.Q(campaign__isnull=False)),
                name="run_of_campaign_or_notices",
            ),
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", key()),
                ("delivery", models.BigIntegerField()),
                ("lawful_basis", models.CharField(choices=BASES, max_length=20)),
                ("channel", models.CharField(choices=CHANNELS, max_length=10)),
                ("value", models.CharField(max_length=320)),
                ("normalised", models.CharField(max_length=320)),
                ("digest", models.BinaryField(max_length=32)),
                ("data", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="outreach.organisation",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="outreach.run",
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="notices",
                        to="outreach.noticetemplate",
                    ),
                ),
                (
                    "subscriber",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="notices",
                        to="outreach.subscriber",
                    ),
                ),
                (
                    "address",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="outreach.address",
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="outreach.apitoken",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organisation", "-id"], name="notice_newest"),
                    models.Index(fields=["digest"], name="notice_to_address"),
                ],
                "constraints": [models.UniqueConstraint(fields=("run", "delivery"), name="notice_of_delivery")],
            },
        ),
    ]
