"""Any JSON is either a rule that runs or a fault with its place; any rule finds what set algebra finds."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiences import composition, evaluate, explain, months, suppression
from audiences.models import (
    AttributeDefinition,
    Audience,
    AudienceMember,
    Consent,
    Profile,
    ProfileEvent,
    Topic,
)
from audiences.query import Query
from audiences.rules.compile import check, compile_rule
from audiences.rules.describe import sentence
from audiences.rules.fields import COLUMNS, OPERATORS
from common.errors import Invalid
from tests import builders
from tests.audiences import oracle
from tests.audiences.test_rules_matrix import moment_of_database

pytestmark = pytest.mark.django_db
FUZZ = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Town:
    """A workspace with people, things they did, and what each simple condition finds among them."""

    def __init__(self) -> None:
        self.workspace = builders.workspace()
        self.now = moment_of_database()
        for kind in OPERATORS:
            AttributeDefinition.objects.create(workspace=self.workspace, key=f"of_{kind}", type=kind)
        values = oracle.STORED[1::3]
        self.people = Profile.objects.bulk_create(
            Profile(
                workspace=self.workspace,
                email=f"p{n}@x.tw" if n % 4 else None,
                attributes={f"of_{kind}": value for kind in OPERATORS},
            )
            for n, value in enumerate(values)
        )
        self.everybody = frozenset(person.pk for person in self.people)
        self.topic = Topic.objects.create(workspace=self.workspace, key="news", name="News")
        self.upload = builders.audience(self.workspace, name="Upload", kind="upload")
        self.events: dict[int, list[tuple[int, Any]]] = {}
        self.atoms: list[tuple[dict[str, Any], frozenset[int]]] = []
        self._do_things()
        self._ask_fields(values)
        self._ask_events()
        self._ask_the_rest()

    def _do_things(self) -> None:
        months.make({months.later(months.month_of(self.now), -back) for back in range(4)})
        number = 0
        for place, person in enumerate(self.people):
            self.events[person.pk] = [(days, 10 * days) for days in (0, 1, 5, 30, 70)[: place % 6]]
            for days, total in self.events[person.pk]:
                number += 1
                ProfileEvent.objects.create(
                    id=number,
                    workspace=self.workspace,
                    profile=person,
                    name="buy",
                    at=self.now - timedelta(days=days),
                    properties={"total": total, "shop": "A" if days else None, "gift": days > 1},
                    received_at=self.now,
                )
            if place % 3 == 0:
                AudienceMember.objects.create(audience=self.upload, profile=person)
            if place % 4 == 1:
                state = ["yes", "no", "pending"][place % 3]
                for topic in (self.topic, None)[: 1 + place % 2]:
                    Consent.objects.create(
                        profile=person, channel="email", topic=topic, state=state, source="t", at=self.now
                    )
            if place == 5:
                suppression.suppress(
                    workspace_id=self.workspace.pk,
                    channel="email",
                    address=str(person.email),
                    reason="t",
                    now=self.now,
                )

    def _atom(self, condition: dict[str, Any], met: Any) -> None:
        found = frozenset(person.pk for place, person in enumerate(self.people) if met(place, person.pk))
        self.atoms.append((condition, found))

    def _ask_fields(self, values: list[Any]) -> None:
        from zoneinfo import ZoneInfo

        zone = ZoneInfo(self.workspace.time_zone)
        for kind, operators in OPERATORS.items():
            for op in operators:
                asked = oracle.questions(kind, op, zone)
                for value in asked[:: max(1, len(asked) // 3)]:
                    condition = {
                        "field": f"of_{kind}",
                        "op": op,
                        **({} if value is None else {"value": value}),
                    }
                    self._atom(
                        condition,
                        lambda place, _pk, kind=kind, op=op, value=value: oracle.meets(
                            kind, op, value, values[place], self.now, zone
                        ),
                    )

    def _ask_events(self) -> None:
        tests = {"at_least": int.__ge__, "at_most": int.__le__, "exactly": int.__eq__}
        wheres: list[tuple[Any, Any]] = [
            ({"property": "total", "op": "greater_than", "value": 5}, lambda days, total: total > 5),
            ({"property": "total", "op": "less_than", "value": 50.5}, lambda days, total: total < 50.5),
            ({"property": "shop", "op": "is", "value": "A"}, lambda days, total: days > 0),
            ({"property": "shop", "op": "is_not", "value": "A"}, lambda days, total: days == 0),
            ({"property": "gift", "op": "is", "value": True}, lambda days, total: days > 1),
        ]
        for op, test in tests.items():
            for number in (0, 1, 2, 4):
                for days in (None, 0, 5, 40):
                    if op == "at_least" and number == 0:
                        continue
                    where, holds = wheres[len(self.atoms) % len(wheres)]
                    condition: dict[str, Any] = {"event": "buy", "op": op, "count": number}
                    condition |= {} if days is None else {"days": days}
                    self._ask_count(condition, test, number, days, lambda *_event: True)
                    self._ask_count({**condition, "where": [where]}, test, number, days, holds)
        self._atom({"event": "never.heard", "op": "at_most", "count": 0}, lambda _place, _pk: True)

    def _ask_count(self, condition: Any, test: Any, number: int, days: int | None, holds: Any) -> None:
        def met(_place: int, pk: int) -> bool:
            done = [
                ago for ago, total in self.events[pk] if (days is None or ago <= days) and holds(ago, total)
            ]
            return bool(test(len(done), number))

        self._atom(condition, met)

    def _ask_the_rest(self) -> None:
        for op in ("in", "not_in"):
            self._atom(
                {"audience": self.upload.pk, "op": op},
                lambda place, _pk, op=op: (place % 3 == 0) == (op == "in"),
            )
        said: dict[tuple[int, int | None], str] = {
            (row.profile_id, row.topic_id): row.state for row in Consent.objects.all()
        }
        for topic in (None, self.topic):
            for value in ("yes", "no", "pending", "none"):
                for op in ("is", "is_not"):
                    condition = {"consent": "email", "op": op, "value": value}
                    condition |= {"topic": topic.key} if topic else {}
                    key = topic.pk if topic else None
                    self._atom(
                        condition,
                        lambda _place, pk, key=key, value=value, op=op: (
                            (said.get((pk, key), "none") == value) == (op == "is")
                        ),
                    )
        reach = evaluate.targets(
            {"id": None, "kind": "rule", "name": "", "rule": {}},
            workspace_id=self.workspace.pk,
            channel="email",
            category="marketing",
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT profile_id FROM ({reach.sql}) t WHERE reason IS NULL", reach.params)
            reached = {row[0] for row in cursor.fetchall()}
        for op in ("is", "is_not"):
            self._atom(
                {"reachable": "email", "op": op}, lambda _place, pk, op=op: (pk in reached) == (op == "is")
            )

    def found(self, condition: Query) -> frozenset[int]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT p.id FROM audiences_profile p WHERE p.workspace_id = %s AND {condition.sql}",
                (self.workspace.pk, *condition.params),
            )
            return frozenset(row[0] for row in cursor.fetchall())


@pytest.fixture
def town() -> Town:
    return Town()


def test_each_condition_finds_what_python_finds(town: Town) -> None:
    assert len(town.atoms) > 200
    for condition, wanted in town.atoms:
        asked = compile_rule(condition, town.workspace)
        assert town.found(asked) == wanted, condition
        assert town.found(asked.opposite()) == town.everybody - wanted, condition
        assert town.found(asked.opposite().opposite()) == wanted, condition


def trees(size: int) -> st.SearchStrategy[Any]:
    """Trees of atoms' places: a number, or (kind, parts)."""
    leaf = st.integers(0, size - 1)
    return st.recursive(
        leaf,
        lambda inner: st.tuples(st.sampled_from(["all", "any", "none"]), st.lists(inner, max_size=4)),
        max_leaves=12,
    )


