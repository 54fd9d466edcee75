"""How far people came is append-only evidence; what was answered and reported before becomes evidence once."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from outreach.core.vocabulary import Bearing, EvidenceSource, Goal

#: A piece can only forget its person.
GUARD = """
CREATE TRIGGER refuse_change BEFORE UPDATE ON outreach_stageevidence FOR EACH ROW
    WHEN (NEW.subscriber_id IS NOT NULL
        OR to_jsonb(NEW) - 'subscriber_id' IS DISTINCT FROM to_jsonb(OLD) - 'subscriber_id')
    EXECUTE FUNCTION outreach_refuse_change();
CREATE TRIGGER refuse_deletion BEFORE DELETE ON outreach_stageevidence
    FOR EACH ROW EXECUTE FUNCTION outreach_refuse_change();
"""
UNGUARD = """
DROP TRIGGER refuse_deletion ON outreach_stageevidence;
DROP TRIGGER refuse_change ON outreach_stageevidence;
"""
#: Each answer and report, and of a person in a run the first one counts. What arrived, was opened and was followed is
#: gathered from its sums.
FILL = """
WITH told AS (
    SELECT y.organisation_id, y.run_id, y.subscriber_id, 'interested' AS stage, 'reply' AS source, 0.95 AS confidence,
        y.received_at AS at, NULL::bigint AS service_id, y.id,
        coalesce('d' || y.delivery, 'y' || y.id) AS who, y.channel, y.delivery
    FROM outreach_reply y WHERE y.kind = 'reply' AND y.run_id IS NOT NULL
    UNION ALL
    SELECT v.organisation_id, v.run_id, v.subscriber_id, w.stage, 'service', 1.0, v.at, v.service_id, v.id,
        coalesce('s' || v.subscriber_id, 'v' || v.id), NULL, v.delivery
    FROM outreach_conversion v
    JOIN (VALUES ('used', 'uses'), ('satisfied', 'satisfied'), ('recommended', 'recommends')) AS w (name, stage)
        USING (name)
), written AS (
    INSERT INTO outreach_stageevidence (
        organisation_id, services, run_id, channel, language, subscriber_id, stage, source, bearing, confidence, people, at
    )
    SELECT t.organisation_id, CASE WHEN t.service_id IS NOT NULL THEN ARRAY[t.service_id] ELSE ARRAY(
            SELECT p.service_id FROM outreach_campaign_services p WHERE p.campaign_id = r.campaign_id ORDER BY 1
        ) END,
        t.run_id, coalesce(d.channel, t.channel, ''), coalesce(d.language, ''),
        CASE WHEN s.is_measured AND (r.id IS NULL OR r.frozen->>'tracking' = 'individual') THEN t.subscriber_id END,
        t.stage, t.source, 'for', t.confidence,
        (row_number() OVER (PARTITION BY t.run_id, t.stage, t.source, t.service_id, t.who ORDER BY t.at, t.id) = 1)::int,
        t.at
    FROM told t
    LEFT JOIN outreach_run r ON r.id = t.run_id
    LEFT JOIN outreach_delivery d ON d.run_id = t.run_id AND d.id = t.delivery
    LEFT JOIN outreach_subscriber s ON s.id = t.subscriber_id
    ORDER BY t.at
    RETURNING run_id, channel, language, stage, source, bearing, people
)
INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
SELECT run_id, 0, 'stage', channel, language, stage || ':' || source, bearing, sum(people)
FROM written WHERE run_id IS NOT NULL GROUP BY 1, 4, 5, 6, 7 HAVING sum(people) <> 0
"""
EMPTY = "DELETE FROM outreach_counter WHERE kind = 'stage'"


def _reference(to: str, *, is_null: bool = False) -> models.Field[object, object]:
    return models.ForeignKey(
        to=to,
        on_delete=django.db.models.deletion.DO_NOTHING,
        null=is_null,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )


class Migration(migrations.Migration):
    dependencies = [("outreach", "0045_digests")]

    operations = [
        migrations.CreateModel(
            name="StageEvidence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "services",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("channel", models.TextField(db_default="", default="")),
                ("language", models.TextField(db_default="", default="")),
                ("stage", models.TextField(choices=Goal.choices)),
                ("source", models.TextField(choices=EvidenceSource.choices)),
                ("bearing", models.TextField(choices=Bearing.choices)),
                ("confidence", models.FloatField()),
                ("people", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("organisation", _reference("outreach.organisation")),
                ("run", _reference("outreach.run", is_null=True)),
                ("subscriber", _reference("outreach.subscriber", is_null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["run", "stage"], name="evidence_of_run"),
                    models.Index(
                        condition=models.Q(("subscriber__isnull", False)),
                        fields=["subscriber", "stage"],
                        name="evidence_of_person",
                    ),
                ],
            },
        ),
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.RunSQL(FILL, EMPTY),
    ]
