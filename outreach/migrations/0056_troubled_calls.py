"""A call-back that cannot be applied is kept with why, and how often it was tried."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0055_readers")]

    operations = [
        migrations.AddField("hookcall", "failures", models.PositiveSmallIntegerField(default=0, db_default=0)),
        migrations.AddField("hookcall", "trouble", models.CharField(max_length=300, default="", db_default="")),
    ]
