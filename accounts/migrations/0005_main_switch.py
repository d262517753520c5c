"""The main switch of a workspace: the database that it sends from, and who stopped it when and why."""

from django.db import migrations, models

from common.place import place


def send_from_here(apps, schema_editor):
    """Until now every workspace sent from wherever it was: from here."""
    workspaces = apps.get_model("accounts", "Workspace").objects
    workspaces.update(sends_from=place(schema_editor.connection.alias))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_notices"),
    ]

    operations = [
        migrations.AddField(
            model_name="workspace",
            name="sends_from",
            field=models.CharField(blank=True, editable=False, max_length=200, verbose_name="sends from"),
        ),
        migrations.AddField(
            model_name="workspace",
            name="stopped_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="sending stopped"),
        ),
        migrations.AddField(
            model_name="workspace",
            name="stopped_by",
            field=models.CharField(blank=True, editable=False, max_length=200, verbose_name="stopped by"),
        ),
        migrations.AddField(
            model_name="workspace",
            name="stopped_why",
            field=models.CharField(
                blank=True, editable=False, max_length=500, verbose_name="why it was stopped"
            ),
        ),
        migrations.RunPython(send_from_here, migrations.RunPython.noop),
    ]
