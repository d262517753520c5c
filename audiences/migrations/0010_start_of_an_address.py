from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # a million people are not locked while their addresses are indexed

    dependencies = [("audiences", "0009_suppression_not_plain")]

    operations = [
        AddIndexConcurrently(
            model_name="profile",
            index=models.Index(
                fields=["workspace", "email"],
                name="profile_email_start",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            ),
        ),
    ]
