"""On what terms a file is taken in: evidence of consents, and what becomes of people known already."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outreach", "0031_import_mapping")]

    operations = [
        migrations.AddField(model_name="import", name="is_opt_in", field=models.BooleanField(default=False)),
        migrations.AddField(model_name="import", name="evidence", field=models.JSONField(default=dict)),
        migrations.AddField(
            model_name="import",
            name="known",
            field=models.CharField(
                choices=[
                    ("overwrite", "What the file says replaces what is known"),
                    ("fill", "The file fills in what is not known yet"),
                    ("skip", "They stay as they are, and are not subscribed"),
                ],
                default="overwrite",
                max_length=10,
            ),
        ),
    ]
