"""One condition of a rule as the inputs of a form, and back. Each kind of condition is one small class.

What a browser sends stays text until `write` makes a condition of it; what does not fit its type stays as it
was typed and is refused by the rule language. A condition the inputs cannot hold exactly is shown as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Workspace
from audiences.rules.describe import PHRASES
from audiences.rules.fields import BOOLEAN, DATE, DAYS, LISTS, NUMBER, OPERATORS, Field, fields_of
from audiences.rules.grammar import VALUELESS

Given = dict[str, list[str]]  # the texts of each input, by its name
Options = Sequence[tuple[str, Any]]
YES_NO = [("true", gettext_lazy("yes")), ("false", gettext_lazy("no"))]
# What an input of one line cannot hold: browsers change line ends and drop NUL.
UNTYPABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
DATE_INPUT = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Input:
    """`place` is the key of the condition that the input fills, as in the pointer of a fault."""

    name: str
    label: Any
    widget: str  # select, text, number, date, lines
    texts: list[str]
    options: Options = ()
    place: str = "value"
    hint: Any = ""
    is_labelled: bool = False  # the label is seen, not only heard
    shows: bool = False  # a change of it asks for other inputs


class Vocabulary:
    """What the rules of one workspace may speak of; each list is read once, when first needed."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @cached_property
    def fields(self) -> dict[str, Field]:
        return fields_of(self.workspace)


class Kind(Protocol):
    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        """Options of the first choice of a line, in titled groups."""

    def reads(self, what: str) -> bool:
        """Whether a line with this first choice is of this kind."""

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        """None: the condition is of another kind."""

    def write(self, given: Given, known: Vocabulary) -> Any: ...

    def settle(self, given: Given, known: Vocabulary) -> None:
        """After another first choice: replaces what no longer fits."""

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]: ...


def first(given: Given, name: str) -> str:
    return (given.get(name) or [""])[0]


def lines_of(texts: list[str]) -> list[str]:
    """The values of a list, however they were typed: one per line or one per box."""
    parts = (part.strip() for text in texts for part in re.split(r"\r\n|\r|\n", text))
    return [part for part in parts if part]


def written(value: Any) -> str:
    """A value as it is typed; `typed` reads the same value back."""
    return value if isinstance(value, str) else json.dumps(value)


def typed(kind: str, text: str) -> Any:
    if kind == NUMBER:
        return number(text)
    if kind == BOOLEAN:
        return {"true": True, "false": False}.get(text, text)
    return text


def number(text: str) -> Any:
    for make in (int, float):
        try:
            return make(text)
        except ValueError:
            continue
    return text


class OfField:
    """{"field": …, "op": …, "value": …}"""

    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        columns = [(f"field:{one.key}", one.label) for one in known.fields.values() if one.column]
        rest = [(f"field:{one.key}", one.label) for one in known.fields.values() if not one.column]
        return [(_("Profile"), columns), (_("Attributes"), rest)]

    def reads(self, what: str) -> bool:
        return what.startswith("field:")

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        key = raw.get("field")
        if not isinstance(key, str) or key not in known.fields:
            return None
        given = {"what": [f"field:{key}"], "op": [str(raw.get("op", ""))]}
        if "value" in raw:
            value = raw["value"]
            given["value"] = [written(one) for one in (value if isinstance(value, list) else [value])]
        return given

    def write(self, given: Given, known: Vocabulary) -> Any:
        key, op = first(given, "what").removeprefix("field:"), first(given, "op")
        condition: dict[str, Any] = {"field": key, "op": op}
        if op in VALUELESS:
            return condition
        field = known.fields.get(key)
        kind = NUMBER if op in DAYS else field.type if field else ""
        texts = given.get("value", [])
        if op in LISTS:
            value: Any = [typed(kind, text) for text in lines_of(texts)]
        elif op == "between":
            value = [typed(kind, text) for text in texts]
        else:
            value = typed(kind, first(given, "value"))
        return {**condition, "value": value}

    def settle(self, given: Given, known: Vocabulary) -> None:
        field = known.fields.get(first(given, "what").removeprefix("field:"))
        if field and first(given, "op") not in OPERATORS[field.type]:
            given["op"] = [OPERATORS[field.type][0]]
        op, texts = first(given, "op"), given.get("value", [])
        if op not in LISTS and any("\n" in text for text in texts):
            given["value"] = lines_of(texts)
        if op not in LISTS and op != "between":
            given["value"] = given.get("value", [])[:1]
        if field and field.type == BOOLEAN and first(given, "value") not in ("true", "false"):
            given["value"] = ["true"]

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        field = known.fields.get(first(given, "what").removeprefix("field:"))
        if field is None:
            return []
        op = first(given, "op")
        choices = [(name, operator_label(name)) for name in OPERATORS[field.type]]
        shown = [Input("op", _("Condition"), "select", [op], choices, place="op", shows=True)]
        return shown + self._values(field, op, given.get("value", []))

    def _values(self, field: Field, op: str, texts: list[str]) -> list[Input]:
        if op in VALUELESS:
            return []
        if op in LISTS:
            text = "\n".join(lines_of(texts))
            return [Input("value", _("Values"), "lines", [text], hint=_("One per line"))]
        one, other = [*texts, "", ""][:2]
        if op in DAYS:
            return [Input("value", _("Days"), "number", [one])]
        if op == "between":
            return [_box(field, _("From"), one), _box(field, _("To"), other)]
        return [_box(field, _("Value"), one)]