def depth(tree: Any) -> int:
    return 1 if isinstance(tree, int) else 1 + max(map(depth, tree[1]), default=0)


def rule_of(tree: Any, town: Town) -> dict[str, Any]:
    if isinstance(tree, int):
        return town.atoms[tree % len(town.atoms)][0]
    return {tree[0]: [rule_of(part, town) for part in tree[1]]}


def people_of(tree: Any, town: Town) -> frozenset[int]:
    if isinstance(tree, int):
        return town.atoms[tree % len(town.atoms)][1]
    parts = [people_of(part, town) for part in tree[1]]
    if not parts:
        return town.everybody
    if tree[0] == "all":
        return frozenset.intersection(*parts)
    union = frozenset.union(*parts)
    return union if tree[0] == "any" else town.everybody - union


@pytest.mark.slow
def test_random_rules_find_what_set_algebra_finds(town: Town) -> None:
    @FUZZ
    @given(trees(len(town.atoms)).filter(lambda tree: depth(tree) <= 8))
    def ask(tree: Any) -> None:
        rule, wanted = rule_of(tree, town), people_of(tree, town)
        assert town.found(compile_rule(rule, town.workspace)) == wanted
        assert town.found(compile_rule(rule, town.workspace).opposite()) == town.everybody - wanted
        assert sentence(rule, town.workspace)
        person = town.people[len(json.dumps(rule)) % len(town.people)]
        told = explain.explain({"id": None, "kind": "rule", "name": "", "rule": rule}, person)
        assert told.met == (person.pk in wanted)

    ask()


