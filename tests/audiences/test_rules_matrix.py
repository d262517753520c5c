"""Every operator of every type, on people with every sort of value, against the same question in Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from accounts.models import Workspace
from audiences.models import AttributeDefinition, Profile
from audiences.rules.compile import compile_rule
from audiences.rules.describe import sentence
from audiences.rules.fields import OPERATORS
from tests import builders
from tests.audiences import oracle

pytestmark = pytest.mark.django_db
ZONES = ["UTC", "Asia/Taipei", "America/St_Johns"]
CASES = [
    (kind, op, zone)
    for kind, operators in OPERATORS.items()
    for op in operators
    for zone in (ZONES if kind in ("date", "datetime") else ZONES[1:2])
]


def moment_of_database() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        found: datetime = cursor.fetchone()[0]
    return found


def found(workspace: Workspace, *rules: Any) -> list[set[int]]:
    """Whom each rule finds, all asked in one statement."""
    conditions = [compile_rule(rule, workspace) for rule in rules]
    columns = ", ".join(f"({one.sql}) IS TRUE" for one in conditions)
    values = [value for one in conditions for value in one.params]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT p.id, {columns} FROM audiences_profile p WHERE p.workspace_id = %s",
            [*values, workspace.pk],
        )
        rows = cursor.fetchall()
    return [{row[0] for row in rows if row[place + 1]} for place in range(len(rules))]


def populated(zone: str) -> tuple[Workspace, dict[int, Any]]:
    """People each with one value, under the key of every type. By id: the value."""
    workspace = builders.workspace(time_zone=zone)
    for kind in OPERATORS:
        AttributeDefinition.objects.create(workspace=workspace, key=f"of_{kind}", type=kind)
    values = [*oracle.STORED, *oracle.around(moment_of_database(), ZoneInfo(zone))]
    rows = Profile.objects.bulk_create(
        Profile(
            workspace=workspace,
            email=f"p{n}@x.tw",
            attributes={} if value is oracle.MISSING else {f"of_{kind}": value for kind in OPERATORS},
        )
        for n, value in enumerate(values)
    )
    return workspace, {row.pk: value for row, value in zip(rows, values, strict=True)}


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("kind", "op", "zone"), CASES)
def test_an_operator_finds_what_python_finds(kind: str, op: str, zone: str) -> None:
    workspace, people = populated(zone)
    now, here = moment_of_database(), ZoneInfo(zone)
    for given in oracle.questions(kind, op, here):
        condition = {"field": f"of_{kind}", "op": op, **({} if given is None else {"value": given})}
        wanted = {pk for pk, stored in people.items() if oracle.meets(kind, op, given, stored, now, here)}
        others = {"none": [condition]}
        nested = {"none": [{"all": [condition, {"none": []}]}]}
        asked = found(workspace, condition, others, {"none": [others]}, nested)
        assert {repr(people[pk]) for pk in asked[0] ^ wanted} == set(), condition
        without = set(people) - wanted
        assert asked == [wanted, without, wanted, without], condition
        assert sentence(condition, workspace)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("op", OPERATORS["datetime"])
def test_the_moments_of_a_column_are_asked_as_those_of_an_attribute(op: str, zone: str) -> None:
    workspace = builders.workspace(time_zone=zone)
    now, here = moment_of_database(), ZoneInfo(zone)
    stored = [
        value for value in [*oracle.STORED, *oracle.around(now, here)] if oracle.typed("datetime", value)
    ]
    people = {}
    for n, value in enumerate(stored):
        at = datetime.fromisoformat(value).astimezone(UTC)
        people[Profile.objects.create(workspace=workspace, email=f"p{n}@x.tw", created_at=at).pk] = value
    for given in oracle.questions("datetime", op, here):
        condition = {"field": "created_at", "op": op, **({} if given is None else {"value": given})}
        wanted = {pk for pk, value in people.items() if oracle.meets("datetime", op, given, value, now, here)}
        assert {people[pk] for pk in found(workspace, condition)[0] ^ wanted} == set(), condition


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ({"field": "email", "op": "starts_with", "value": "AN_"}, {"an_"}),
        ({"field": "email", "op": "ends_with", "value": "@X.tw"}, {"an_", "bo", "ana"}),
        ({"field": "external_id", "op": "is", "value": "E-1"}, {"ana"}),
        ({"field": "external_id", "op": "is_empty"}, {"an_", "bo"}),
        ({"field": "external_id", "op": "not_contains", "value": "e-"}, {"an_", "bo"}),
        ({"field": "is_test", "op": "is", "value": True}, {"bo"}),
        ({"field": "is_test", "op": "is_not_empty"}, {"an_", "bo", "ana"}),
        ({"field": "locale", "op": "not_one_of", "value": ["zh-Hant", ""]}, {"bo"}),
    ],
)
def test_columns_are_fields_too(rule: Any, who: set[str]) -> None:
    workspace = builders.workspace()
    make = Profile.objects.create
    make(workspace=workspace, email="ana@x.tw", external_id="E-1", locale="zh-Hant")
    make(workspace=workspace, email="an_@x.tw")
    make(
        workspace=workspace,
        email="bo@x.tw",
        is_test=True,
        locale="en",
        created_at=builders.NOW - timedelta(9),
    )
    names = Profile.objects.filter(pk__in=found(workspace, rule)[0]).values_list("email", flat=True)
    assert {str(name).partition("@")[0] for name in names} == who
