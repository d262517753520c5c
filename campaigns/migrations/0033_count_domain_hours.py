"""Room for the name of the facet that counts domains by the hour."""

from django.db import migrations, models


class Migration(migrations.Migration):
    old_code_goes_on = True  # a longer column takes all that the shorter one took, and no row is written anew

    dependencies = [
        ("campaigns", "0032_audience_fields"),
    ]

    operations = [
        migrations.AlterField(
            model_name="count",
            name="facet",
            field=models.CharField(blank=True, max_length=9),
        ),
    ]
