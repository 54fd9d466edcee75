"""The two large tables in the form that Django cannot say: the ledger by run, events by month.

Why each choice: docs/explanation/ledger.md, "Physical rules".
"""

from __future__ import annotations

from django.db import migrations

DELIVERY = """
DROP TABLE outreach_delivery;
CREATE SEQUENCE outreach_delivery_id_seq AS bigint;
CREATE TABLE outreach_delivery (
    run_id bigint NOT NULL,
    id bigint NOT NULL DEFAULT nextval('outreach_delivery_id_seq'),
    subscriber_id bigint,
    address_id bigint,
    account_id bigint,
    batch_id bigint,
    fallback_of bigint,
    draw double precision NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    receipt_at timestamptz,
    attempts smallint NOT NULL DEFAULT 0,
    uncertain boolean NOT NULL DEFAULT false,
    target text NOT NULL,
    channel text NOT NULL,
    language text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'planned',
    reason text NOT NULL DEFAULT '',
    receipt text NOT NULL DEFAULT '',
    provider_id text NOT NULL DEFAULT '',
    CONSTRAINT delivery_key PRIMARY KEY (run_id, id),
    CONSTRAINT delivery_once UNIQUE (run_id, target, channel)
) PARTITION BY RANGE (run_id);
ALTER SEQUENCE outreach_delivery_id_seq OWNED BY outreach_delivery.id;
CREATE INDEX delivery_batch ON outreach_delivery (batch_id);
CREATE TABLE outreach_delivery_p1 PARTITION OF outreach_delivery
    FOR VALUES FROM (MINVALUE) TO (MAXVALUE) WITH (fillfactor = 50);
"""

EVENT = """
DROP TABLE outreach_event;
CREATE SEQUENCE outreach_event_id_seq AS bigint;
CREATE TABLE outreach_event (
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    id bigint NOT NULL DEFAULT nextval('outreach_event_id_seq'),
    run_id bigint,
    delivery bigint,
    link smallint,
    kind text NOT NULL,
    channel text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '',
    verdict text NOT NULL DEFAULT 'human',
    reason text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    raw jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT event_key PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
ALTER SEQUENCE outreach_event_id_seq OWNED BY outreach_event.id;
CREATE INDEX event_of_run ON outreach_event (run_id, kind, at);
CREATE TABLE outreach_event_early PARTITION OF outreach_event DEFAULT;
DO $$
DECLARE
    first_day timestamptz;
BEGIN
    FOR month IN 0..2 LOOP
        first_day := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => month);
        EXECUTE format(
            'CREATE TABLE outreach_event_%s PARTITION OF outreach_event FOR VALUES FROM (%L) TO (%L)',
            to_char(first_day AT TIME ZONE 'UTC', 'YYYYMM'), first_day, first_day + interval '1 month'
        );
    END LOOP;
END $$;
"""

INSTALLATION = (
    "INSERT INTO outreach_installation (id, system_identifier, timeline, created_at) VALUES (1, '', 0, now())"
)


class Migration(migrations.Migration):
    dependencies = [("outreach", "0001_initial")]

    operations = [
        migrations.RunSQL(DELIVERY, migrations.RunSQL.noop),
        migrations.RunSQL(EVENT, migrations.RunSQL.noop),
        migrations.RunSQL(INSTALLATION, migrations.RunSQL.noop),
    ]
