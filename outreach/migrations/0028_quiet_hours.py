"""A person's quiet hours, and why a message then waits. No table is rewritten, since nobody has any yet."""

from __future__ import annotations

from django.db import migrations, models

from outreach.core.vocabulary import Reason


class Migration(migrations.Migration):
    dependencies = [("outreach", "0027_pause")]

    operations = [
        migrations.AddField("subscriber", "quiet_from", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField("subscriber", "quiet_to", models.PositiveSmallIntegerField(null=True)),
        migrations.AlterField("delivery", "reason", models.TextField(choices=Reason.choices, default="")),
    ]
