"""What was counted of sign-ups alone is counted of log-ins, too."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("outreach", "0053_former_addresses")]

    operations = [migrations.RenameModel("SignUpTally", "Tally")]
