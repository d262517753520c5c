"""A checked rule as a sentence in the reader's language: “City is Taipei and (Tier is gold or …)”."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import Workspace
from audiences.rules.compile import scope_of
from audiences.rules.grammar import Condition, Group, Node, parse
from audiences.rules.phrases import PHRASES
from audiences.rules.scope import Scope

__all__ = ["PHRASES", "sentence", "words"]


def sentence(rule: Any, workspace: Workspace) -> str:
    """Raises Invalid as `grammar.parse` does."""
    scope = scope_of(rule, workspace)
    return words(parse(rule, scope), scope)


def words(group: Group, scope: Scope) -> str:
    if not group.nodes:
        return _("Everybody in the workspace")
    return _group(group, scope, outermost=True)


def _group(group: Group, scope: Scope, *, outermost: bool = False) -> str:
    if not group.nodes:
        return _("everybody")
    parts = [_node(node, scope) for node in group.nodes]
    joiner = (
        pgettext("between conditions", " and ")
        if group.kind == "all"
        else pgettext("between conditions", " or ")
    )
    text = joiner.join(parts)
    if group.kind == "none":
        return _("none of these: %(conditions)s") % {
            "conditions": text if outermost else _("(%(conditions)s)") % {"conditions": text}
        }
    return text if outermost or len(parts) == 1 else _("(%(conditions)s)") % {"conditions": text}


def _node(node: Node, scope: Scope) -> str:
    return node.kind.words(node.asked, scope) if isinstance(node, Condition) else _group(node, scope)
