"""A person's pause, and why a message was then not sent. No table is rewritten, since nobody is paused yet."""

from __future__ import annotations

from django.db import migrations, models

from outreach.core.vocabulary import Reason


class Migration(migrations.Migration):
    dependencies = [("outreach", "0026_batches_by_range")]

    operations = [
        migrations.AddField("subscriber", "paused_until", models.DateTimeField(null=True)),
        migrations.AlterField("delivery", "reason", models.TextField(choices=Reason.choices, default="")),
    ]
