"""The verbs of approval policies, and of the stand-ins approvers name. An active policy is read-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import MANAGE_WORKSPACE, Actor, is_member, may, require
from accounts.models import Role, User, Workspace
from campaigns import policies
from campaigns.approvals import APPROVE
from campaigns.models import ApprovalPolicy, Campaign, Folder, StandIn
from campaigns.policies import Leaf
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.text import is_storable

MOST = 20  # conditions, and approvers
KEYED = ("folder", "requester", "requester_role")  # conditions that name a row
FIELDS = ("name", "description", "priority", "is_default", "conditions", "approvers", "remind_hours")


def policies_for(actor: Actor, workspace: Workspace) -> QuerySet[ApprovalPolicy]:
    """Raises PermissionMissing for who does not manage the workspace."""
    require(actor, MANAGE_WORKSPACE, workspace)
    return ApprovalPolicy.objects.filter(workspace=workspace)


def policy_for(actor: Actor, workspace: Workspace, pk: int) -> ApprovalPolicy:
    found = policies_for(actor, workspace).filter(pk=pk).select_related("workspace").first()
    if found is None:
        raise NotFound(_("There is no such approval policy."))
    return found


@transaction.atomic
def save(
    policy: ApprovalPolicy | None, *, workspace: Workspace, actor: Actor, now: datetime, **values: Any
) -> ApprovalPolicy:
    """A new policy, inactive, or new values for one that is inactive. Raises Invalid."""
    require(actor, MANAGE_WORKSPACE, workspace)
    if unknown := set(values) - set(FIELDS):
        raise TypeError(f"not fields of a policy: {unknown}")
    row = _locked(policy) if policy else ApprovalPolicy(workspace=workspace, created_at=now)
    if row.is_active:
        raise IllegalTransition(_("An active policy cannot be changed. Deactivate it first."))
    check(workspace, values)
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    row.changed_at = now
    if policy is None:
        row.created_by = actor if isinstance(actor, User) else None
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        detail = _("There is a policy called “%(name)s” already.") % {"name": row.name}
        raise Invalid(Problem("name_taken", detail, "name")) from error
    changes = {name: [before[name], values[name]] for name in values if before[name] != values[name]}
    verb = "change" if policy else "create"
    audit.record(actor=actor, verb=verb, obj=row, workspace=workspace, now=now, changes=changes)
    return row


def _locked(policy: ApprovalPolicy) -> ApprovalPolicy:
    rows = ApprovalPolicy.objects.select_for_update(of=("self",)).select_related("workspace")
    return rows.get(pk=policy.pk)


@transaction.atomic
def switch(policy: ApprovalPolicy, *, on: bool, actor: Actor, now: datetime) -> None:
    """Activates or deactivates. From the first active policy on, every campaign asks for approval."""
    require(actor, MANAGE_WORKSPACE, policy.workspace)
    row = _locked(policy)
    if row.is_active == on:
        return
    if on:
        check(row.workspace, {"conditions": row.conditions, "approvers": row.approvers})
    row.is_active, row.changed_at = on, now
    row.activated_at = now if on else row.activated_at
    row.save(update_fields=["is_active", "activated_at", "changed_at"])
    verb = "activate" if on else "deactivate"
    audit.record(actor=actor, verb=verb, obj=row, workspace=row.workspace, now=now)


@transaction.atomic
def delete(policy: ApprovalPolicy, *, actor: Actor, now: datetime) -> None:
    require(actor, MANAGE_WORKSPACE, policy.workspace)
    row = _locked(policy)
    if row.is_active:
        raise IllegalTransition(_("An active policy cannot be deleted. Deactivate it first."))
    audit.record(actor=actor, verb="delete", obj=row, workspace=row.workspace, now=now)
    row.delete()


# ---- what is asked of a policy's values ---------------------------------------------------------


def check(workspace: Workspace, values: dict[str, Any]) -> None:
    """Raises Invalid; an id of another workspace is as unknown as one that does not exist."""
    problems = [
        *_condition_problems(workspace, values.get("conditions") or {}),
        *_approver_problems(workspace, values.get("approvers")),
    ]
    if "name" in values and not str(values["name"]).strip():
        problems.append(Problem("name_missing", _("Give it a name."), "name"))
    if problems:
        raise Invalid(problems)


def _condition_problems(workspace: Workspace, conditions: dict[str, Any]) -> list[Problem]:
    rows = conditions.get("rows", [])
    if len(rows) > MOST:
        detail = _("At most %(most)s conditions.") % {"most": MOST}
        return [Problem("too_many", detail, "conditions")]
    problems = []
    for at, row in enumerate(rows):
        field, value = row.get("field"), row.get("value")
        if field not in policies.FIELDS or not _is_value(workspace, field, value):
            told = _("Condition %(number)s is not complete.")
            if field in KEYED and isinstance(value, int):
                told = _("Condition %(number)s asks for what is no longer here.")
            problems.append(Problem("bad_condition", told % {"number": at + 1}, "conditions"))
    return problems


def _is_value(workspace: Workspace, field: str, value: Any) -> bool:
    if field == "type":
        return value in Campaign.Type.values
    if field == "category":
        return value in Campaign.Category.values
    if field in ("channel", "tag", "name"):
        return isinstance(value, str) and bool(value.strip()) and len(value) <= 100 and is_storable(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
        return False
    if field == "audience_size":
        return True
    if field == "folder":
        return Folder.objects.filter(workspace=workspace, pk=value).exists()
    return _is_known({"user" if field == "requester" else "role": value}, workspace)


def _approver_problems(workspace: Workspace, tree: dict[str, Any] | None) -> list[Problem]:
    if tree is None:
        return []
    leaves = list(policies.leaves(tree))
    if not leaves:
        return [Problem("approvers_missing", _("Say who approves."), "approvers")]
    if len(leaves) > MOST:
        return [Problem("too_many", _("At most %(most)s approvers.") % {"most": MOST}, "approvers")]
    if not all(_is_known(leaf, workspace) for leaf in leaves):
        return [Problem("unknown", _("This is not known here. Choose from the list."), "approvers")]
    return []


def _is_known(leaf: Leaf, workspace: Workspace) -> bool:
    if "role" in leaf:
        return Role.objects.filter(workspace=workspace, pk=leaf["role"]).exists()
    return User.objects.filter(groups__role__workspace=workspace, pk=leaf.get("user", 0)).exists()


# ---- stand-ins ----------------------------------------------------------------------------------


def stand_ins_of(person: User, workspace: Workspace, *, now: datetime) -> list[StandIn]:
    rows = StandIn.objects.filter(workspace=workspace, person=person, ends_at__gt=now)
    return list(rows.select_related("stand_in"))


@transaction.atomic
def name_stand_in(
    workspace: Workspace,
    *,
    stand_in: User,
    begins_at: datetime,
    ends_at: datetime,
    actor: User,
    now: datetime,
) -> StandIn:
    """The actor's own stand-in. Raises Invalid for who may not approve themselves: nobody lends more."""
    require(actor, APPROVE, workspace)
    if stand_in == actor or not is_member(stand_in, workspace) or not may(stand_in, APPROVE, workspace):
        detail = _("Choose somebody else who may approve campaigns here.")
        raise Invalid(Problem("bad_stand_in", detail, "stand_in"))
    if ends_at <= begins_at or ends_at <= now:
        raise Invalid(
            Problem("bad_period", _("The end must lie after the start and in the future."), "ends_at")
        )
    row = StandIn.objects.create(
        workspace=workspace, person=actor, stand_in=stand_in, begins_at=begins_at, ends_at=ends_at
    )
    details = {"stand_in": stand_in.pk, "begins_at": begins_at, "ends_at": ends_at}
    audit.record(actor=actor, verb="name stand-in", obj=row, workspace=workspace, now=now, **details)
    return row


@transaction.atomic
def end_stand_in(workspace: Workspace, pk: int, *, actor: User, now: datetime) -> None:
    row = StandIn.objects.filter(workspace=workspace, person=actor, pk=pk).first()
    if row is None:
        raise NotFound(_("There is no such stand-in."))
    audit.record(actor=actor, verb="end stand-in", obj=row, workspace=workspace, now=now)
    row.delete()
