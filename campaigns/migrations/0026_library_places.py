import django.contrib.postgres.fields
from django.db import migrations, models

TAGS = django.contrib.postgres.fields.ArrayField(
    base_field=models.CharField(max_length=50), blank=True, default=list, size=None
)
FOLDER = models.CharField(blank=True, max_length=100, verbose_name="folder")
LABELS = models.ManyToManyField(
    blank=True, related_name="+", to="accounts.accesslabel", verbose_name="labels"
)


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0025_ask_the_provider")]
    operations = [
        migrations.RenameField("fragmentversion", "published_by", "saved_by"),
        migrations.RenameField("fragmentversion", "published_at", "saved_at"),
        *(
            migrations.AddField(name, "tags", TAGS.clone())
            for name in ("asset", "contenttemplate", "fragment")
        ),
        *(migrations.AddField(name, "folder", FOLDER.clone()) for name in ("contenttemplate", "fragment")),
        migrations.AddField("asset", "labels", LABELS.clone()),
    ]
