"""Whether a person `p` is in an audience, for every kind of audience, as one SQL condition.

An audience enters as its definition (`evaluate.definition`): with `audiences`, those it names are frozen with
it; without, it names none or they are read as they are now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Workspace
from audiences import composition
from audiences.models import Audience
from audiences.query import Query
from audiences.rules import compile, consent, describe, references
from audiences.rules.grammar import parse
from audiences.rules.scope import Scope

Definition = dict[str, Any]


def freeze(audience: Audience) -> Definition:
    """Plain JSON that says who is in the audience, with everything it names. Raises Invalid for a circle."""
    frozen = references.one(audience)
    tree = references.tree_of(frozen)
    if known := references.load(tree, audience.workspace_id):
        references.check(tree, known, audience.pk)
        frozen["audiences"] = known
    return frozen


def scope_of(definition: Definition, workspace: Workspace) -> Scope:
    known = definition.get("audiences")
    if known is None:
        tree = references.tree_of(definition)
        known = references.load(tree, workspace.pk)
        references.check(tree, known, None)
    return Scope(workspace, known)


def members(definition: Definition, workspace: Workspace) -> Query:
    """Raises Invalid when the rule or the composition is wrong."""
    return condition(definition, scope_of(definition, workspace))


def condition(definition: Definition, scope: Scope) -> Query:
    return BY_KIND[definition["kind"]](definition, scope)


def sentence(definition: Definition, workspace: Workspace) -> str:
    """Who is in it, in the reader's language. Raises Invalid as `members` does."""
    return words(definition, scope_of(definition, workspace))


def words(definition: Definition, scope: Scope) -> str:
    kind = definition["kind"]
    if kind == Audience.Kind.RULE:
        return describe.words(parse(definition["rule"], scope), scope)
    if kind == Audience.Kind.COMPOSITION:
        return composition.words(composition.parse(definition["composition"], scope), scope)
    if kind == Audience.Kind.UPLOAD:
        return _("The people of the uploaded list “%(name)s”") % {"name": definition["name"]}
    topics = [topic.name for topic in scope.topics.values() if topic.pk == definition.get("topic")]
    return _("The people who subscribed to “%(topic)s” by email") % {"topic": "".join(topics)}


def _rule(definition: Definition, scope: Scope) -> Query:
    return compile.condition(parse(definition["rule"], scope), scope)


def _upload(definition: Definition, scope: Scope) -> Query:
    rows = "(SELECT 1 FROM audiences_audiencemember m WHERE m.audience_id = %s AND m.profile_id = p.id)"
    return Query(f"EXISTS {rows}", (definition["id"],), f"NOT EXISTS {rows}")


def _composition(definition: Definition, scope: Scope) -> Query:
    return composition.condition(composition.parse(definition["composition"], scope), scope)


def _subscription(definition: Definition, scope: Scope) -> Query:
    return consent.said("email", int(definition["topic"]), "yes")


BY_KIND: dict[str, Callable[[Definition, Scope], Query]] = {
    Audience.Kind.RULE: _rule,
    Audience.Kind.UPLOAD: _upload,
    Audience.Kind.COMPOSITION: _composition,
    Audience.Kind.SUBSCRIPTION: _subscription,
}
