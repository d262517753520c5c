"""A rule becomes one SQL condition over `p`, the profiles table. Every value and attribute key is bound;
nothing a person wrote becomes SQL.
"""

from __future__ import annotations

from typing import Any

from accounts.models import Workspace
from audiences.query import EVERYBODY, Query, all_of, any_of
from audiences.rules import references
from audiences.rules.grammar import Condition, Node, parse
from audiences.rules.scope import Scope


def check(rule: Any, workspace: Workspace, self_id: int | None = None) -> None:
    """Raises Invalid with every fault. The rule must not reach `self_id`, the audience it is saved to."""
    scope = scope_of(rule, workspace)
    parse(rule, scope)
    references.check(rule, scope.audiences, self_id)


def scope_of(tree: Any, workspace: Workspace) -> Scope:
    """With the audiences as they are now."""
    return Scope(workspace, references.load(tree, workspace.pk))


def compile_rule(rule: Any, workspace: Workspace) -> Query:
    """Raises Invalid as `check` does."""
    scope = scope_of(rule, workspace)
    group = parse(rule, scope)
    references.check(rule, scope.audiences, None)
    return condition(group, scope)


def condition(node: Node, scope: Scope) -> Query:
    """A condition about a missing value is unknown in SQL; here it counts as not met, also under “none”."""
    if isinstance(node, Condition):
        return node.kind.sql(node.asked, scope)
    parts = [condition(inner, scope) for inner in node.nodes]
    if not parts:
        return EVERYBODY
    if node.kind == "all":
        return all_of(parts)
    return any_of(parts) if node.kind == "any" else any_of(parts).opposite()
