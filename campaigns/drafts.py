"""Writes drafts. Two people may have one open; the second to save is told who was faster."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import User, Workspace
from campaigns import schedule, waves
from campaigns.models import Action, Campaign
from common.errors import Conflict, IllegalTransition, Invalid, Problem

MANAGE = "campaigns.manage_campaign"
FIELDS = (
    "name",
    "description",
    "tags",
    "audience",
    "starts_at",
    "ends_at",
    "schedule",
    "waves",
    "rate",
    "create_profiles",
    "high_throughput",
    "on_uncertain",
    "rule_set",
)
CONTENT = ("subject", "preheader", "html", "text")


@transaction.atomic
def create(
    workspace: Workspace, *, name: str, type: str, category: str, actor: Actor, now: datetime
) -> Campaign:
    """A draft with one empty email. Type and category are fixed from here on."""
    require(actor, MANAGE, workspace)
    author = actor if isinstance(actor, User) else None
    campaign = Campaign.objects.create(
        workspace=workspace,
        name=name,
        type=type,
        category=category,
        owner=author,
        created_by=author,
        edited_by=author,
        created_at=now,
        changed_at=now,
    )
    Action.objects.create(campaign=campaign, content=dict.fromkeys(CONTENT, ""))
    audit.record(actor=actor, verb="create", obj=campaign, workspace=workspace, now=now)
    return campaign


@transaction.atomic
def save(campaign: Campaign, *, revision: int, actor: Actor, now: datetime, **changes: Any) -> Campaign:
    """Saves what is given of FIELDS, CONTENT and `configuration` into the draft.

    Raises Conflict when somebody saved since `revision`, IllegalTransition when it is no draft any more.
    """
    locked = (
        Campaign.objects.select_for_update(of=("self",))
        .select_related("workspace", "edited_by")
        .get(pk=campaign.pk)
    )
    require(actor, MANAGE, locked)
    if not locked.is_editable:
        detail = _("It is “%(state)s” and cannot be edited now.") % {"state": locked.get_status_display()}
        raise IllegalTransition(detail, state=locked.status)
    if locked.revision != revision:
        detail = _("%(who)s saved it at %(at)s. Your text is still here; load the page to see theirs.")
        saved_at = timezone.localtime(locked.changed_at)
        raise Conflict(detail % {"who": locked.edited_by or _("Somebody"), "at": f"{saved_at:%H:%M:%S}"})
    for related in ("audience", "configuration", "rule_set"):
        if (chosen := changes.get(related)) and chosen.workspace_id != locked.workspace_id:
            raise Invalid(Problem("unknown", _("This is not known here. Choose from the list."), related))
    for name, clean in (("schedule", schedule.clean), ("waves", waves.clean)):
        if name in changes:
            changes[name] = clean(changes[name])
    for name in FIELDS:
        if name in changes:
            setattr(locked, name, changes[name])
    _save_action(locked, changes)
    locked.revision += 1
    locked.edited_by = actor if isinstance(actor, User) else None
    locked.changed_at = now
    locked.save()
    audit.record(
        actor=actor, verb="save", obj=locked, workspace=locked.workspace, now=now, fields=sorted(changes)
    )
    return locked


def _save_action(campaign: Campaign, changes: dict[str, Any]) -> None:
    action = Action.objects.get(campaign=campaign, position=0)
    if "configuration" in changes:
        action.configuration = changes["configuration"]
    action.content = {**action.content, **{name: changes[name] for name in CONTENT if name in changes}}
    action.save()
