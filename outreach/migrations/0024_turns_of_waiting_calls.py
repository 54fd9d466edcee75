"""Call-backs that wait take turns: those of deliveries that nobody knows keep none from being tried."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("outreach", "0023_campaigns_take_segments")]

    operations = [
        migrations.AddField(
            model_name="hookcall",
            name="next_try_at",
            field=models.DateTimeField(db_default=Now()),
            preserve_default=True,
        ),
        migrations.RemoveIndex(model_name="hookcall", name="hook_call_waiting"),
        migrations.AddIndex(
            model_name="hookcall",
            index=models.Index(fields=["next_try_at"], name="hook_call_due", condition=models.Q(applied_at=None)),
        ),
    ]