def _box(field: Field, label: str, text: str) -> Input:
    """One value, in the input that fits its type and can show what was given."""
    if field.type == BOOLEAN:
        return Input("value", label, "select", [text], YES_NO)
    if field.type == NUMBER:
        return Input("value", label, "number", [text])
    if field.type == DATE and (not text or DATE_INPUT.fullmatch(text)):
        return Input("value", label, "date", [text])
    return Input("value", label, "text", [text])


def operator_label(op: str) -> str:
    """“is in the last … days”: the operator's own words."""
    words = {"field": "", "value": "…", "low": "…", "high": "…"}
    return str(PHRASES[op] % words).strip().removesuffix("…").strip()


class AsJson:
    """Whatever no other kind can hold exactly: written as JSON."""

    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        return [(_("Other"), [("json", _("Condition as JSON"))])]

    def reads(self, what: str) -> bool:
        return what == "json"

    def read(self, raw: Any, known: Vocabulary) -> Given | None:
        return {"what": ["json"], "json": [dumps(raw)]}

    def write(self, given: Given, known: Vocabulary) -> Any:
        return loads(first(given, "json"))

    def settle(self, given: Given, known: Vocabulary) -> None:
        if not first(given, "json"):
            given["json"] = ['{"field": "", "op": "is", "value": ""}']

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        return [Input("json", _("Condition as JSON"), "lines", [first(given, "json")], place="")]


KINDS: tuple[Kind, ...] = (OfField(), AsJson())


def read(raw: Any, known: Vocabulary) -> Given:
    """The inputs that hold the condition exactly."""
    for kind in KINDS[:-1]:
        given = kind.read(raw, known) if isinstance(raw, dict) else None
        if given and _is_typable(given) and _same(kind.write(given, known), raw):
            return given
    found = KINDS[-1].read(raw, known)
    assert found
    return found


def kind_of(given: Given) -> Kind | None:
    """None while nothing is chosen, or for what is no choice of ours."""
    what = first(given, "what")
    return next((kind for kind in KINDS if kind.reads(what)), None)


def write(given: Given, known: Vocabulary) -> Any:
    kind = kind_of(given)
    return kind.write(given, known) if kind else {"field": first(given, "what"), "op": ""}


def dumps(value: Any) -> str:
    """Indented, and with plain letters unless they could not be sent."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return json.dumps(value, indent=2) if re.search("[\ud800-\udfff]", text) else text


def loads(text: str) -> Any:
    """What is no JSON comes back as the text itself, which the language refuses."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_typable(given: Given) -> bool:
    return not any(UNTYPABLE.search(text) for texts in given.values() for text in texts)


def _same(one: Any, other: Any) -> bool:
    """Equal also in type: 1 is neither 1.0 nor true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
