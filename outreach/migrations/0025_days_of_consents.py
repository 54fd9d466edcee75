"""The chain of consents gets a root for each day."""

from __future__ import annotations

from django.db import migrations, models

GUARD = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON outreach_consentday
    FOR EACH ROW EXECUTE FUNCTION outreach_refuse_change();
"""
UNGUARD = "DROP TRIGGER refuse_change ON outreach_consentday"


class Migration(migrations.Migration):
    dependencies = [("outreach", "0024_turns_of_waiting_calls")]

    operations = [
        migrations.CreateModel(
            name="ConsentDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("previous", models.BinaryField(max_length=32)),
                ("root", models.BinaryField(max_length=32)),
                ("first_block", models.BigIntegerField()),
                ("last_block", models.BigIntegerField(unique=True)),
            ],
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
