"""Consents get a salt and the language of their text, and are sealed into a chain that the database guards."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.contrib.postgres.functions import RandomUUID
from django.db import migrations, models

from outreach.core.vocabulary import ConsentAction, ConsentPurpose, Language

#: Hashes do not compress. By the range of its ids a consent finds its block, and a stretch of consents its blocks.
STORAGE = """
ALTER TABLE outreach_consentblock ALTER COLUMN leaves SET STORAGE EXTERNAL;
CREATE INDEX consent_block_by_id ON outreach_consentblock USING gist (int8range(first_id, last_id, '[]'));
"""
#: What was sealed stays: of a block everything, of a consent all but what an erasure takes. Rows that are in no block
#: yet can be deleted. Who owns the tables can take this guard away: then the chain tells.
GUARD = """
CREATE FUNCTION outreach_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = format('%s is append-only', TG_TABLE_NAME);
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON outreach_consentblock
    FOR EACH ROW EXECUTE FUNCTION outreach_refuse_change();

CREATE FUNCTION outreach_refuse_change_of_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = format('consent %s is a record: it can only be emptied', OLD.id);
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE ON outreach_consent FOR EACH ROW
    WHEN (NOT (NEW.id = OLD.id AND NEW.subscriber_id = OLD.subscriber_id
        AND NEW.salt IS NULL AND NEW.topic_id IS NULL AND NEW.evidence = '{}'
        AND NEW.at = 'epoch' AND NEW.recorded_at = 'epoch' AND NEW.purpose = '' AND NEW.channel = ''
        AND NEW.action = '' AND NEW.source = '' AND NEW.text_version = '' AND NEW.language = ''))
    EXECUTE FUNCTION outreach_refuse_change_of_consent();

CREATE FUNCTION outreach_refuse_deletion_of_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM outreach_consentblock b
               WHERE int8range(b.first_id, b.last_id, '[]') @> OLD.id AND OLD.id = ANY (b.ids)) THEN
        RAISE restrict_violation USING MESSAGE = format('consent %s is sealed: it can only be emptied', OLD.id);
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER refuse_deletion BEFORE DELETE ON outreach_consent
    FOR EACH ROW EXECUTE FUNCTION outreach_refuse_deletion_of_consent();
"""
UNGUARD = """
DROP TRIGGER refuse_deletion ON outreach_consent;
DROP TRIGGER refuse_change ON outreach_consent;
DROP TRIGGER refuse_change ON outreach_consentblock;
DROP FUNCTION outreach_refuse_deletion_of_consent();
DROP FUNCTION outreach_refuse_change_of_consent();
DROP FUNCTION outreach_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("outreach", "0021_topic_position")]

    operations = [
        migrations.AddField("consent", "salt", models.UUIDField(null=True, db_default=RandomUUID())),
        migrations.AddField(
            "consent",
            "language",
            models.CharField(max_length=5, choices=Language.choices, default="", db_default="", blank=True),
        ),
        migrations.AlterField("consent", "action", models.CharField(choices=ConsentAction.choices, max_length=10)),
        migrations.AlterField(
            "consent", "purpose", models.CharField(choices=ConsentPurpose.choices, default="topic", max_length=12)
        ),
        migrations.AlterField(
            "consent",
            "topic",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="outreach.topic",
            ),
        ),
        migrations.CreateModel(
            name="ConsentBlock",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("previous", models.BinaryField(max_length=32)),
                ("root", models.BinaryField(max_length=32)),
                ("sealed_at", models.DateTimeField()),
                ("ids", django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ("leaves", models.BinaryField()),
                ("first_id", models.BigIntegerField()),
                ("last_id", models.BigIntegerField()),
            ],
            options={"indexes": [models.Index(fields=["sealed_at"], name="consent_block_by_time")]},
        ),
        migrations.CreateModel(
            name="ConsentBookmark",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("floor", models.BigIntegerField(default=0)),
                ("reached", models.BigIntegerField(default=0)),
                ("horizon", models.BigIntegerField(default=0)),
                ("last_block", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
