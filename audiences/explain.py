"""“Why is this person (not) in?”: every condition and group of an audience as a sentence, met or not.

All conditions are asked in one statement, with the very SQL that finds the audience's members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from audiences import composition, membership
from audiences.composition import Branch, Joined, Lot, Named, Ranked, Ruled, Without
from audiences.models import Audience, Profile
from audiences.query import Query
from audiences.rules.audience import InAudience
from audiences.rules.grammar import Condition, parse
from audiences.rules.grammar import Node as RuleNode
from audiences.rules.scope import Scope


@dataclass
class Explained:
    """One part of the audience. `children` are the parts it is made of; a condition has none."""

    sentence: str
    met: bool
    children: list[Explained] = field(default_factory=list)


Combine = Callable[[Sequence[bool]], bool]


@dataclass
class _Part:
    """A part to be asked (`asked`), or one that follows from its children (`combine`)."""

    sentence: str
    asked: Query | None = None
    combine: Combine = all
    children: list[_Part] = field(default_factory=list)


def explain(definition: dict[str, Any], profile: Profile) -> Explained:
    """Raises Invalid when the audience's rule or composition is wrong."""
    scope = membership.scope_of(definition, profile.workspace)
    part = _of_definition(definition, scope)
    asked = list(_questions(part))
    return _answered(part, iter(_ask(asked, profile)))


def _ask(asked: list[Query], profile: Profile) -> list[bool]:
    if not asked:
        return []
    answers = ", ".join(f"({query.sql}) IS TRUE" for query in asked)
    values = [value for query in asked for value in query.params]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ARRAY[{answers}] FROM audiences_profile p WHERE p.id = %s AND p.workspace_id = %s",
            [*values, profile.pk, profile.workspace_id],
        )
        row = cursor.fetchone()
    return list(row[0]) if row else [False] * len(asked)


def _questions(part: _Part) -> list[Query]:
    found = [part.asked] if part.asked else []
    return found + [query for child in part.children for query in _questions(child)]


def _answered(part: _Part, answers: Any) -> Explained:
    own = next(answers) if part.asked else None
    children = [_answered(child, answers) for child in part.children]
    met = part.combine([child.met for child in children]) if own is None else bool(own)
    return Explained(part.sentence, met, children)


# ---- an audience and its rule ------------------------------------------------------------------------------


def _of_definition(definition: dict[str, Any], scope: Scope) -> _Part:
    if definition["kind"] == Audience.Kind.RULE:
        return _of_rule(parse(definition["rule"], scope), scope)
    if definition["kind"] == Audience.Kind.COMPOSITION:
        return _of_composition(composition.parse(definition["composition"], scope), scope)
    return _Part(membership.words(definition, scope), membership.condition(definition, scope))


def _no(met: Sequence[bool]) -> bool:
    return not any(met)


def _of_rule(node: RuleNode, scope: Scope) -> _Part:
    if isinstance(node, Condition):
        return _of_condition(node, scope)
    if not node.nodes:
        return _Part(_("Everybody in the workspace"))
    children = [_of_rule(inner, scope) for inner in node.nodes]
    if len(children) == 1 and node.kind != "none":
        return children[0]
    combine: dict[str, tuple[str, Combine]] = {
        "all": (_("All of these:"), all),
        "any": (_("At least one of these:"), any),
        "none": (_("None of these:"), _no),
    }
    sentence, how = combine[node.kind]
    return _Part(sentence, None, how, children)


def _of_condition(node: Condition, scope: Scope) -> _Part:
    sentence = node.kind.words(node.asked, scope)
    if isinstance(node.asked, InAudience):
        inner = _of_definition(node.asked.definition, scope)
        return _Part(sentence, None, all if node.asked.op == "in" else _no, [inner])
    return _Part(sentence, node.kind.sql(node.asked, scope))


# ---- a composition -----------------------------------------------------------------------------------------


def _of_composition(node: composition.Node, scope: Scope) -> _Part:
    if isinstance(node, Named):
        inner = _of_definition(node.definition, scope)
        return _Part(composition.words(node, scope), None, all, [inner])
    if isinstance(node, Ruled):
        return _of_rule(node.rule, scope)
    if isinstance(node, Joined):
        children = [_of_composition(part, scope) for part in node.parts]
        if node.kind == "union":
            return _Part(_("At least one of these:"), None, any, children)
        return _Part(_("All of these:"), None, all, children)
    if isinstance(node, Without):
        removed = [_of_composition(part, scope) for part in node.removed]
        nobody = _Part(_("None of these:"), None, _no, removed)
        return _Part(_("All of these:"), None, all, [_of_composition(node.source, scope), nobody])
    if isinstance(node, Ranked):
        # Whether somebody is among the first can only be asked as a whole.
        children = [_of_composition(node.of, scope)]
        return _Part(composition.words(node, scope), composition.condition(node, scope), all, children)
    return _of_split(node, scope)


def _of_split(node: Lot | Branch, scope: Scope) -> _Part:
    own = _Part(composition.own_words(node, scope), composition.own_condition(node, scope))
    return _Part(_("All of these:"), None, all, [_of_composition(node.of, scope), own])
