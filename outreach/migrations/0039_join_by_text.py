"""A reply may be JOIN."""

from __future__ import annotations

from django.db import migrations, models

KINDS = [
    ("reply", "Reply"),
    ("auto_reply", "Automatic reply"),
    ("bounce", "Bounce"),
    ("complaint", "Complaint"),
    ("stop", "STOP"),
    ("start", "START"),
    ("help", "HELP"),
    ("join", "JOIN"),
    ("other", "Other"),
]


class Migration(migrations.Migration):
    dependencies = [("outreach", "0038_sign_ups_counted")]

    operations = [
        migrations.AlterField(model_name="reply", name="kind", field=models.CharField(choices=KINDS, max_length=12)),
    ]
