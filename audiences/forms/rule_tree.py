"""The rule's tree as a form shows it: groups and lines, each named by its path, with the texts as typed.

A path says parent and order at once (`n-0-2` is the third part of the first part), so that a posted form
cannot name a node that is its own parent. Every change returns what is said of it, for who cannot see it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from audiences.forms import lines
from audiences.forms.lines.parts import Given, first
from audiences.forms.lines.vocabulary import Vocabulary
from audiences.rules.grammar import GROUPS, MAX_DEPTH, MAX_NODES
from common.errors import Invalid, Problem

LINE = "line"
Path = tuple[int, ...]
NAME = re.compile(r"n((?:-\d{1,4})*)__([a-z]{1,20}(?:_[a-z]{1,20})?)")
NODE_ID = re.compile(r"n((?:-\d{1,4})*)")


@dataclass
class Node:
    kind: str  # all, any, none, or line
    nodes: list[Node] = field(default_factory=list)
    given: Given = field(default_factory=dict)
    path: Path = ()
    faults: list[tuple[str, str]] = field(default_factory=list)  # (place, text)

    @property
    def id(self) -> str:
        return id_of(self.path)

    @property
    def place(self) -> str:
        """As people count: 2.1 is the first part of the second."""
        return ".".join(str(step + 1) for step in self.path)

    @property
    def is_blank(self) -> bool:
        return self.kind == LINE and not first(self.given, "what")

    @property
    def may_hold_groups(self) -> bool:
        """A group in it could still hold a condition."""
        return len(self.path) + 3 <= MAX_DEPTH

    @property
    def may_hold_lines(self) -> bool:
        return len(self.path) + 2 <= MAX_DEPTH

    def everything(self) -> Iterator[Node]:
        yield self
        for node in self.nodes:
            yield from node.everything()


class Tree:
    """`shape` remembers how the root was written: as a `group`, as a single `line`, or as nothing at all."""

    def __init__(self, root: Node, shape: str, known: Vocabulary) -> None:
        self.root, self.shape, self.known = root, shape, known
        self.lay_out()

    def lay_out(self) -> None:
        """Gives every node the path it now has."""
        waiting = [self.root]
        for node in waiting:
            for place, child in enumerate(node.nodes):
                child.path = (*node.path, place)
                waiting.append(child)

    def at(self, node_id: str) -> Node:
        """Raises Invalid for what is no node of this tree."""
        found, match = self.root, NODE_ID.fullmatch(node_id)
        for step in _steps(match[1]) if match else (-1,):
            if not 0 <= step < len(found.nodes):
                raise Invalid(Problem("rule_no_such_place", _("The rule has no such place any more."), ""))
            found = found.nodes[step]
        return found

    def parent(self, node: Node) -> Node:
        return self.at(id_of(node.path[:-1]))

    # ---- to and from JSON ---------------------------------------------------------------------

    def rule(self, *, with_blanks: bool = True) -> Any:
        """The rule as JSON values. A blank line is one where nothing was chosen yet."""
        is_empty = all(node.is_blank and not with_blanks for node in self.root.nodes)
        if is_empty and self.root.kind == "all" and self.shape != "group":
            return {}
        return self._json(self.root.nodes[0] if self._is_single() else self.root, with_blanks)

    def _is_single(self) -> bool:
        is_line = [node.kind for node in self.root.nodes] == [LINE]
        return is_line and self.root.kind == "all" and self.shape == LINE

    def _json(self, node: Node, with_blanks: bool) -> Any:
        if node.kind == LINE:
            return lines.write(node.given, self.known)
        return {
            node.kind: [self._json(one, with_blanks) for one in node.nodes if with_blanks or not one.is_blank]
        }

    def mark(self, problems: Iterable[Problem]) -> list[str]:
        """Puts each fault of `rule()` beside its node; returns those that belong to none."""
        pointers = {"": self.root.nodes[0]} if self._is_single() else dict(self._pointers(self.root, ""))
        rest = []
        for problem in problems:
            pointer = problem.pointer
            while pointer and pointer not in pointers:
                pointer = pointer.rpartition("/")[0]
            node, place = pointers.get(pointer), problem.pointer[len(pointer) :].strip("/").split("/")[0]
            detail = _sendable(problem.detail)
            if node is None:
                rest.append(detail)
            elif node.is_blank:
                node.faults = [("what", _("Choose what this line asks about, or remove it."))]
            else:
                node.faults.append((place if place in node.given else "what", detail))
        return rest

    def _pointers(self, node: Node, pointer: str) -> Iterator[tuple[str, Node]]:
        yield pointer, node
        for place, child in enumerate(node.nodes):
            yield from self._pointers(child, f"{pointer}/{node.kind}/{place}")

    # ---- changes ------------------------------------------------------------------------------

    def add(self, node_id: str, kind: str) -> tuple[str, str]:
        """A line or a group as the last part of a group. Returns (what is said, the node to stand on)."""
        group = self.at(node_id)
        is_possible = group.may_hold_lines if kind == LINE else group.may_hold_groups
        if group.kind == LINE or not is_possible or sum(1 for _one in self.root.everything()) >= MAX_NODES:
            return _limits(), group.id
        new = Node(LINE) if kind == LINE else Node("any", [Node(LINE)])
        group.nodes.append(new)
        self.lay_out()
        return (_("Condition added.") if kind == LINE else _("Group added.")), new.id

    def remove(self, node_id: str) -> tuple[str, str]:
        node = self.at(node_id)
        if node is self.root:
            return _("The outermost group stays."), node.id
        parent = self.parent(node)
        parent.nodes.pop(node.path[-1])
        self.lay_out()
        said = _("Condition removed.") if node.kind == LINE else _("Group removed with all that was in it.")
        return said, (parent.nodes[min(node.path[-1], len(parent.nodes) - 1)] if parent.nodes else parent).id

    def step(self, node_id: str, direction: int) -> tuple[str, str]:
        """One place up or down as a reader goes through the rule: also into a group and out of it."""
        node = self.at(node_id)
        if node is self.root:
            return _("The outermost group stays."), node.id
        parent, place = self.parent(node), node.path[-1]
        beside = place + direction
        if 0 <= beside < len(parent.nodes):
            target = parent.nodes[beside]
            if target.kind != LINE and _fits(node, target):
                return self._put(node, target, len(target.nodes) if direction < 0 else 0)
            return self._put(node, parent, beside)
        if parent is self.root:
            return _("It is already at the end."), node.id
        return self._put(node, self.parent(parent), parent.path[-1] + (direction > 0))

    def move(self, node_id: str, group_id: str, place: int) -> tuple[str, str]:
        """Before the part that now stands at `place` of the group; last for any larger number."""
        node, group = self.at(node_id), self.at(group_id)
        is_inside = group.path[: len(node.path)] == node.path
        if group.kind == LINE or is_inside or not _fits(node, group):
            return _("It cannot stand there."), node.id
        if group is self.parent(node) and place > node.path[-1]:
            place -= 1
        return self._put(node, group, place)

    def _put(self, node: Node, group: Node, place: int) -> tuple[str, str]:
        self.parent(node).nodes.pop(node.path[-1])
        group.nodes.insert(place, node)
        self.lay_out()
        said = _("Moved to place %(place)s of %(count)s in its group, level %(level)s.")
        words = {"place": node.path[-1] + 1, "count": len(group.nodes), "level": len(node.path)}
        return said % words, node.id


def of_rule(rule: Any, known: Vocabulary) -> Tree:
    """Of any JSON object; what is no condition and no group becomes a line of JSON."""
    if not rule:
        return Tree(Node("all"), "empty", known)
    root = _node(rule, known, 1)
    if sum(1 for _one in root.everything()) > MAX_NODES:
        raise _too_large()
    if root.kind == LINE:
        return Tree(Node("all", [root]), LINE, known)
    return Tree(root, "group", known)


def _node(raw: Any, known: Vocabulary, depth: int) -> Node:
    kind = next(iter(raw)) if isinstance(raw, dict) and len(raw) == 1 else ""
    if kind in GROUPS and isinstance(raw[kind], list) and depth < MAX_DEPTH and len(raw[kind]) < MAX_NODES:
        return Node(kind, [_node(one, known, depth + 1) for one in raw[kind]])
    return Node(LINE, given=lines.read(raw, known))


def of_post(lists: Iterable[tuple[str, list[str]]], known: Vocabulary) -> Tree:
    """Of the inputs `n-0-1__value` and their texts. Raises Invalid for a tree no page of ours sends."""
    inputs: dict[Path, Given] = {}
    for name, texts in lists:
        if match := NAME.fullmatch(name):
            inputs.setdefault(_steps(match[1]), {})[match[2]] = texts
    nodes: dict[Path, Node] = {}
    if len(inputs) > MAX_NODES + 1 or any(len(path) >= MAX_DEPTH for path in inputs):
        raise _too_large()
    for path in sorted(inputs, key=lambda path: (len(path), path)):
        node = Node(first(inputs[path], "kind"), given=inputs[path])
        above = nodes.get(path[:-1])
        if node.kind not in (*GROUPS, LINE) or (path and (above is None or above.kind == LINE)):
            raise _broken()
        nodes[path] = node
        if above and path:
            above.nodes.append(node)
    if () not in nodes or nodes[()].kind == LINE:
        raise _broken()
    return Tree(nodes[()], first(inputs[()], "shape"), known)


def _limits() -> str:
    detail = _("A rule may hold %(nodes)s conditions in %(depth)s levels.")
    return detail % {"nodes": MAX_NODES, "depth": MAX_DEPTH}


def _too_large() -> Invalid:
    return Invalid(Problem("rule_too_large", _limits(), ""))


def _broken() -> Invalid:
    return Invalid(Problem("rule_broken_form", _("The form of the rule is broken. Load the page again."), ""))


def _fits(node: Node, group: Node) -> bool:
    """Whether the deepest part of the node would still be within the levels a rule may have."""
    height = max(len(one.path) for one in node.everything()) - len(node.path)
    return len(group.path) + 2 + height <= MAX_DEPTH


def _steps(text: str) -> Path:
    return tuple(int(step) for step in text.split("-")[1:])


def id_of(path: Path) -> str:
    return "-".join(["n", *map(str, path)])


def _sendable(text: str) -> str:
    return str(text).encode("utf-8", "replace").decode()
