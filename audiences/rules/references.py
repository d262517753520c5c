"""The audiences that a rule or a composition names, and those that these name, until there are no more.

Read in one query per level. A circle is refused with the names in it, and so is what grows too large or too
deep when every audience stands in the place of its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from audiences.models import Audience
from common.errors import Invalid, Problem

MAX_LEVELS, MAX_TOTAL, MAX_NAMED = 8, 2000, 200
Definitions = dict[str, dict[str, Any]]


def one(audience: Audience) -> dict[str, Any]:
    """An audience as plain JSON, without those it names."""
    plain = {"id": audience.pk, "kind": audience.kind, "name": audience.name, "rule": audience.rule}
    if audience.kind == Audience.Kind.COMPOSITION:
        plain["composition"] = audience.composition
    if audience.kind == Audience.Kind.SUBSCRIPTION:
        plain["topic"] = audience.topic_id
    return plain


def tree_of(definition: dict[str, Any]) -> Any:
    """What the definition asks: its rule or its composition; nothing for the other kinds."""
    key = {Audience.Kind.RULE: "rule", Audience.Kind.COMPOSITION: "composition"}.get(definition["kind"])
    return definition.get(key, {}) if key else {}


def named(tree: Any, key: str = "audience") -> dict[int, str]:
    """The numbers of audiences, or of campaigns, in the tree, each with the place that names it first."""
    found: dict[int, str] = {}
    for node, pointer in _objects(tree):
        number = node.get(key)
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63:
            found.setdefault(number, f"{pointer}/{key}")
    return found


def fields_used(tree: Any) -> set[str]:
    """The keys of columns and attributes in the tree, those of unknown ones too."""
    found = (node.get(key) for node, _pointer in _objects(tree) for key in ("field", "attribute", "by"))
    return {key for key in found if isinstance(key, str)}


def _objects(tree: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every object in any JSON, however deep."""
    waiting = [(tree, "")]
    while waiting:
        node, pointer = waiting.pop()
        if isinstance(node, dict):
            yield node, pointer
            waiting += [(value, f"{pointer}/{key}") for key, value in node.items() if value]
        elif isinstance(node, list):
            waiting += [(value, f"{pointer}/{place}") for place, value in enumerate(node) if value]


def load(tree: Any, workspace_id: int) -> Definitions:
    """Definitions by number as text. What is not there, or not in the workspace, is left out."""
    found: Definitions = {}
    wanted = set(named(tree))
    while wanted and len(found) <= MAX_TOTAL:
        rows = Audience.objects.filter(workspace=workspace_id, pk__in=sorted(wanted)[:MAX_NAMED])
        level = [one(row) for row in rows]
        found |= {str(row["id"]): row for row in level}
        wanted = {number for row in level for number in named(tree_of(row)) if str(number) not in found}
    return found


def check(tree: Any, known: Mapping[str, dict[str, Any]], self_id: int | None) -> None:
    """Raises Invalid for a circle, or for a tree too large; `self_id` is the audience being saved."""
    sizes: dict[int, int] = {}
    total = _own_size(tree)
    for number, pointer in sorted(named(tree).items()):
        total += _measure(number, known, self_id, (), sizes, pointer)
        if total > MAX_TOTAL:
            raise _too_large(pointer)


def _measure(
    number: int,
    known: Mapping[str, dict[str, Any]],
    self_id: int | None,
    path: tuple[int, ...],
    sizes: dict[int, int],
    pointer: str,
) -> int:
    """The size of an audience with all it names. `path` leads from the saved one to it."""
    if number == self_id or number in path:
        raise _circle((*path, number), known, self_id, pointer)
    if number in sizes:
        return sizes[number]
    if len(path) >= MAX_LEVELS:
        raise _too_large(pointer)
    definition = known.get(str(number))
    if definition is None:
        return 0
    tree = tree_of(definition)
    inner = (_measure(n, known, self_id, (*path, number), sizes, pointer) for n in sorted(named(tree)))
    sizes[number] = _own_size(tree) + sum(inner)
    return sizes[number]


def _own_size(tree: Any) -> int:
    return sum(1 for _object in _objects(tree)) or 1


def _circle(
    path: tuple[int, ...], known: Mapping[str, dict[str, Any]], self_id: int | None, pointer: str
) -> Invalid:
    start = path.index(path[-1])
    circle = path[start:] if start < len(path) - 1 else path
    names = [known.get(str(number), {}).get("name") for number in circle]
    shown = " → ".join(_("“%(text)s”") % {"text": name} if name else _("this audience") for name in names)
    detail = _("The audiences would contain one another in a circle: %(names)s.") % {"names": shown}
    return Invalid(Problem("rule_audience_cycle", detail, pointer))


def _too_large(pointer: str) -> Invalid:
    detail = _("With the audiences it names, this grows beyond %(total)s conditions or %(levels)s levels.")
    return Invalid(Problem("rule_too_large", detail % {"total": MAX_TOTAL, "levels": MAX_LEVELS}, pointer))
