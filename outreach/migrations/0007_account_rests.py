"""An account whose provider is away rests, for all workers, a little longer each time."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0006_delivery_ids")]

    operations = [
        migrations.AddField("account", "rest_until", models.DateTimeField(null=True)),
        migrations.AddField("account", "rests", models.SmallIntegerField(default=0)),
    ]
