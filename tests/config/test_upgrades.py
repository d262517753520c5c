"""Old and new processes together: which migrations may run meanwhile, and that each new one says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from config.upgrades import obstacles

# The last migrations of the first release, with room for what is being written for it: nobody has run a
# version before it.
FIRST = {"accounts": 6, "audiences": 17, "campaigns": 32, "channels": 10}


def judge(operation: Any, **said: Any) -> list[str]:
    """A migration of one operation on a table that holds a name of at most twenty characters."""
    state = ProjectState()
    fields = [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=20))]
    migrations.CreateModel("Thing", fields).state_forwards("channels", state)
    made = type("Migration", (migrations.Migration,), {"operations": [operation], **said})
    return obstacles(made("0099_next", "channels"), state)


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("thing", "more", models.FloatField(null=True)),
        migrations.AddField("thing", "more", models.FloatField(db_default=0.0)),
        migrations.AlterField("thing", "name", models.CharField(max_length=40)),
        migrations.AlterField("thing", "name", models.CharField("name", max_length=20, null=True)),
        migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddIndex("thing", models.Index(fields=["name"], name="thing_name")),
    ],
    ids=lambda one: one.describe(),
)
def test_what_adds_lets_older_processes_go_on(operation: Any) -> None:
    assert judge(operation) == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("thing", "more", models.FloatField(default=0.0)),  # they would insert NULL
        migrations.AlterField("thing", "name", models.CharField(max_length=10)),
        migrations.AlterField("thing", "name", models.TextField()),
        migrations.RemoveField("thing", "name"),
        migrations.RenameField("thing", "name", "title"),
        migrations.DeleteModel("Thing"),
        migrations.AddConstraint("thing", models.UniqueConstraint(fields=["name"], name="name_once")),
        migrations.RunSQL("SELECT 1"),
        migrations.RunPython(migrations.RunPython.noop),
    ],
    ids=lambda one: one.describe(),
)
def test_what_takes_away_or_cannot_be_judged_does_not(operation: Any) -> None:
    assert judge(operation) == [operation.describe()]
    assert judge(operation, old_code_goes_on=True) == []
    assert judge(operation, old_code_goes_on=False) == ["its author says so"]


@pytest.mark.django_db
def test_every_migration_since_the_first_release_adds_or_says_what_it_does() -> None:
    loader = MigrationLoader(connection)
    untold = {}
    for (app, name), migration in loader.disk_migrations.items():
        is_told = hasattr(migration, "old_code_goes_on")
        if app not in FIRST or int(name[:4]) <= FIRST[app] or is_told:
            continue
        if found := obstacles(migration, loader.project_state((app, name), at_end=False)):
            untold[f"{app}.{name}"] = found
    assert untold == {}, "add old_code_goes_on = True with the reason, or False (docs/deploy.md, upgrade)"
