"""Why a message came back."""

from django.db import migrations, models


class Migration(migrations.Migration):
    old_code_goes_on = True  # it names the columns it writes, and the new one has a default

    dependencies = [
        ("campaigns", "0034_enable_webhooks"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="fault",
            field=models.CharField(blank=True, db_default="", default="", max_length=12),
        ),
    ]
