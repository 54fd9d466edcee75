"""Readers may choose a digest by topic and channel. Nobody has any yet, so no table of people is rewritten."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from outreach.core.vocabulary import Channel, Reason, RunKind


def key() -> models.BigAutoField[int, int]:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def reference(to: str, **options: Any) -> models.ForeignKey[Any, Any]:
    """A reference that no index follows."""
    values = {"on_delete": django.db.models.deletion.CASCADE, "related_name": "+", **options}
    return models.ForeignKey(to=f"outreach.{to}", db_index=False, **values)


PERSON: dict[str, Any] = {"db_constraint": False, "on_delete": django.db.models.deletion.DO_NOTHING}
WAITS = models.Q(digest__isnull=True, dropped="")


class Migration(migrations.Migration):
    dependencies = [("outreach", "0044_sleepy_subscribers")]

    operations = [
        migrations.AddField("subscription", "frequency", models.PositiveSmallIntegerField(null=True)),
        migrations.AddIndex(
            "subscription",
            models.Index(
                fields=["topic", "subscriber", "channel", "frequency"],
                condition=models.Q(frequency__isnull=False, state="subscribed"),
                name="subscription_digest",
            ),
        ),
        migrations.AddField(
            "organisation", "digest_minute", models.PositiveSmallIntegerField(db_default=480, default=480)
        ),
        migrations.AddField(
            "organisation", "digest_weekday", models.PositiveSmallIntegerField(db_default=0, default=0)
        ),
        migrations.AddField("installation", "digests_at", models.DateTimeField(null=True)),
        migrations.AddField("campaign", "is_pressing", models.BooleanField(db_default=False, default=False)),
        migrations.AlterField("delivery", "reason", models.TextField(choices=Reason.choices, default="")),
        migrations.AlterField(
            "run", "kind", models.CharField(choices=RunKind.choices, default="campaign", max_length=10)
        ),
        migrations.RemoveConstraint("run", "run_of_campaign_or_notices"),
        migrations.AddConstraint(
            "run",
            models.CheckConstraint(
                condition=models.Q(kind__in=["notice", "digest"], campaign=None)
                | (~models.Q(kind__in=["notice", "digest"]) & models.Q(campaign__isnull=False)),
                name="run_of_campaign_or_notices",
            ),
        ),
        migrations.CreateModel(
            name="Digest",
            fields=[
                ("id", key()),
                ("channel", models.CharField(choices=Channel.choices, max_length=10)),
                ("due_at", models.DateTimeField()),
                ("delivery", models.BigIntegerField()),
                ("made_at", models.DateTimeField()),
                ("organisation", reference("organisation")),
                ("run", reference("run", related_name="digests")),
                ("subscriber", reference("subscriber", **PERSON)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("subscriber", "organisation", "channel", "due_at"), name="digest_once"
                    ),
                    models.UniqueConstraint(fields=("run", "delivery"), name="digest_of_delivery"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DigestItem",
            fields=[
                ("id", key()),
                ("delivery", models.BigIntegerField()),
                ("channel", models.CharField(choices=Channel.choices, max_length=10)),
                ("days", models.PositiveSmallIntegerField()),
                ("since", models.DateTimeField()),
                ("due_at", models.DateTimeField(null=True)),
                ("dropped", models.CharField(db_default="", default="", max_length=20)),
                ("digest", reference("digest", null=True, related_name="items")),
                ("organisation", reference("organisation")),
                ("run", reference("run", db_constraint=False, related_name="kept_for_digests")),
                ("subscriber", reference("subscriber", **PERSON)),
                ("topic", reference("topic", **PERSON)),
            ],
            options={
                "indexes": [
                    models.Index(condition=WAITS, fields=["due_at"], name="digest_item_due"),
                    models.Index(condition=WAITS, fields=["subscriber", "channel"], name="digest_item_of_reader"),
                    models.Index(condition=models.Q(digest__isnull=False), fields=["digest"], name="digest_items"),
                ],
                "constraints": [models.UniqueConstraint(fields=("run", "delivery"), name="digest_item_once")],
            },
        ),
    ]
