"""The rule builder by the front door, as a browser without JavaScript posts it, and with htmx."""

from __future__ import annotations

import json
import random
import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import AccessLabel, Workspace
from audiences import audiences
from audiences.models import AttributeDefinition, Audience, Topic
from audiences.rules.consent import VALUES
from audiences.rules.engagement import LENT
from audiences.rules.event import PROPERTY_OPERATORS
from audiences.rules.fields import (
    BOOLEAN,
    CHOICE,
    DATE,
    DATE_TIME,
    DAYS,
    EMPTY,
    LISTS,
    NUMBER,
    OPERATORS,
    TEXT,
    fields_of,
)
from audiences.rules.grammar import MAX_NODES
from audiences.rules.kinds import KINDS
from audiences.rules.phrases import COUNTS
from tests import builders

pytestmark = pytest.mark.django_db
NEW = "/audiences/new/"
TYPES = {
    "age": "number",
    "born": "date",
    "vip": "boolean",
    "seen": "datetime",
    "likes": "list",
    "tier": "choice",
}
HTMX = {"HTTP_HX_REQUEST": "true"}


class Inputs(HTMLParser):
    """What a browser would send of a page's rule form, without pressing a button, in document order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.given: dict[str, list[str]] = {}
        self.buttons: list[str] = []
        self.focus = ""
        self.name = ""
        self.text: list[str] | None = None
        self.is_ours = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.is_ours = given.get("id") == "rule-form"
        if not self.is_ours:
            return
        name, value = given.get("name", ""), given.get("value", "")
        if "autofocus" in given:
            self.focus = f"{name} {value}".strip() if tag == "button" else name
        if tag == "button":
            self.buttons.append(value)
        elif tag == "select":
            self.name, self.first = name, True
        elif tag == "option" and (self.first or "selected" in given):
            before = self.given.setdefault(self.name, [])
            self.given[self.name] = [*(before if self.first else before[:-1]), value]
            self.first = False
        elif tag == "textarea":
            self.name, self.text = name, []
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.given.setdefault(name, []).append(value)

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.text is not None:
            text = "".join(self.text).removeprefix("\n")
            self.given.setdefault(self.name, []).append(text.replace("\n", "\r\n"))
            self.text = None


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 6)
    for key, kind in TYPES.items():
        choices = ["gold", "silver", "bronze"] if kind == "choice" else []
        AttributeDefinition.objects.create(workspace=made, key=key, type=kind, choices=choices)
    return made


@pytest.fixture
def manager(where: Workspace) -> Client:
    client = Client()
    client.force_login(builders.person(where, "manager"))
    return client


def read(page: Any) -> Inputs:
    return Inputs(page.content.decode())


def press(client: Client, address: str, page: Inputs, do: str, **changes: Any) -> Any:
    given = {**page.given, **{name: value for name, value in changes.items() if value is not None}}
    return client.post(address, {**given, "do": do})


def build(client: Client, *steps: tuple[str, dict[str, Any]], address: str = NEW) -> Inputs:
    """Presses one button after the other, each with what was typed before it."""
    page = read(client.get(address))
    for do, typed in steps:
        answer = press(client, address, page, do, **typed)
        assert answer.status_code == 200, do
        page = read(answer)
    return page


def test_a_nested_rule_is_built_by_buttons_alone_counted_and_saved(manager: Client) -> None:
    page = build(
        manager,
        ("add:n", {}),
        ("show", {"n-0__what": "field:name"}),
        ("group:n", {"n-0__op": "starts_with", "n-0__value": "Ann"}),
        ("show", {"n-1-0__what": "field:email"}),
        ("group:n-1", {"n-1-0__op": "is", "n-1-0__value": "p0@example.com"}),
        ("show", {"n-1-1-0__what": "field:name", "n-1-1__kind": "none"}),
        ("show", {"n-1-1-0__op": "one_of"}),
    )
    typed = {"n-1-1-0__value": "Ann 0\r\nAnn 4", "name": "Ann", "tags": "x, y", "description": "d"}
    counted = press(manager, NEW, page, "count", **typed).content.decode()
    assert '<p class="stat">2</p>' in counted and "name starts with “Ann” and (" in counted
    answer = press(manager, NEW, page, "draft", **typed)
    assert answer.status_code == 302
    made = Audience.objects.get()
    assert made.rule == {
        "all": [
            {"field": "name", "op": "starts_with", "value": "Ann"},
            {
                "any": [
                    {"field": "email", "op": "is", "value": "p0@example.com"},
                    {"none": [{"field": "name", "op": "one_of", "value": ["Ann 0", "Ann 4"]}]},
                ]
            },
        ]
    }
    assert (made.state, made.tags, made.description) == ("draft", ["x", "y"], "d")


def test_a_draft_is_published_from_the_builder(where: Workspace, manager: Client) -> None:
    rule = {"field": "name", "op": "is", "value": "x"}
    audience = builders.audience(where, rule=rule, state="draft")
    address = f"/audiences/{audience.pk}/edit/"
    assert press(manager, address, build(manager, address=address), "publish").status_code == 302
    audience.refresh_from_db()
    assert (audience.state, audience.rule) == ("published", rule)


# ---- every rule survives the form -----------------------------------------------------------------

TEXTS = ["", "Taipei", "林", " a ", "a, b", "<b>&amp;\"'", "x\ny", "\t", "%(x)s", "{{ 1 }}", "1", "true", "é"]


def some_value(pick: random.Random, kind: str, op: str) -> Any:
    if op in DAYS:
        return pick.choice([0, 7, 30.0, 365])
    values: dict[str, list[Any]] = {
        NUMBER: [0, -1, 1.5, 3.0, 1e14, 12345678901234, 0.1],
        BOOLEAN: [True, False],
        DATE: ["2026-11-23", "20261123", "2026-W48-1", "2024-02-29"],
        DATE_TIME: ["2026-11-23T18:00", "2026-11-23T10:00:00Z", "2026-11-23 10:00", "2026-11-23T10:00+08:00"],
        CHOICE: ["gold", "silver", " odd ", "gone"],
    }
    known = values.get(kind, TEXTS)
    if op in LISTS:
        return [pick.choice(known) for _one in range(pick.randint(1, 4))]
    if op == "between":
        return (
            sorted([pick.choice([1, 2.5]), 7]) if kind == NUMBER else ["2026-01-01T00:00"[: LENGTH[kind]]] * 2
        )
    return pick.choice(known)


LENGTH = {DATE: 10, DATE_TIME: 16}


def some_condition(pick: random.Random, fields: Any) -> Any:
    """Of any kind the language knows; those with a value most often."""
    kind = pick.choice([*KINDS, "field", "field", "field"])
    counted: dict[str, Any] = {"op": pick.choice(list(COUNTS))}
    counted |= pick.choice([{"count": 2}, {"count": 2.0}, {}]) | pick.choice(
        [{"days": 30}, {"days": None}, {}]
    )
    if kind == "event":
        where = [some_property(pick) for _one in range(pick.randint(0, 3))]
        more = {"where": where} if where or pick.random() < 0.3 else {}
        return {"event": "shop.bought", **counted, **more}
    if kind == "engagement":
        more = pick.choice([{"channel": "email"}, {"channel": None}, {}])
        return {"engagement": pick.choice(list(LENT.engagements)), **counted, **more}
    if kind == "consent":
        topic = pick.choice([{"topic": "news"}, {"topic": None}, {}])
        op, value = pick.choice(["is", "is_not"]), pick.choice(list(VALUES))
        return {"consent": "email", **topic, "op": op, "value": value}
    if kind == "reachable":
        return {"reachable": "email", "op": pick.choice(["is", "is_not"])}
    if kind == "audience":
        other = Audience.objects.get(name="Other")
        return {"audience": other.pk, "op": pick.choice(["in", "not_in"])}
    field = pick.choice(list(fields.values()))
    op = pick.choice(OPERATORS[field.type])
    node = {"field": field.key, "op": op}
    if op in EMPTY:
        return {**node, "value": "x"} if pick.random() < 0.2 else node
    return {**node, "value": some_value(pick, field.type, op)}


def some_property(pick: random.Random) -> Any:
    kind = pick.choice([TEXT, NUMBER, BOOLEAN])
    value = some_value(pick, kind, "is")
    return {"property": "sku", "op": pick.choice(PROPERTY_OPERATORS[kind]), "value": value}


def some_rule(pick: random.Random, fields: Any, depth: int = 1) -> Any:
    if depth > 1 and (depth > 4 or pick.random() < 0.6):
        return some_condition(pick, fields)
    kind = pick.choice(["all", "any", "none"])
    return {kind: [some_rule(pick, fields, depth + 1) for _one in range(pick.randint(0, 3))]}


@pytest.mark.sampled(20)
@pytest.mark.parametrize("seed", range(12))
def test_every_rule_is_opened_and_saved_again_exactly(where: Workspace, manager: Client, seed: int) -> None:
    pick = random.Random(seed)
    fields = fields_of(where)
    audience = builders.audience(where)
    builders.audience(where, name="Other", rule=said("x"))
    Topic.objects.create(workspace=where, key="news", name="News")
    address = f"/audiences/{audience.pk}/edit/"
    for number in range(3):
        rule = some_rule(pick, fields, depth=1 if number else 9)
        Audience.objects.filter(pk=audience.pk).update(rule=rule)
        page = build(manager, address=address)
        for do in ("show", "save"):
            answer = press(manager, address, page, do, everybody="yes")
            page = read(answer) if do == "show" else page
        assert answer.status_code == 302, (rule, answer.content.decode()[-3000:])
        audience.refresh_from_db()
        assert json.dumps(audience.rule, sort_keys=True) == json.dumps(rule, sort_keys=True)


@pytest.mark.parametrize("rule", [{}, {"all": []}, {"field": "name", "op": "is", "value": "x"}])
def test_a_short_rule_keeps_its_shape(where: Workspace, manager: Client, rule: Any) -> None:
    audience = builders.audience(where, rule=rule)
    address = f"/audiences/{audience.pk}/edit/"
    answer = press(manager, address, build(manager, address=address), "save", everybody="yes")
    assert answer.status_code == 302
    audience.refresh_from_db()
    assert audience.rule == rule


def test_the_largest_rule_is_opened_and_saved(where: Workspace, manager: Client) -> None:
    rule = {"any": [{"field": "name", "op": "is", "value": f"v{n}"} for n in range(MAX_NODES - 1)]}
    audience = builders.audience(where, rule=rule)
    address = f"/audiences/{audience.pk}/edit/"
    assert press(manager, address, build(manager, address=address), "save").status_code == 302
    audience.refresh_from_db()
    assert audience.rule == rule


def test_a_long_rule_asks_the_database_no_more_than_a_short_one(
    where: Workspace, manager: Client, django_assert_max_num_queries: Any
) -> None:
    line = [{"field": "tier", "op": "is", "value": "gold"}, {"consent": "email", "op": "is", "value": "yes"}]
    for number in (1, 60):
        audience = builders.audience(where, rule={"any": line * number}, name=str(number))
        with django_assert_max_num_queries(20):
            manager.get(f"/audiences/{audience.pk}/edit/")


def test_a_line_about_a_field_that_is_gone_is_kept_and_told(where: Workspace, manager: Client) -> None:
    rule = {"all": [{"field": "city", "op": "is", "value": "Taipei"}, {"field": "name", "op": "is_empty"}]}
    audience = builders.audience(where, rule=rule)
    address = f"/audiences/{audience.pk}/edit/"
    page = build(manager, address=address)
    assert json.loads(page.given["n-0__json"][0]) == rule["all"][0]
    answer = press(manager, address, page, "save")
    assert answer.status_code == 400 and "There is no field “city”." in answer.content.decode()
    audience.refresh_from_db()
    assert audience.rule == rule


# ---- add, remove, move ----------------------------------------------------------------------------


def opened(where: Workspace, client: Client, rule: Any) -> tuple[str, Inputs]:
    audience = builders.audience(where, rule=rule, name=str(random.random()))
    address = f"/audiences/{audience.pk}/edit/"
    return address, build(client, address=address)


def values(page: Inputs) -> dict[str, str]:
    """The value of each line by its path: the order of the tree."""
    return {
        name.partition("__")[0][2:]: given[0]
        for name, given in sorted(page.given.items())
        if name.endswith("__value")
    }


def said(letter: str) -> dict[str, Any]:
    return {"field": "name", "op": "is", "value": letter}


TREE = {"all": [said("a"), {"any": [said("b"), said("c")]}, said("d")]}


@pytest.mark.parametrize(
    ("do", "after", "focus"),
    [
        ("down:n-0", {"0-0": "a", "0-1": "b", "0-2": "c", "1": "d"}, "do down:n-0-0"),
        ("up:n-2", {"0": "a", "1-0": "b", "1-1": "c", "1-2": "d"}, "do up:n-1-2"),
        ("up:n-1-0", {"0": "a", "1": "b", "2-0": "c", "3": "d"}, "do up:n-1"),
        ("down:n-1-1", {"0": "a", "1-0": "b", "2": "c", "3": "d"}, "do down:n-2"),
        ("down:n-1-0", {"0": "a", "1-0": "c", "1-1": "b", "2": "d"}, "do down:n-1-1"),
        ("up:n-1", {"0-0": "b", "0-1": "c", "1": "a", "2": "d"}, "do up:n-0"),
        ("up:n-0", {"0": "a", "1-0": "b", "1-1": "c", "2": "d"}, "do up:n-0"),
        ("remove:n-1", {"0": "a", "1": "d"}, "n-1__what"),
        ("remove:n-2", {"0": "a", "1-0": "b", "1-1": "c"}, "n-1__kind"),
        ("remove:n-1-0", {"0": "a", "1-0": "c", "2": "d"}, "n-1-0__what"),
        ("move:n-0:n-1:2", {"0-0": "b", "0-1": "c", "0-2": "a", "1": "d"}, "n-0-2__what"),
        ("move:n-0:n:9999", {"0-0": "b", "0-1": "c", "1": "d", "2": "a"}, "n-2__what"),
        ("move:n-2:n:0", {"0": "d", "1": "a", "2-0": "b", "2-1": "c"}, "n-0__what"),
        ("move:n-0:n:2", {"0-0": "b", "0-1": "c", "1": "a", "2": "d"}, "n-1__what"),
        ("move:n-1:n-1:0", {"0": "a", "1-0": "b", "1-1": "c", "2": "d"}, "n-1__kind"),
        ("remove:n", {"0": "a", "1-0": "b", "1-1": "c", "2": "d"}, "n__kind"),
    ],
)
def test_parts_are_moved_and_removed_and_the_focus_stays_with_them(
    where: Workspace, manager: Client, do: str, after: Any, focus: str
) -> None:
    address, page = opened(where, manager, TREE)
    page = read(press(manager, address, page, do))
    assert values(page) == after
    assert page.focus == focus


def test_a_half_typed_form_loses_nothing_when_a_part_is_added(where: Workspace, manager: Client) -> None:
    address, page = opened(where, manager, TREE)
    typed = {"name": "", "description": "half", "n-0__value": " half, typed", "n-1__kind": "none"}
    page = read(press(manager, address, page, "group:n-1", **typed))
    assert (page.given["name"], page.given["description"]) == ([""], ["half"])
    assert page.given["n-0__value"] == [" half, typed"] and page.given["n-1__kind"] == ["none"]
    assert page.focus == "n-1-2__kind" and "add:n-1-2" in page.buttons


def test_a_group_stands_at_no_level_the_language_refuses(where: Workspace, manager: Client) -> None:
    address, page = opened(where, manager, {"all": [said("x")]})
    path = "n"
    for _level in range(12):
        if f"group:{path}" not in page.buttons:
            break
        count = sum(
            name.startswith(f"{path}-") and name.count("-") == path.count("-") + 1 for name in page.given
        )
        page = read(press(manager, address, page, f"group:{path}"))
        path = page.focus.partition("__")[0]
        assert count >= 0
    answer = press(manager, address, page, f"group:{path}")
    assert "in 8 levels" in answer.content.decode()
    lines = {name: "field:name" for name in page.given if name.endswith("__what")}
    page = read(press(manager, address, page, "show", **lines))
    assert press(manager, address, page, "save").status_code == 302


def test_a_field_chosen_without_javascript_gets_its_inputs_whatever_is_pressed(manager: Client) -> None:
    page = build(manager, ("add:n", {}))
    for do, status in (("count", 200), ("add:n", 200), ("publish", 400)):
        answer = press(manager, NEW, page, do, name="x", **{"n-0__what": "field:name"})
        assert answer.status_code == status and read(answer).given["n-0__op"] == ["is"], do
    assert not Audience.objects.exists()


def test_changing_the_field_brings_operators_and_inputs_that_fit(where: Workspace, manager: Client) -> None:
    page = build(manager, ("add:n", {}), ("show", {"n-0__what": "field:born"}))
    assert page.given["n-0__op"] == [OPERATORS[DATE][0]]
    shown = press(manager, NEW, page, "show", **{"n-0__op": "between"}).content.decode()
    assert shown.count('name="n-0__value"') == 2 and 'type="date"' in shown
    page = read(press(manager, NEW, page, "show", **{"n-0__what": "field:vip", "n-0__op": "between"}))
    assert (page.given["n-0__op"], page.given["n-0__value"]) == (["is"], ["true"])


# ---- htmx -----------------------------------------------------------------------------------------


def test_htmx_gets_the_part_that_changed_and_it_is_announced(manager: Client) -> None:
    page = build(manager, ("add:n", {}))
    part = manager.post(NEW, {**page.given, "do": "add:n"}, **HTMX).content.decode()
    assert "<html" not in part and part.strip().startswith('<div id="builder"')
    assert '<p id="rule-said" hx-swap-oob="innerHTML">Condition added.</p>' in part
    typed = {**page.given, "n-0__what": "field:name", "n-0__op": "is_not_empty"}
    part = manager.post(NEW, {**typed, "do": "count"}, **HTMX).content.decode()
    assert '<p class="stat">6</p>' in part and "name is not empty" in part
    assert 'id="count-said" hx-swap-oob="innerHTML">6 people</p>' in part and "p0@example.com" in part
    assert Audience.objects.count() == 0


def test_a_line_that_is_not_complete_is_told_while_counting(manager: Client) -> None:
    page = build(manager, ("add:n", {}), ("show", {"n-0__what": "field:age"}))
    part = manager.post(NEW, {**page.given, "do": "count"}, **HTMX)
    assert part.status_code == 200 and "1 line is not complete yet." in part.content.decode()


# ---- JSON beside the form -------------------------------------------------------------------------


def test_json_changed_by_hand_is_shown_in_the_form_and_saved(where: Workspace, manager: Client) -> None:
    page = build(manager)
    rule = {"none": [{"field": "name", "op": "is", "value": "x"}]}
    page = read(press(manager, NEW, page, "json", json=json.dumps(rule)))
    assert page.given["n__kind"] == ["none"] and page.given["n-0__value"] == ["x"]
    given = json.dumps({"any": [said("y")]})
    assert press(manager, NEW, page, "publish", name="J", json=given).status_code == 302
    assert Audience.objects.get().rule == {"any": [said("y")]}


def test_the_form_counts_when_the_json_was_not_touched(where: Workspace, manager: Client) -> None:
    address, page = opened(where, manager, TREE)
    assert press(manager, address, page, "save", **{"n-0__value": "changed"}).status_code == 302
    assert Audience.objects.get().rule["all"][0] == said("changed")


def test_when_form_and_json_were_both_changed_the_person_decides(where: Workspace, manager: Client) -> None:
    address, page = opened(where, manager, TREE)
    given = json.dumps(said("z"))
    answer = press(manager, address, page, "save", json=given, **{"n-0__value": "changed"})
    assert answer.status_code == 400 and "You changed the form and the JSON." in answer.content.decode()
    assert Audience.objects.get().rule == TREE
    page = read(answer)
    assert page.given["json"] == [given] and page.given["n-0__value"] == ["changed"]
    assert press(manager, address, page, "json").status_code == 200
    assert press(manager, address, page, "save", json="").status_code == 302
    assert Audience.objects.get().rule["all"][0] == said("changed")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{", "This is not JSON"),
        ("[" * 5000, "This is not JSON"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "This is not JSON"),
        ("[]", "A rule is an object"),
        ("1" * 6000, "This is not JSON"),
        ('{"all": [{"field": "_connector", "op": "is", "value": "x"}]}', "There is no field “_connector”"),
        ('{"all": [{"field": "\\ud800", "op": "is", "value": "x"}]}', "There is no field"),
        ('{"field": "name", "op": "is", "value": "\\ud800"}', "cannot be stored"),
        ('{"field": "name", "op": "is", "value": "\\u0000"}', "cannot be stored"),
        ('{"field": "age", "op": "is", "value": NaN}', "Give a number of ordinary size."),
        ('{"field": "age", "op": "is", "value": 1e400}', "Give a number of ordinary size."),
        ('{"all": [' + ",".join(['{"all": []}'] * 1000) + "]}", "A rule may hold 200 conditions"),
        ('{"all":[' * 12 + '{"field":"name","op":"is_empty"}' + "]}" * 12, "A rule may hold 200 conditions"),
    ],
)
def test_wrong_json_is_told_and_saves_nothing(manager: Client, written: str, told: str) -> None:
    answer = press(manager, NEW, build(manager), "publish", name="x", json=written)
    assert answer.status_code == 400 and told in answer.content.decode()
    assert not Audience.objects.exists()
    manager.post(NEW, {**build(manager).given, "json": written, "do": "count"}, **HTMX)


@pytest.mark.parametrize("thing", ["audience", "campaign"])
def test_what_is_behind_a_label_is_counted_and_named_to_nobody_who_may_not_see_it(
    where: Workspace, manager: Client, thing: str
) -> None:
    with connection.cursor() as cursor:  # numbers that stand nowhere else on a page
        cursor.execute("ALTER SEQUENCE audiences_audience_id_seq RESTART 654321")
        cursor.execute("ALTER SEQUENCE campaigns_campaign_id_seq RESTART 765432")
    label = AccessLabel.objects.create(workspace=where, name="Board")
    hidden: Any = builders.audience(where, name="Hidden")
    if thing == "campaign":
        author = builders.person(where, "administrator")
        hidden = builders.draft(where, author, name="Hidden", audience=builders.audience(where, name="Seen"))
    hidden.labels.add(label)
    rules = {
        "audience": {"audience": hidden.pk, "op": "in"},
        "campaign": {"engagement": "opened", "op": "at_most", "count": 0, "campaign": hidden.pk},
    }
    told = []
    for number in (hidden.pk, 987_654_321):
        rule = json.dumps({"any": [rules[thing] | {thing: number}, {"field": "name", "op": "is_empty"}]})
        for do, headers in (("count", HTMX), ("count", {}), ("save", {})):
            answer = press(manager, NEW, build(manager), "json", json=rule)
            answer = manager.post(NEW, {**read(answer).given, "name": "x", "do": do}, **headers)
            page = re.sub(rf"{number}|[a-f0-9]{{8,}}|csrf.*?>|token.*?>", "", answer.content.decode())
            told.append((do, answer.status_code, page))
    assert told[:3] == told[3:]
    assert "p1@example.com" not in str(told) and not Audience.objects.filter(name="x").exists()


# ---- faults ---------------------------------------------------------------------------------------


def test_a_fault_stands_at_its_line_and_its_input(where: Workspace, manager: Client) -> None:
    page = build(
        manager,
        ("add:n", {}),
        ("show", {"n-0__what": "field:name"}),
        ("group:n", {}),
        ("show", {"n-1-0__what": "field:age"}),
        ("add:n", {}),
    )
    answer = press(manager, NEW, page, "publish", name="x", **{"n-1-0__value": "many"})
    shown = answer.content.decode()
    assert answer.status_code == 400 and not Audience.objects.exists()
    fault = shown.split('id="n-1-0__faults"')[1].split("</div>")[0]
    assert "Give a number of ordinary size." in fault
    box = next(part for part in shown.split("<input") if 'name="n-1-0__value"' in part).split(">")[0]
    assert (
        'aria-invalid="true"' in box and 'aria-describedby="n-1-0__faults"' in box and 'value="many"' in box
    )
    assert "Choose what this line asks about" in shown.split('id="n-2__faults"')[1].split("</div>")[0]
    assert 'id="n-0__faults"' not in shown


def test_a_taken_name_is_told_beside_the_name(where: Workspace, manager: Client) -> None:
    builders.audience(where, name="Taken", rule=said("x"))
    answer = press(manager, NEW, build(manager), "publish", name="Taken", everybody="yes")
    assert answer.status_code == 400
    assert "There is an audience called “Taken” already." in answer.content.decode()


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "post",
    [
        {},
        {"n__kind": "line"},
        {"n__kind": "xor"},
        {"n__kind": "all", "n-0__kind": "script"},
        {"n__kind": "all", "n-0-0__kind": "line"},
        {"n__kind": "all", "n-0__kind": "line", "n-0-0__kind": "line"},
        {"n__kind": "all", "n-0__value": "x"},
        {"n__kind": "all", **{f"n-{n}__kind": "line" for n in range(250)}},
        {"n__kind": "all", **{f"n-{n}__kind": "line" for n in range(10_000)}},
        {"n__kind": "all", **{"n" + "-0" * n + "__kind": "all" for n in range(1, 20)}},
        {"n__kind": "all", "do": "remove:n-5"},
        {"n__kind": "all", "do": "move:n-0:n:1"},
        {"n__kind": "all", "n-0__kind": "line", "n-0__what": "field:name\0", "do": "save"},
        {"n__kind": "all", "n-0__kind": "line", "n-0__what": "audit", "do": "publish"},
        {
            "n__kind": "all",
            "n-0__kind": "line",
            "n-0__what": "field:name",
            "n-0__op": "drop",
            "do": "publish",
        },
        {
            "n__kind": "all",
            "n-0__kind": "line",
            "n-0__what": "field:name",
            "n-0__op": "is",
            "n-0__value": "a\0b",
            "do": "publish",
        },
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_post_no_page_of_ours_sends_is_refused_and_nothing_is_saved(
    where: Workspace, manager: Client, post: dict[str, str], headers: dict[str, Any]
) -> None:
    rule = said("kept")
    audience = builders.audience(where, rule=rule)
    given = {
        "name": "x",
        "everybody": "yes",
        "seen_at": audience.changed_at.isoformat(),
        "do": "save",
        **post,
    }
    for address in (NEW, f"/audiences/{audience.pk}/edit/"):
        assert manager.post(address, given, **headers).status_code == 400, address
    audience.refresh_from_db()
    assert audience.rule == rule and Audience.objects.count() == 1


@pytest.mark.parametrize("do", ["", "drop", "move:n", "add", "up:n:n", "move:n:n:x", "json", "show"])
def test_an_unknown_button_changes_nothing(manager: Client, do: str) -> None:
    answer = press(manager, NEW, build(manager), do, name="kept")
    assert answer.status_code == 200 and 'value="kept"' in answer.content.decode()
    assert not Audience.objects.exists()


# ---- everybody, nobody ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [{}, {"field": "email", "op": "is_not_empty"}])
def test_everybody_is_saved_only_after_a_second_yes(where: Workspace, manager: Client, rule: Any) -> None:
    page = build(manager)
    given = {"name": "All", "json": json.dumps(rule)}
    answer = press(manager, NEW, page, "publish", **given)
    shown = answer.content.decode()
    assert answer.status_code == 400 and "This is all 6 people of the workspace." in shown
    assert "Tick the box to save it." in shown
    # A count of its own as the page opens would take the question away.
    assert "load, rule-changed" not in shown and "load, rule-changed" in manager.get(NEW).content.decode()
    assert not Audience.objects.exists()
    assert press(manager, NEW, read(answer), "publish", everybody="yes").status_code == 302
    assert Audience.objects.get().rule == rule


def test_nobody_is_a_warning_only(manager: Client) -> None:
    page = build(manager, ("add:n", {}), ("show", {"n-0__what": "field:name"}))
    typed = {"n-0__value": "not there", "name": "None"}
    assert "Nobody matches this rule." in press(manager, NEW, page, "count", **typed).content.decode()
    assert press(manager, NEW, page, "publish", **typed).status_code == 302


# ---- two people -----------------------------------------------------------------------------------


def test_who_saves_over_a_newer_version_is_told_and_keeps_the_text(where: Workspace, manager: Client) -> None:
    audience = builders.audience(where, rule=said("a"))
    address = f"/audiences/{audience.pk}/edit/"
    page = build(manager, address=address)
    later = timezone.now() + timedelta(seconds=1)
    other = builders.person(where, "approver")
    audiences.change_rule(audience, rule=said("theirs"), actor=other, now=later)
    answer = press(manager, address, page, "save", **{"n-0__value": "mine"})
    assert answer.status_code == 409 and "Somebody saved another version" in answer.content.decode()
    audience.refresh_from_db()
    assert audience.rule == said("theirs")
    page = read(answer)
    assert page.given["n-0__value"] == ["mine"]
    assert press(manager, address, page, "save").status_code == 302
    audience.refresh_from_db()
    assert audience.rule == said("mine")


def test_only_who_may_manage_audiences_builds_rules(where: Workspace) -> None:
    audience = builders.audience(where, rule=said("a"))
    for role, status in (("viewer", 403), ("manager", 200)):
        client = Client()
        client.force_login(builders.person(where, role, f"{role}2"))
        assert client.get(NEW).status_code == status
        assert client.post(NEW, {"n__kind": "all", "do": "count"}).status_code == status
    uploaded = builders.audience(where, name="File", kind="upload")
    assert client.get(f"/audiences/{uploaded.pk}/edit/").status_code == 404
    stranger = Client()
    stranger.force_login(builders.person(builders.workspace("other"), "manager"))
    assert stranger.get(f"/audiences/{audience.pk}/edit/").status_code == 404
