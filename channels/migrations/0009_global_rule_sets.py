"""A workspace is born with its global rule set: those that never looked at theirs get it now."""

from typing import Any

from django.db import migrations


def make_what_is_missing(apps: Any, schema_editor: Any) -> None:
    RuleSet = apps.get_model("channels", "RuleSet")
    having = RuleSet.objects.filter(is_global=True).values("workspace")
    for workspace in apps.get_model("accounts", "Workspace").objects.exclude(pk__in=having):
        name = "Global default"
        while RuleSet.objects.filter(workspace=workspace, name=name).exists():
            name += " *"
        RuleSet.objects.create(workspace=workspace, name=name, is_global=True, state="active")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_audiences_by_rule_only"),
        ("channels", "0008_bounce_mailboxes"),
    ]
    operations = [migrations.RunPython(make_what_is_missing, migrations.RunPython.noop)]
