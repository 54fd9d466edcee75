"""Each connection takes the ids of deliveries by the hundred: a tenth of fan-out's time went into asking for the next."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("outreach", "0005_retired_runs")]

    operations = [
        migrations.RunSQL(
            "ALTER SEQUENCE outreach_delivery_id_seq CACHE 500", "ALTER SEQUENCE outreach_delivery_id_seq CACHE 1"
        )
    ]
