"""What was there before: each consent begins its history, each audience belongs to who made it."""

from django.db import migrations

HISTORY = """
INSERT INTO audiences_consententry (profile_id, channel, topic_id, state, source, wording, actor, at)
SELECT profile_id, channel, topic_id, state, source, wording, actor, at FROM audiences_consent
"""


class Migration(migrations.Migration):
    dependencies = [("audiences", "0004_events")]

    operations = [
        migrations.RunSQL(HISTORY, migrations.RunSQL.noop),
        migrations.RunSQL("UPDATE audiences_audience SET owner_id = created_by_id", migrations.RunSQL.noop),
    ]
