"""The choice of a channel and of an account: a person's wish, fallbacks, why, and accounts that share a channel.

Every new column is filled by its default in the catalogue: no table is rewritten.
"""

from __future__ import annotations

from django.db import migrations, models

from outreach.core.vocabulary import Channel, CounterKind

CHOICE = "ALTER TABLE outreach_delivery ADD COLUMN choice text NOT NULL DEFAULT ''"
NO_CHOICE = "ALTER TABLE outreach_delivery DROP COLUMN choice"


class Migration(migrations.Migration):
    dependencies = [("outreach", "0014_look_of_e_mails")]

    operations = [
        migrations.AddField(
            "subscriber",
            "preferred_channel",
            models.CharField(max_length=10, choices=Channel.choices, default="", db_default="", blank=True),
        ),
        migrations.AddField("campaign", "fallback", models.BooleanField(default=True, db_default=True)),
        migrations.AddField("campaign", "fallback_after", models.PositiveIntegerField(null=True, blank=True)),
        migrations.AddField("run", "falls_back", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("run", "fallback_at", models.DateTimeField(null=True)),
        migrations.AddField("run", "fallback_seen", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("account", "weight", models.PositiveSmallIntegerField(default=1, db_default=1)),
        migrations.AddField("account", "share", models.FloatField(default=1.0, db_default=1.0)),
        migrations.AddField("account", "share_at", models.DateTimeField(null=True)),
        migrations.AddField("account", "trouble_since", models.DateTimeField(null=True)),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CHOICE, NO_CHOICE)],
            state_operations=[migrations.AddField("delivery", "choice", models.TextField(default="", db_default=""))],
        ),
        migrations.AlterField("counter", "kind", models.CharField(max_length=8, choices=CounterKind.choices)),
    ]
