"""Campaigns declare within how many days a use counts; services may ask for the token of a click."""

from __future__ import annotations

from django.db import migrations, models

#: First and repeated, of what was told before.
FILL = """
UPDATE outreach_conversion v SET is_repeated = EXISTS (
    SELECT FROM outreach_conversion e
    WHERE e.service_id = v.service_id AND e.name = v.name AND e.subscriber_id = v.subscriber_id AND e.id < v.id
) WHERE subscriber_id IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("outreach", "0048_utm")]

    operations = [
        migrations.AddField(
            "campaign", "attribution_days", models.PositiveSmallIntegerField(default=30, db_default=30)
        ),
        migrations.AddField(
            "service", "click_parameter", models.CharField(blank=True, db_default="", default="", max_length=40)
        ),
        migrations.AddField("conversion", "is_late", models.BooleanField(db_default=False, default=False)),
        migrations.AddField("conversion", "is_repeated", models.BooleanField(null=True)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
