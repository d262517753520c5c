"""The numbers of API-triggered messages. One call takes one step and numbers its up to 20 recipients from it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0002_frozen_version")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE campaigns_ref INCREMENT BY 32 START WITH 32", "DROP SEQUENCE campaigns_ref"
        )
    ]
