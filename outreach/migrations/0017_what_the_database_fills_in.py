"""Times of writing and first states get defaults in the database, so that an import need not send them."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models.functions import Now

ADDRESS_STATES = [
    ("active", "Active"),
    ("unconfirmed", "Not confirmed"),
    ("bouncing", "Returns messages"),
    ("invalid", "Not valid"),
]
SUBSCRIPTION_STATES = [("subscribed", "Subscribed"), ("unsubscribed", "Unsubscribed")]


class Migration(migrations.Migration):
    dependencies = [("outreach", "0016_channel_mode_in_words")]

    operations = [
        migrations.AlterField("subscriber", "is_measured", models.BooleanField(default=False, db_default=False)),
        migrations.AlterField("subscriber", "created_at", models.DateTimeField(auto_now_add=True, db_default=Now())),
        migrations.AlterField("subscriber", "updated_at", models.DateTimeField(auto_now=True, db_default=Now())),
        migrations.AlterField("address", "created_at", models.DateTimeField(auto_now_add=True, db_default=Now())),
        migrations.AlterField(
            "address",
            "state",
            models.CharField(choices=ADDRESS_STATES, max_length=12, default="active", db_default="active"),
        ),
        migrations.AlterField("subscription", "changed_at", models.DateTimeField(auto_now=True, db_default=Now())),
        migrations.AlterField(
            "subscription",
            "state",
            models.CharField(choices=SUBSCRIPTION_STATES, max_length=12, default="subscribed", db_default="subscribed"),
        ),
        migrations.AlterField("consent", "recorded_at", models.DateTimeField(auto_now_add=True, db_default=Now())),
    ]
