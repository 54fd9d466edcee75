"""The four tables that grow with the people lose their foreign keys and three redundant indexes (ADR 13).

What is pointed at is guarded instead: it cannot be deleted while rows point at it.
"""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

GUARD = """
CREATE FUNCTION outreach_refuse_orphans() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_left boolean;
BEGIN
    -- The arguments: table, column, table, column ...
    FOR place IN 0 .. TG_NARGS / 2 - 1 LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I = $1)', TG_ARGV[2 * place], TG_ARGV[2 * place + 1])
            INTO is_left USING OLD.id;
        IF is_left THEN
            RAISE foreign_key_violation USING MESSAGE = format(
                '%s %s is deleted, but %s still points at it', TG_TABLE_NAME, OLD.id, TG_ARGV[2 * place]);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refuse_orphans AFTER DELETE ON outreach_organisation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outreach_refuse_orphans(
        'outreach_subscriber', 'organisation_id', 'outreach_address', 'organisation_id');
CREATE CONSTRAINT TRIGGER refuse_orphans AFTER DELETE ON outreach_topic
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outreach_refuse_orphans(
        'outreach_subscription', 'topic_id', 'outreach_consent', 'topic_id');
CREATE CONSTRAINT TRIGGER refuse_orphans AFTER DELETE ON outreach_subscriber
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outreach_refuse_orphans(
        'outreach_address', 'subscriber_id', 'outreach_subscription', 'subscriber_id',
        'outreach_consent', 'subscriber_id');
"""
UNGUARD = """
DROP TRIGGER refuse_orphans ON outreach_organisation;
DROP TRIGGER refuse_orphans ON outreach_topic;
DROP TRIGGER refuse_orphans ON outreach_subscriber;
DROP FUNCTION outreach_refuse_orphans();
"""


def _pointer(
    to: str, related_name: str, *, has_index: bool, is_required: bool = True
) -> models.ForeignKey[models.Model, models.Model]:
    return models.ForeignKey(
        f"outreach.{to}",
        null=not is_required,
        on_delete=django.db.models.deletion.CASCADE if is_required else django.db.models.deletion.SET_NULL,
        db_constraint=False,
        db_index=has_index,
        related_name=related_name,
    )


class Migration(migrations.Migration):
    dependencies = [("outreach", "0008_notices")]

    operations = [
        migrations.AlterField("subscriber", "organisation", _pointer("organisation", "subscribers", has_index=False)),
        migrations.AlterField("address", "organisation", _pointer("organisation", "+", has_index=False)),
        migrations.AlterField("address", "subscriber", _pointer("subscriber", "addresses", has_index=True)),
        migrations.AlterField("subscription", "subscriber", _pointer("subscriber", "subscriptions", has_index=False)),
        migrations.AlterField("subscription", "topic", _pointer("topic", "subscriptions", has_index=False)),
        migrations.AlterField("consent", "subscriber", _pointer("subscriber", "consents", has_index=True)),
        migrations.AlterField("consent", "topic", _pointer("topic", "+", has_index=False, is_required=False)),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
