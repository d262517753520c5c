"""Folders of campaigns: a tree per workspace. A folder shows no campaign to anybody who may not see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from campaigns.access import MANAGE, VIEW
from campaigns.models import ApprovalPolicy, Campaign, Folder
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.text import has_control, is_blank

DEEPEST, LONGEST = 6, 100


@dataclass(frozen=True)
class Branch:
    """One folder in the order of the tree; `depth` counts from 0, `path` is written with slashes."""

    folder: Folder
    depth: int
    path: str


def tree(actor: Actor, workspace: Workspace) -> list[Branch]:
    """Every folder, each after the one it lies in, in one query."""
    require(actor, VIEW, workspace)
    inside: dict[int | None, list[Folder]] = {}
    for folder in Folder.objects.filter(workspace=workspace):
        inside.setdefault(folder.parent_id, []).append(folder)

    def walk(parent: int | None, depth: int, path: str) -> list[Branch]:
        found = []
        for folder in inside.get(parent, []):
            own = f"{path}{folder.name}"
            found += [Branch(folder, depth, own), *walk(folder.pk, depth + 1, f"{own} / ")]
        return found

    return walk(None, 0, "")


def within(workspace: Workspace, folder_id: int) -> set[int]:
    """The folder and all that lie in it; empty where there is no such folder."""
    rows = dict(Folder.objects.filter(workspace=workspace).values_list("pk", "parent"))
    found = {folder_id} & set(rows)
    while more := {pk for pk, parent in rows.items() if parent in found} - found:
        found |= more
    return found


def folder_for(actor: Actor, workspace: Workspace, pk: int) -> Folder:
    require(actor, VIEW, workspace)
    found = Folder.objects.filter(workspace=workspace, pk=pk).select_related("workspace").first()
    if found is None:
        raise NotFound(_("There is no such folder."))
    return found


@transaction.atomic
def create(workspace: Workspace, *, name: str, parent: Folder | None, actor: Actor, now: datetime) -> Folder:
    require(actor, MANAGE, workspace)
    _check(workspace, name, parent)
    folder = Folder(workspace=workspace, name=name.strip(), parent=parent)
    _save(folder)
    audit.record(actor=actor, verb="create", obj=folder, workspace=workspace, now=now)
    return folder


@transaction.atomic
def change(folder: Folder, *, name: str, parent: Folder | None, actor: Actor, now: datetime) -> Folder:
    """A new name or another place; never a place inside itself."""
    require(actor, MANAGE, folder.workspace)
    row = Folder.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=folder.pk)
    # Two moves at once could make a ring of folders: they wait for each other at the workspace.
    Workspace.objects.select_for_update(no_key=True).get(pk=row.workspace_id)
    _check(row.workspace, name, parent)
    if parent and parent.pk in within(row.workspace, row.pk):
        raise Invalid(Problem("folder_ring", _("A folder cannot lie inside itself."), "parent"))
    before = [row.name, row.parent_id]
    row.name, row.parent = name.strip(), parent
    _save(row)
    after = [row.name, row.parent_id]
    audit.record(
        actor=actor, verb="change", obj=row, workspace=row.workspace, now=now, before=before, after=after
    )
    return row


@transaction.atomic
def delete(folder: Folder, *, actor: Actor, now: datetime) -> None:
    """Only an empty one, whether or not the actor may see what lies in it; and none a policy asks about."""
    require(actor, MANAGE, folder.workspace)
    row = Folder.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=folder.pk)
    if Campaign.objects.filter(folder=row).exists() or row.children.exists():
        raise IllegalTransition(_("“%(name)s” is not empty.") % {"name": row.name})
    asked = {"rows": [{"field": "folder", "value": row.pk}]}
    policy = ApprovalPolicy.objects.filter(workspace=row.workspace, conditions__contains=asked).first()
    if policy is not None:
        detail = _("The approval policy “%(policy)s” asks whether a campaign lies in “%(name)s”.")
        raise IllegalTransition(detail % {"policy": policy.name, "name": row.name})
    audit.record(actor=actor, verb="delete", obj=row, workspace=row.workspace, now=now)
    row.delete()


def _check(workspace: Workspace, name: str, parent: Folder | None) -> None:
    if is_blank(name) or len(name) > LONGEST or has_control(name):
        detail = _("A name of up to %(longest)s characters.") % {"longest": LONGEST}
        raise Invalid(Problem("bad_name", detail, "name"))
    if parent is not None and parent.workspace_id != workspace.pk:
        raise Invalid(Problem("unknown", _("This is not known here. Choose from the list."), "parent"))
    depth, above = 1, parent
    while above is not None:
        depth, above = depth + 1, above.parent
        if depth > DEEPEST:
            detail = _("Folders lie at most %(deepest)s deep.") % {"deepest": DEEPEST}
            raise Invalid(Problem("too_deep", detail, "parent"))


def _save(folder: Folder) -> None:
    try:
        with transaction.atomic():
            folder.save()
    except IntegrityError as error:
        detail = _("There is a folder called “%(name)s” here already.") % {"name": folder.name}
        raise Invalid(Problem("name_taken", detail, "name")) from error
