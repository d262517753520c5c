"""Typed attributes: what is stored of what was given, and the verbs that define, change and remove one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import AuditEntry, User, Workspace
from audiences import attributes
from audiences.models import AttributeDefinition, Profile
from common.errors import IllegalTransition, Invalid, PermissionMissing
from tests import builders

Type = AttributeDefinition.Type
CHOICES = ["gold", "silver"]
TAIPEI = ZoneInfo("Asia/Taipei")


def a(kind: str) -> AttributeDefinition:
    return AttributeDefinition(key="x", type=kind, choices=CHOICES if kind == Type.CHOICE else [])


STORED: list[tuple[str, Any, Any]] = [
    *[("text", given, "林") for given in ("林", " 林 ")],
    *[
        ("text", "e\u0301", "é"),
        ("text", "two\nlines", "two\nlines"),
        ("text", "", None),
        ("text", None, None),
    ],
    *[("number", 12, 12), ("number", "12", 12), ("number", "３.５", 3.5), ("number", 12.0, 12)],
    *[("number", "-1e3", -1000), ("number", " 0.5 ", 0.5), ("number", "", None)],
    *[("boolean", one, True) for one in (True, 1, "yes", "是", "TRUE", "1", "Y", "on", "ＹＥＳ")],
    *[("boolean", one, False) for one in (False, 0, "no", "否", "FALSE", "0", "N", "off")],
    *[("date", "2026-11-24", "2026-11-24"), ("date", date(2024, 2, 29), "2024-02-29")],
    *[("datetime", "2026-11-24T13:00:00+08:00", "2026-11-24T05:00:00Z")],
    *[("datetime", "2026-11-24 05:00Z", "2026-11-24T05:00:00Z")],
    *[("datetime", datetime(2026, 11, 24, 5, tzinfo=UTC), "2026-11-24T05:00:00Z")],
    *[("datetime", "0001-01-02T00:00:00Z", "0001-01-02T00:00:00Z")],
    *[("list", ["a", "b", "a", " "], ["a", "b"]), ("list", "a; b、c,d", ["a", "b", "c", "d"])],
    *[("list", '["a;b", "c"]', ["a;b", "c"]), ("list", "[]", None), ("list", [], None)],
    *[
        ("email", one, "ana@example.com")
        for one in ("Ana@Example.com", " ana@example.com. ", "ａna@example.com")
    ],
    *[
        ("phone", one, "+886912345678")
        for one in ("+886 912 345 678", "+886 (0)912-345-678", "+886912345678")
    ],
    *[("email", "", None), ("phone", " ", None)],
    *[("choice", "gold", "gold"), ("choice", " gold ", "gold"), ("choice", "", None)],
]
REFUSED: list[tuple[str, Any, str]] = [
    *[("text", one, "bad_text") for one in (1, True, ["a"], {"a": 1})],
    *[("text", "a\0", "control_char"), ("text", "\ud800", "control_char"), ("text", "x" * 2001, "too_long")],
    *[("number", one, "bad_number") for one in (True, "1,000", "１e９９９", 1e400, float("nan"), "1e400")],
    *[("number", one, "bad_number") for one in (10**400, "9" * 60, "0x10", "一", [1])],
    *[("boolean", one, "bad_boolean") for one in ("maybe", 2, 1.0, [True])],
    *[("date", one, "bad_date") for one in ("02/03/2026", "2026-02-30", "民國115年", "1e9", "0000-00-00")],
    *[("date", one, "bad_date") for one in ("99999-01-01", "20261124", "2026-W01-1", 20261124)],
    *[("datetime", "2026-11-24T13:00:00", "naive_datetime"), ("datetime", "2026-11-24", "bad_datetime")],
    *[("datetime", one, "bad_datetime") for one in ("2026-02-30T00:00Z", "2026-11-24T00:00:60Z", 1e9)],
    *[("datetime", one, "bad_datetime") for one in ("0001-01-01T00:00+08:00", "2026-11-24T00:00+99:99")],
    *[("list", [1], "bad_list"), ("list", {"a": 1}, "bad_list"), ("list", ["x" * 201], "bad_list")],
    *[("list", [str(n) for n in range(101)], "too_long"), ("list", ["a\0"], "control_char")],
    *[
        ("email", one, "bad_email")
        for one in ("ana", "ana@localhost", "a b@example.com", "a@example.com, b@example.com")
    ],
    *[("phone", one, "bad_phone") for one in ("0912345678", "+1", "call me")],
    *[(kind, one, "bad_text") for kind in ("email", "phone") for one in (1, ["ana@example.com"])],
    *[("choice", "bronze", "bad_choice"), ("choice", 1, "bad_choice"), ("choice", ["gold"], "bad_choice")],
]


@pytest.mark.parametrize(("kind", "given_value", "stored"), STORED)
def test_a_value_has_one_stored_form(kind: str, given_value: Any, stored: Any) -> None:
    found = attributes.clean(a(kind), given_value)
    assert found == stored and type(found) is type(stored)


@pytest.mark.parametrize(("kind", "given_value", "code"), REFUSED)
def test_what_does_not_fit_is_refused_with_its_place(kind: str, given_value: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        attributes.clean(a(kind), given_value)
    (problem,) = caught.value.problems
    assert (problem.code, problem.pointer) == (code, "/attributes/x")
    assert len(problem.detail) < 300


def test_a_moment_without_its_zone_takes_the_one_given_if_it_exists_there() -> None:
    stored = attributes.clean(a("datetime"), "2026-11-24T13:00", zone=TAIPEI)
    assert stored == "2026-11-24T05:00:00Z"
    with pytest.raises(Invalid, match="put forward"):
        attributes.clean(a("datetime"), "2026-03-29T02:30", zone=ZoneInfo("Europe/Berlin"))


@given(
    st.sampled_from(Type.values), st.text() | st.integers() | st.floats() | st.lists(st.text()) | st.none()
)
def test_every_value_is_stored_or_refused_and_its_written_form_reads_back(kind: str, value: Any) -> None:
    try:
        stored = attributes.clean(a(kind), value)
    except Invalid:
        return
    assert attributes.clean(a(kind), stored) == stored
    assert attributes.clean(a(kind), attributes.written(stored)) == stored


@pytest.fixture
def where(db: None) -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 4)
    return made


@pytest.fixture
def manager(where: Workspace) -> User:
    return builders.person(where, "manager")


def define(where: Workspace, actor: User, key: str = "tier", **fields: Any) -> AttributeDefinition:
    return attributes.define(where, key=key, actor=actor, now=builders.NOW, **fields)


def change(one: AttributeDefinition, actor: User, **fields: Any) -> AttributeDefinition:
    now = {"label": one.label, "type": one.type, "choices": one.choices, **fields}
    return attributes.change(one, actor=actor, now=builders.NOW, **now)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        *[({"key": key}, "bad_key") for key in ("", "A", "a b", "a'b", 'a"}', "a%s", "a\0", "a.b", "a" * 64)],
        *[({"key": key}, "bad_key") for key in ("__proto__", "_connector", "1a", None, 5)],
        *[({"key": key}, "reserved_key") for key in ("id", "workspace_id", "email", "created_at")],
        *[({"key": "name"}, "key_taken"), ({"key": "x", "type": "json"}, "bad_type")],
        *[
            ({"key": "x", "type": "choice", "choices": one}, "bad_choices")
            for one in ([], [""], ["a\nb"], "ab")
        ],
        *[({"key": "x", "label": "a" * 101}, "bad_label"), ({"key": "x", "label": "\0"}, "bad_label")],
    ],
)
def test_a_wrong_definition_is_refused(where: Workspace, manager: User, fields: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        define(where, manager, **fields)
    assert caught.value.problems[0].code == code
    assert [one.key for one in AttributeDefinition.objects.filter(workspace=where)] == ["name"]


def test_a_viewer_defines_changes_and_removes_nothing(where: Workspace, manager: User) -> None:
    viewer, made = builders.person(where, "viewer"), define(where, manager)
    for attempt in (
        lambda: define(where, viewer, "y"),
        lambda: change(made, viewer, label="Tier"),
        lambda: attributes.remove(made, actor=viewer, now=builders.NOW),
    ):
        with pytest.raises(PermissionMissing):
            attempt()
    assert AttributeDefinition.objects.get(key="tier").label == ""


def test_another_type_converts_everybody_s_value_at_once(
    where: Workspace, manager: User, django_assert_max_num_queries: Any
) -> None:
    made = define(where, manager, "points")
    for number, person in enumerate(Profile.objects.order_by("pk")):
        person.attributes["points"] = f" {number}.50"
        person.save()
    with django_assert_max_num_queries(20):
        change(made, manager, type="number")
    assert [one.attributes["points"] for one in Profile.objects.order_by("pk")] == [0.5, 1.5, 2.5, 3.5]
    assert "p1@example.com" not in str(list(AuditEntry.objects.values()))


def test_another_type_is_refused_when_values_do_not_fit_and_changes_nothing(
    where: Workspace, manager: User
) -> None:
    made = define(where, manager, "points")
    Profile.objects.update(attributes={"points": "many"})
    with pytest.raises(Invalid, match='4 people hold values that do not fit, such as "many"'):
        change(made, manager, type="number")
    made.refresh_from_db()
    assert made.type == "text"
    assert Profile.objects.filter(attributes__points="many").count() == 4


def test_a_choice_somebody_has_is_not_taken_away(where: Workspace, manager: User) -> None:
    made = define(where, manager, type="choice", choices=CHOICES)
    Profile.objects.update(attributes={"tier": "gold"})
    change(made, manager, choices=["gold"])
    with pytest.raises(Invalid) as caught:
        change(made, manager, choices=["silver"])
    assert caught.value.problems[0].pointer == "choices"
    made.refresh_from_db()
    assert made.choices == ["gold"]


def test_removing_takes_every_value_and_is_refused_while_an_audience_asks_for_it(
    where: Workspace, manager: User
) -> None:
    made = AttributeDefinition.objects.get(workspace=where, key="name")
    asks = {"all": [{"none": [{"field": "name", "op": "is_empty"}]}]}
    audience = builders.audience(where, name="Named", rule=asks)
    with pytest.raises(IllegalTransition, match="Named"):
        attributes.remove(made, actor=manager, now=builders.NOW)
    with pytest.raises(IllegalTransition, match="Named"):
        change(made, manager, type="list")
    assert Profile.objects.filter(attributes__has_key="name").count() == 4
    audience.delete()
    assert attributes.remove(made, actor=manager, now=builders.NOW) == 4
    assert not Profile.objects.filter(attributes__has_key="name").exists()
    assert AuditEntry.objects.get(verb="remove_attribute").details["people"] == 4


def test_other_workspaces_keep_their_values(where: Workspace, manager: User) -> None:
    other = builders.workspace("other")
    builders.profiles(other, 2)
    made = AttributeDefinition.objects.get(workspace=where, key="name")
    attributes.remove(made, actor=manager, now=builders.NOW)
    assert Profile.objects.filter(workspace=other, attributes__has_key="name").count() == 2
