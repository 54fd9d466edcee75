"""Topics stand in an order among their siblings."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0020_declared_attributes")]

    operations = [
        migrations.AddField(model_name="topic", name="position", field=models.PositiveIntegerField(default=0)),
    ]
