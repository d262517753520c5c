"""The index of an attribute is built beside the running system, and the rules' own SQL uses it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from accounts.models import AuditEntry
from audiences import audiences, indexes
from audiences.models import AttributeDefinition, Profile
from audiences.rules.compile import compile_rule
from audiences.rules.fields import OPERATORS
from common.errors import PermissionMissing
from tests import builders

NOW = builders.NOW
State = AttributeDefinition.Index
VALUES: dict[str, Any] = {
    "text": lambda n: f"City {n}",
    "email": lambda n: f"p{n}@work.example",
    "phone": lambda n: f"+8869{n:08}",
    "choice": lambda n: f"Choice {n}",
    "number": lambda n: n,
    "boolean": lambda n: n < 5,
    "date": lambda n: f"{1000 + n}-01-31",
    "datetime": lambda n: f"{1000 + n}-01-31T10:00:00Z",
    "list": lambda n: [f"a{n}", "b"],
}
ASKED: list[tuple[str, str, Any]] = [
    ("text", "is", "City 7"),
    ("text", "one_of", ["City 7", "City 8"]),
    ("text", "starts_with", "cITY 7"),
    ("email", "is", "p7@work.example"),
    ("email", "starts_with", "p7@"),
    ("phone", "one_of", ["+886900000007", "+886900000008"]),
    ("choice", "is", "Choice 7"),
    ("choice", "one_of", ["Choice 7", "Choice 9"]),
    ("number", "is", 7),
    ("number", "one_of", [7, 9]),
    ("number", "between", [7, 9]),
    ("number", "less_than", 9),
    ("number", "greater_than", 1990),
    ("boolean", "is", True),
    ("date", "is", "1007-01-31"),
    ("date", "before", "1009-01-01"),
    ("date", "after", "2990-01-01"),
    ("date", "between", ["1007-01-01", "1009-01-01"]),
    ("date", "in_last", 3650),
    ("datetime", "before", "1009-01-01T00:00"),
    ("datetime", "in_next", 3650),
    ("list", "has_any", ["a7", "a8"]),
    ("list", "has_all", ["a7", "b"]),
]


def plan_of(rule: Any, workspace: Any) -> str:
    condition = compile_rule(rule, workspace)
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN SELECT count(*) FROM audiences_profile p WHERE p.workspace_id = %s AND {condition.sql}",
            [workspace.pk, *condition.params],
        )
        return "\n".join(row[0] for row in cursor.fetchall())


def index_names() -> list[str]:
    return sorted(name for name in indexes._present() if indexes.NAME.fullmatch(name))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_index_is_built_used_built_again_after_a_kill_and_removed(monkeypatch) -> None:
    where = builders.workspace()
    manager = builders.person(where, "manager")
    definitions = {
        kind: AttributeDefinition.objects.create(workspace=where, key=f"of_{kind}", type=kind)
        for kind in [*OPERATORS, "email", "phone"]
    }
    Profile.objects.bulk_create(
        Profile(
            workspace=where,
            email=f"p{n}@x.tw",
            attributes={f"of_{kind}": value(n) for kind, value in VALUES.items()} | {"long": "x" * 400},
        )
        for n in range(2000)
    )
    Profile.objects.filter(email="p0@x.tw").update(attributes={"of_text": "林" * 2000, "of_list": "no list"})
    for definition in definitions.values():
        indexes.want(definition, actor=manager, now=NOW)
        indexes.want(definition, actor=manager, now=NOW)
    assert AuditEntry.objects.filter(verb="want_index").count() == len(definitions)
    # A worker was killed: its index is there and invalid.
    broken = definitions["number"]
    AttributeDefinition.objects.filter(pk=broken.pk).update(index_state=State.BUILDING)
    name = indexes.statements(broken)[0][0]
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX {name} ON audiences_profile (id)")
        cursor.execute("UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = %s::regclass", [name])
    indexes.keep()
    states = AttributeDefinition.objects.filter(pk__in=[one.pk for one in definitions.values()])
    assert set(states.values_list("index_state", flat=True)) == {State.READY}
    for kind, op, value in ASKED:
        rule = {"field": f"of_{kind}", "op": op, "value": value}
        plan = plan_of(rule, where)
        assert f"attribute_{definitions[kind].pk}_" in plan, (rule, plan)
    count = len(index_names())
    assert count == len(definitions) + 3  # texts have one more, for how they begin
    indexes.drop(broken, actor=manager, now=NOW)
    definitions["list"].delete()
    indexes.keep()
    assert len(index_names()) == count - 2
    for definition in definitions.values():
        if definition.pk:
            AttributeDefinition.objects.filter(pk=definition.pk).update(index_state=State.NONE)
    indexes.keep()
    assert index_names() == []


@pytest.mark.django_db
def test_only_who_manages_audiences_may_ask_for_an_index() -> None:
    where = builders.workspace()
    definition = AttributeDefinition.objects.get(workspace=where, key="name")
    for verb in (indexes.want, indexes.drop):
        with pytest.raises(PermissionMissing):
            verb(definition, actor=builders.person(where, "viewer", name=verb.__name__), now=NOW)
    definition.refresh_from_db()
    assert definition.index_state == State.NONE


@pytest.mark.django_db
def test_a_saved_rule_asks_for_its_indexes_where_there_are_many_people(monkeypatch) -> None:
    monkeypatch.setattr(indexes, "LARGE", 3)
    where = builders.workspace()
    manager = builders.person(where, "manager")
    rule = {"none": [{"any": [{"field": "name", "op": "is", "value": "x"}]}]}
    builders.profiles(where, 3)
    audiences.create(where, name="Few", kind="rule", rule=rule, actor=manager, now=NOW)
    definition = AttributeDefinition.objects.get(workspace=where, key="name")
    assert definition.index_state == State.NONE
    builders.profiles(where, 1, domain="other.example")
    audiences.create(where, name="Many", kind="rule", rule=rule, actor=manager, now=NOW)
    definition.refresh_from_db()
    assert definition.index_state == State.WANTED