def composed(tree: Any, town: Town) -> dict[str, Any]:
    if isinstance(tree, int):
        if tree % 5 == 0:
            return {"audience": town.upload.pk}
        return {"rule": rule_of(tree, town)}
    kind, parts = tree
    nodes = [composed(part, town) for part in parts] or [{"rule": {}}]
    if kind == "none":
        return {"exclusion": {"from": nodes[0], "remove": nodes[1:] or [{"rule": {"none": [{"all": []}]}}]}}
    return {"union" if kind == "any" else "intersection": nodes}


def members_of(tree: Any, town: Town) -> frozenset[int]:
    if isinstance(tree, int):
        if tree % 5 == 0:
            return frozenset(one.pk for place, one in enumerate(town.people) if place % 3 == 0)
        return people_of(tree, town)
    kind, parts = tree
    sets = [members_of(part, town) for part in parts] or [town.everybody]
    if kind == "none":
        return sets[0] - frozenset().union(*sets[1:]) if sets[1:] else sets[0]
    return frozenset.union(*sets) if kind == "any" else frozenset.intersection(*sets)


@pytest.mark.slow
def test_random_compositions_find_what_set_algebra_finds(town: Town) -> None:
    @FUZZ
    @given(trees(len(town.atoms)).filter(lambda tree: depth(tree) <= 7))
    def ask(tree: Any) -> None:
        made = composed(tree, town)
        composition.check(made, town.workspace)
        definition = {"id": None, "kind": "composition", "name": "", "rule": {}, "composition": made}
        wanted = members_of(tree, town)
        assert evaluate.count(definition, town.workspace.pk) == len(wanted)
        assert composition.sentence(made, town.workspace)
        person = town.people[len(json.dumps(made)) % len(town.people)]
        assert explain.explain(definition, person).met == (person.pk in wanted)

    ask()


# ---- any JSON ----------------------------------------------------------------------------------------------

