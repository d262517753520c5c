"""Reads a rule, checks every node and names each fault by its place in the tree.

    {"all": [{"field": "city", "op": "is", "value": "Taipei"}, {"any": [...]}, {"none": [...]}]}

The empty rule means everybody. What comes out is typed; SQL and words are made of it without another check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from audiences.rules.fields import EMPTY
from audiences.rules.kinds import KINDS, Kind
from audiences.rules.reading import MAX_LIST, MAX_TEXT, Reader
from audiences.rules.scope import Scope
from common.errors import Invalid, Problem

__all__ = ["GROUPS", "MAX_DEPTH", "MAX_LIST", "MAX_NODES", "MAX_TEXT", "VALUELESS", "parse", "read"]
GROUPS = ("all", "any", "none")
MAX_DEPTH, MAX_NODES = 8, 200
VALUELESS = EMPTY


@dataclass(frozen=True)
class Condition:
    """`asked` is what the kind's own `read` made of it."""

    kind: Kind
    asked: Any


@dataclass(frozen=True)
class Group:
    kind: str  # all, any, none
    nodes: tuple[Condition | Group, ...]


Node = Condition | Group
EVERYBODY = Group("all", ())


def parse(rule: Any, scope: Scope) -> Group:
    """Raises Invalid with every fault found; pointers are JSON pointers such as /all/0/value."""
    reader = Reader(scope)
    group = read(rule, reader, "")
    reader.finish()
    assert group is not None
    return group


def read(rule: Any, reader: Reader, pointer: str) -> Group | None:
    """A whole rule that stands at `pointer`; None after noting its faults."""
    if not isinstance(rule, dict):
        reader.fault("rule_not_object", _("A rule is an object such as {“all”: […]}."), pointer)
        return None
    if not rule:
        return EVERYBODY
    node = _node(rule, reader, pointer, 1)
    return Group("all", (node,)) if isinstance(node, Condition) else node


def _node(raw: Any, reader: Reader, pointer: str, depth: int) -> Node | None:
    reader.count += 1
    if reader.count > MAX_NODES or depth > MAX_DEPTH:
        detail = _("A rule may hold %(nodes)s conditions in %(depth)s levels.")
        raise Invalid(Problem("rule_too_large", detail % {"nodes": MAX_NODES, "depth": MAX_DEPTH}, pointer))
    if not isinstance(raw, dict):
        reader.fault("rule_not_object", _("Here stands no condition and no group."), pointer)
        return None
    groups = [key for key in raw if key in GROUPS]
    if groups:
        return _group(raw, groups[0], reader, pointer, depth)
    return _condition(raw, reader, pointer)


def _group(raw: dict[str, Any], kind: str, reader: Reader, pointer: str, depth: int) -> Group | None:
    if len(raw) != 1 or not isinstance(raw[kind], list):
        detail = _("A group has exactly one of all, any, none, with a list of conditions.")
        reader.fault("rule_bad_group", detail, pointer)
        return None
    nodes = [
        _node(item, reader, f"{pointer}/{kind}/{place}", depth + 1) for place, item in enumerate(raw[kind])
    ]
    return Group(kind, tuple(node for node in nodes if node is not None))


def _condition(raw: dict[str, Any], reader: Reader, pointer: str) -> Condition | None:
    # A condition of a field is the most common one, and what stands for one that names nothing.
    kind = next((KINDS[key] for key in KINDS if key in raw), KINDS["field"])
    if not reader.knows_keys(raw, kind.KEYS, pointer):
        return None
    asked = kind.read(raw, reader, pointer)
    return None if asked is None else Condition(kind, asked)
