"""Reports that receivers send to a domain: who sends in its name (DMARC), whether mail to it was encrypted."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("outreach", "0015_choice_of_channel"),
    ]

    operations = [
        migrations.CreateModel(
            name="DomainReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("dmarc", "Who sends in the domain's name (DMARC)"),
                            ("tls", "Whether mail to the domain was encrypted (TLS-RPT)"),
                        ],
                        max_length=10,
                    ),
                ),
                ("domain", models.CharField(max_length=260)),
                ("reporter", models.CharField(max_length=200)),
                ("report_id", models.CharField(max_length=200)),
                ("begins_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("passed", models.PositiveBigIntegerField()),
                ("failed", models.PositiveBigIntegerField()),
                ("policy", models.JSONField(default=dict)),
                ("received_at", models.DateTimeField(auto_now_add=True)),
                (
                    "account",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="outreach.account"
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="outreach.organisation",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReportedSource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.GenericIPAddressField()),
                ("messages", models.PositiveBigIntegerField()),
                ("dkim", models.BooleanField()),
                ("spf", models.BooleanField()),
                ("disposition", models.CharField(max_length=10)),
                ("header_from", models.CharField(default="", max_length=200)),
                ("signed_by", models.CharField(default="", max_length=200)),
                ("returned_to", models.CharField(default="", max_length=200)),
                ("override", models.CharField(default="", max_length=200)),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="sources", to="outreach.domainreport"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReportedTlsFailure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("result", models.CharField(max_length=200)),
                ("sessions", models.PositiveBigIntegerField()),
                ("server", models.CharField(default="", max_length=200)),
                ("address", models.CharField(default="", max_length=200)),
                ("detail", models.CharField(default="", max_length=200)),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tls_failures",
                        to="outreach.domainreport",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="domainreport",
            index=models.Index(fields=["organisation", "kind", "-begins_at"], name="domain_report_newest"),
        ),
        migrations.AddConstraint(
            model_name="domainreport",
            constraint=models.UniqueConstraint(
                fields=("organisation", "kind", "domain", "reporter", "report_id"), name="domain_report_once"
            ),
        ),
    ]
