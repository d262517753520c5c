"""The ledger partitioned by run, so that old runs are dropped and not deleted; Django cannot write PARTITION BY.

Each partition holds STEP runs. The trigger makes the partition of a run with its row, so no message is ever
without its place. What the tables held is taken over.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

STEP = 200

TABLES = """
ALTER TABLE campaigns_message RENAME TO old_message;
ALTER TABLE campaigns_attempt RENAME TO old_attempt;
ALTER TABLE campaigns_messagecontext RENAME TO old_messagecontext;
CREATE TABLE campaigns_message (
    run_id bigint NOT NULL,
    ref bigint NOT NULL,
    profile_id bigint,
    action smallint NOT NULL,
    variant smallint NOT NULL DEFAULT 0,
    slot smallint NOT NULL DEFAULT 0,
    address varchar(2000) NOT NULL,
    CONSTRAINT message_once PRIMARY KEY (run_id, ref, action)
) PARTITION BY RANGE (run_id);
-- In the run of an audience ref is the profile, so the primary key finds a person; only the others need this.
CREATE INDEX message_of_person ON campaigns_message (profile_id) WHERE profile_id <> ref;
CREATE INDEX message_in_slot ON campaigns_message (run_id, action, slot, ref) WHERE slot > 0;
CREATE TABLE campaigns_attempt (
    run_id bigint NOT NULL,
    ref bigint NOT NULL,
    at timestamptz NOT NULL,
    retry_at timestamptz,
    action smallint NOT NULL,
    n smallint NOT NULL,
    outcome varchar(10) NOT NULL,
    code varchar(20) NOT NULL,
    provider_id varchar(128),
    detail text,
    CONSTRAINT attempt_once PRIMARY KEY (run_id, action, ref, n)
) PARTITION BY RANGE (run_id);
CREATE INDEX attempt_told ON campaigns_attempt (run_id, outcome, code) WHERE outcome <> 'accepted';
CREATE TABLE campaigns_messagecontext (
    run_id bigint NOT NULL,
    ref bigint NOT NULL,
    action smallint NOT NULL,
    context jsonb NOT NULL,
    profile_override jsonb NOT NULL,
    CONSTRAINT context_once PRIMARY KEY (run_id, action, ref)
) PARTITION BY RANGE (run_id);
"""
MAKER = f"""
CREATE FUNCTION campaigns_make_partition(run bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part bigint := run / {STEP};
    parent text;
BEGIN
    IF to_regclass('campaigns_messagecontext_p' || part) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(2576, 0);
    FOREACH parent IN ARRAY ARRAY['campaigns_message', 'campaigns_attempt', 'campaigns_messagecontext'] LOOP
        IF to_regclass(parent || '_p' || part) IS NULL THEN
            -- Attaching lets others read and write meanwhile; CREATE TABLE … PARTITION OF would wait for them.
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', parent || '_p' || part, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                           parent, parent || '_p' || part, part * {STEP}, (part + 1) * {STEP});
        END IF;
    END LOOP;
END $$;
CREATE FUNCTION campaigns_run_partition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM campaigns_make_partition(NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER run_has_partition AFTER INSERT ON campaigns_run
    FOR EACH ROW EXECUTE FUNCTION campaigns_run_partition();
SELECT campaigns_make_partition(0);
"""
TAKE_OVER = """
SELECT campaigns_make_partition(id) FROM campaigns_run;
INSERT INTO campaigns_message (run_id, ref, profile_id, action, variant, slot, address)
SELECT m.run_id, m.ref, m.profile_id, m.action, m.variant, CASE WHEN EXISTS (
    SELECT 1 FROM old_attempt a WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref
      AND a.n = 1 AND a.outcome = 'excluded') THEN -1 ELSE 0 END, m.address
FROM old_message m;
INSERT INTO campaigns_attempt (run_id, ref, at, retry_at, action, n, outcome, code, provider_id, detail)
SELECT run_id, ref, at, retry_at, action, n, outcome, code, provider_id, detail FROM old_attempt;
INSERT INTO campaigns_messagecontext (run_id, ref, action, context, profile_override)
SELECT run_id, ref, action, context, profile_override FROM old_messagecontext;
DROP TABLE old_message, old_attempt, old_messagecontext;
"""
BACK = """
CREATE TABLE new_message (run_id bigint NOT NULL, action smallint NOT NULL, ref bigint NOT NULL, profile_id bigint,
    address varchar(2000) NOT NULL, variant smallint NOT NULL DEFAULT 0, PRIMARY KEY (run_id, action, ref));
INSERT INTO new_message SELECT run_id, action, ref, profile_id, address, variant FROM campaigns_message;
CREATE TABLE new_attempt (run_id bigint NOT NULL, action smallint NOT NULL, ref bigint NOT NULL, n smallint NOT NULL,
    outcome varchar(10) NOT NULL, code varchar(20) NOT NULL, detail text, at timestamptz NOT NULL,
    retry_at timestamptz, provider_id varchar(128), PRIMARY KEY (run_id, action, ref, n));
INSERT INTO new_attempt SELECT run_id, action, ref, n, outcome, code, detail, at, retry_at, provider_id
    FROM campaigns_attempt;
CREATE TABLE new_messagecontext (run_id bigint NOT NULL, action smallint NOT NULL, ref bigint NOT NULL,
    context jsonb NOT NULL, profile_override jsonb NOT NULL, PRIMARY KEY (run_id, action, ref));
INSERT INTO new_messagecontext SELECT run_id, action, ref, context, profile_override FROM campaigns_messagecontext;
DROP TRIGGER run_has_partition ON campaigns_run;
DROP FUNCTION campaigns_run_partition(), campaigns_make_partition(bigint);
DROP TABLE campaigns_message, campaigns_attempt, campaigns_messagecontext;
ALTER TABLE new_message RENAME TO campaigns_message;
ALTER TABLE new_attempt RENAME TO campaigns_attempt;
ALTER TABLE new_messagecontext RENAME TO campaigns_messagecontext;
CREATE INDEX campaigns_message_profile_id ON campaigns_message (profile_id);
CREATE INDEX campaigns_a_run_id_7f9b97_idx ON campaigns_attempt (run_id, outcome, code);
"""
# What a worker held when the old version stopped, and how far each batch had come.
BATCHES = """
UPDATE campaigns_batch b SET in_flight = ARRAY(
    SELECT m.ref FROM campaigns_message m WHERE m.run_id = b.run_id AND m.action = b.action AND m.slot = 0
      AND m.ref BETWEEN b.lo AND least(b.hi, b.horizon)
      AND m.ref <> ALL (COALESCE(b.passed_over, '{}')) AND NOT EXISTS (
        SELECT 1 FROM campaigns_attempt a WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref))
WHERE b.state = 'claimed' AND b.horizon IS NOT NULL;
UPDATE campaigns_batch b SET tally = counted.tally FROM (
    SELECT id, jsonb_object_agg(key, people) AS tally FROM (
        SELECT b.id, CASE WHEN a.outcome = 'accepted' THEN a.outcome ELSE a.outcome || '/' || a.code END AS key,
               count(*) AS people
        FROM campaigns_batch b
        JOIN campaigns_message m ON m.run_id = b.run_id AND m.action = b.action AND m.slot = 0
            AND m.ref BETWEEN b.lo AND b.hi
        JOIN LATERAL (SELECT outcome, code FROM campaigns_attempt a WHERE a.run_id = m.run_id
            AND a.action = m.action AND a.ref = m.ref ORDER BY n DESC LIMIT 1) a ON a.outcome <> 'deferred'
        GROUP BY 1, 2) each_key GROUP BY id) counted
WHERE b.id = counted.id;
UPDATE campaigns_run r SET left_out = counted.left_out FROM (
    SELECT run_id, jsonb_object_agg(code, people) AS left_out FROM (
        SELECT m.run_id, a.code, count(*) AS people FROM campaigns_message m
        JOIN campaigns_attempt a ON a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref AND a.n = 1
        WHERE m.slot = -1 GROUP BY 1, 2) each_code GROUP BY run_id) counted
WHERE r.id = counted.run_id;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audiences", "0010_start_of_an_address"),
        ("campaigns", "0007_calls"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLES + MAKER + TAKE_OVER, BACK)],
            state_operations=[
                migrations.RemoveIndex(model_name="attempt", name="campaigns_a_run_id_7f9b97_idx"),
                migrations.AddField(
                    model_name="message",
                    name="slot",
                    field=models.SmallIntegerField(db_default=0, default=0),
                ),
                migrations.AlterField(
                    model_name="message",
                    name="profile",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="audiences.profile",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="batch",
            name="in_flight",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), null=True, size=None
            ),
        ),
        migrations.AddField(
            model_name="batch",
            name="slot",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="batch",
            name="tally",
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AlterField(
            model_name="batch",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("ready", "Ready"),
                    ("claimed", "Claimed"),
                    ("done", "Done"),
                    ("abandoned", "Abandoned"),
                ],
                default="ready",
                max_length=9,
            ),
        ),
        migrations.AddField(model_name="run", name="ceiling", field=models.BigIntegerField(null=True)),
        migrations.AddField(model_name="run", name="dropped_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="run", name="left_out", field=models.JSONField(default=dict)),
        migrations.AddField(model_name="run", name="totals", field=models.JSONField(null=True)),
        migrations.RunSQL(BATCHES, migrations.RunSQL.noop),
        migrations.RemoveField(model_name="batch", name="horizon"),
        migrations.RemoveField(model_name="batch", name="passed_over"),
    ]