WORDS = [
    *(
        "all",
        "any",
        "none",
        "field",
        "op",
        "value",
        "audience",
        "event",
        "count",
        "days",
        "where",
        "property",
    ),
    *("engagement", "campaign", "channel", "consent", "topic", "reachable", "rule", "union", "intersection"),
    *("exclusion", "from", "remove", "split", "of", "percent", "seed", "attribute", "values", "others_than"),
    *("rank", "by", "order", "limit"),
]
SAID = [
    *WORDS,
    *(op for operators in OPERATORS.values() for op in operators),
    *(f"of_{kind}" for kind in OPERATORS),
    *COLUMNS,
    *("in", "not_in", "at_least", "at_most", "exactly", "opened", "received", "clicked", "email", "news"),
    *("yes", "no", "buy", "asc", "desc", "2026-01-31", "2026-02-30", "2026-01-31T10:00:00Z", "\0", "\ud800"),
    *("%s", "%", "'", '"', "_connector", "OR 1=1) --", "a'b", "a.b", "x" * 300),
]
SCALARS = (
    st.sampled_from(SAID)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.text(max_size=5)
    | st.sampled_from([10**30, -(10**30), 10**400, 1e400, 0, 1, 2, 100, 2**63])
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(SAID), inner, max_size=4),
    max_leaves=20,
)
# Nearly right: objects with the keys of one kind, filled with anything.
SHAPES = [
    ("field", "op", "value"),
    ("audience", "op"),
    ("event", "op", "count", "days", "where"),
    ("engagement", "op", "count", "days", "campaign", "channel"),
    ("consent", "topic", "op", "value"),
    ("reachable", "op"),
    ("property", "op", "value"),
    ("of", "percent", "seed"),
    ("of", "attribute", "values"),
    ("of", "by", "order", "limit"),
    ("from", "remove"),
    *((word,) for word in ("all", "any", "none", "rule", "union", "exclusion", "split", "rank")),
]
FILLED = {
    "field": [*(f"of_{kind}" for kind in OPERATORS), *COLUMNS],
    "op": sorted(
        {op for operators in OPERATORS.values() for op in operators} | {"in", "at_least", "at_most"}
    ),
    "event": ["buy", "a.b"],
    "engagement": ["opened", "received", "clicked"],
    "channel": ["email", None],
    "consent": ["email"],
    "reachable": ["email"],
    "attribute": ["of_text", "of_number", "of_boolean"],
    "by": ["of_text", "of_number", "of_date", "of_datetime", "created_at"],
    "order": ["asc", "desc"],
}


def shaped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def filled(key: str) -> st.SearchStrategy[Any]:
        return st.sampled_from(FILLED[key]) | inner if key in FILLED else inner

    return st.sampled_from(SHAPES).flatmap(
        lambda keys: st.fixed_dictionaries(
            {keys[0]: filled(keys[0])}, optional={key: filled(key) for key in keys[1:]}
        )
    )


NEARLY = st.recursive(SCALARS, lambda inner: shaped(inner) | st.lists(inner, max_size=3), max_leaves=25)


def stands(raw: Any, pointer: str) -> bool:
    """Whether the place exists; its last step may name what is missing."""
    *way, _last = pointer.split("/")[1:] or [""]
    for step in way:
        if isinstance(raw, list):
            raw = raw[int(step)] if step.isdigit() and int(step) < len(raw) else None
        else:
            raw = raw.get(step) if isinstance(raw, dict) else None
    return not way or isinstance(raw, dict | list)


@pytest.mark.slow
def test_any_json_is_a_rule_that_runs_or_a_fault_at_its_place(town: Town) -> None:
    @settings(FUZZ, max_examples=400)
    @given(ANY_JSON | NEARLY | shaped(SCALARS) | shaped(NEARLY))
    def ask(raw: Any) -> None:
        for language in ("rule", "composition"):
            tree = {"rule": raw} if language == "composition" else raw
            for given_ in (raw, tree):
                try:
                    if language == "rule":
                        check(given_, town.workspace)
                        town.found(compile_rule(given_, town.workspace))
                        assert sentence(given_, town.workspace)
                    else:
                        composition.check(given_, town.workspace)
                        definition = {"id": None, "kind": language, "name": "", "composition": given_}
                        evaluate.count(definition, town.workspace.pk)
                        assert composition.sentence(given_, town.workspace)
                except Invalid as error:
                    assert error.problems
                    for problem in error.problems:
                        assert problem.code and problem.detail
                        assert stands(given_, problem.pointer), problem

    ask()


def test_an_audience_keeps_whatever_rule_was_checked(town: Town) -> None:
    """What passes the check can also be stored as JSON and read back to the same people."""
    for condition, wanted in town.atoms[::10]:
        kept = Audience.objects.create(
            workspace=town.workspace, name=json.dumps(condition)[:90], rule=condition
        )
        kept.refresh_from_db()
        assert town.found(compile_rule(kept.rule, town.workspace)) == wanted
