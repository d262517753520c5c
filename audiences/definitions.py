"""What defines an audience: is it sound, and how does it read? One question for every kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.access import Actor, visible_to
from accounts.models import Workspace
from audiences import composition, membership
from audiences.access import VIEW
from audiences.models import Audience
from audiences.rules import compile, references
from audiences.rules.engagement import LENT
from common.errors import Invalid, PermissionMissing, Problem

HIDDEN = gettext_lazy("It is built upon an audience or a campaign that you may not see.")


def check(audience: Audience, actor: Actor) -> None:
    """Raises Invalid with every fault and its place in the rule or composition, or at `topic`."""
    with veiled(references.tree_of(references.one(audience)), audience.workspace, actor):
        _check(audience)


@contextmanager
def veiled(tree: Any, workspace: Workspace, actor: Actor) -> Iterator[None]:
    """A fault told inside names the audiences of a circle only when the actor may see them all."""
    try:
        yield
    except Invalid as error:
        if not names_hidden(tree, workspace, actor):
            raise
        detail = _("The audiences would contain one another in a circle.")
        raise Invalid(
            Problem(one.code, detail, one.pointer) if one.code == "rule_audience_cycle" else one
            for one in error.problems
        ) from error


def _check(audience: Audience) -> None:
    if audience.kind == Audience.Kind.RULE:
        compile.check(audience.rule, audience.workspace, self_id=audience.pk)
    elif audience.kind == Audience.Kind.COMPOSITION:
        composition.check(audience.composition, audience.workspace, self_id=audience.pk)
    elif audience.kind == Audience.Kind.SUBSCRIPTION:
        _check_topic(audience)


def check_named(tree: Any, before: Any, workspace: Workspace, actor: Actor) -> None:
    """Nobody builds upon an audience or a campaign they may not see: to them it does not exist. What stood
    there stays.
    """
    new = _added(tree, before, "audience")
    rows = Audience.objects.filter(workspace=workspace, pk__in=new)
    seen = set(visible_to(actor, rows, VIEW).values_list("pk", flat=True))
    detail = _("There is no audience %(number)s in this workspace.")
    faults = _unseen(new, seen, "rule_unknown_audience", detail)
    if new := _added(tree, before, "campaign"):
        seen = {number for number, _name in LENT.campaigns(actor, workspace)}
        detail = _("There is no campaign %(number)s in this workspace.")
        faults += _unseen(new, seen, "rule_unknown_campaign", detail)
    if faults:
        raise Invalid(faults)


def _added(tree: Any, before: Any, kind: str) -> dict[int, str]:
    """What the tree names and the one before did not, with the place of each."""
    named, stood = references.named(tree, kind), references.named(before, kind)
    return {number: pointer for number, pointer in named.items() if number not in stood}


def _unseen(named: dict[int, str], seen: set[int], code: str, detail: str) -> list[Problem]:
    return [
        Problem(code, detail % {"number": number}, pointer)
        for number, pointer in named.items()
        if number not in seen
    ]


def _check_topic(audience: Audience) -> None:
    topic = audience.topic
    if topic is None or topic.workspace_id != audience.workspace_id:
        raise Invalid(Problem("topic_missing", _("Choose one of the workspace's topics."), "topic"))
    if topic.archived_at:
        detail = _("The topic “%(name)s” is archived; nobody can subscribe to it.") % {"name": topic}
        raise Invalid(Problem("topic_archived", detail, "topic"))


def is_hidden(audience: Audience, actor: Actor) -> bool:
    """Whether it is built, however deep, upon an audience or a campaign that the actor may not see."""
    return names_hidden(references.tree_of(references.one(audience)), audience.workspace, actor)


def names_hidden(tree: Any, workspace: Workspace, actor: Actor) -> bool:
    """The same of a rule or a composition."""
    below = references.load(tree, workspace.pk)
    rows = Audience.objects.filter(workspace=workspace, pk__in=[int(number) for number in below])
    if below and visible_to(actor, rows, VIEW).count() < rows.count():
        return True
    trees = [tree, *map(references.tree_of, below.values())]
    campaigns = {number for one in trees for number in references.named(one, "campaign")}
    if not campaigns:
        return False
    hidden = campaigns - {number for number, _name in LENT.campaigns(actor, workspace)}
    return any(LENT.campaign(workspace.pk, number) is not None for number in hidden)


def require_open(audience: Audience, actor: Actor) -> None:
    """Raises PermissionMissing where telling the definition would tell of an audience that is hidden."""
    if is_hidden(audience, actor):
        raise PermissionMissing(VIEW, str(HIDDEN))


def words(audience: Audience, actor: Actor) -> str:
    """The definition as a sentence in the reader's language; what is wrong with it, where it is broken."""
    if is_hidden(audience, actor):
        return str(HIDDEN)
    try:
        return membership.sentence(references.one(audience), audience.workspace)
    except Invalid as error:
        return error.detail
