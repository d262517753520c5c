"""Writes drafts. Two people may have one open; the second to save is told who was faster.

`editing` is the one way in: it locks the row, tests state and revision, and leaves an audit entry. What a
campaign's single actions say is written by `actions.py`, through the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import User, Workspace
from campaigns import contents, fragments, schedule, waves
from campaigns.models import Action, Campaign
from campaigns.saving import require_unchanged
from channels.models import ChannelConfiguration
from common.errors import IllegalTransition, Invalid, Problem
from common.text import has_control, is_blank

MANAGE = "campaigns.manage_campaign"
FIELDS = (
    *("name", "description", "tags", "folder", "owner", "audience", "reach", "languages", "experiment"),
    *("schedule", "waves", "rate", "starts_at", "ends_at", "create_profiles", "high_throughput"),
    *("on_uncertain", "rule_set", "ignores_opens", "ignores_clicks", "enable_webhooks"),
)
CONTENT = contents.EDITED


@transaction.atomic
def create(
    workspace: Workspace,
    *,
    name: str,
    type: str,
    category: str,
    actor: Actor,
    now: datetime,
    channel: str = "email",
    configuration: ChannelConfiguration | None = None,
) -> Campaign:
    """A draft with one empty message, over a configuration of the workspace where one is given. Type and
    category are fixed from here on.
    """
    require(actor, MANAGE, workspace)
    _check_name(name)
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
    Action.objects.create(campaign=campaign, channel=channel, configuration=configuration)
    audit.record(actor=actor, verb="create", obj=campaign, workspace=workspace, now=now)
    return campaign


@contextmanager
def editing(
    campaign: Campaign, *, revision: int, actor: Actor, now: datetime, fields: Iterable[str]
) -> Iterator[Campaign]:
    """The draft, locked, to be changed and then saved with its next revision.

    Raises Conflict when somebody saved since `revision`, IllegalTransition when it is no draft any more.
    """
    with transaction.atomic():
        locked = (
            Campaign.objects.select_for_update(of=("self",))
            .select_related("workspace", "edited_by")
            .get(pk=campaign.pk)
        )
        require(actor, MANAGE, locked)
        if not locked.is_editable:
            detail = _("It is “%(state)s” and cannot be edited now.") % {"state": locked.get_status_display()}
            raise IllegalTransition(detail, state=locked.status)
        require_unchanged(locked, revision)
        yield locked
        locked.revision += 1
        locked.edited_by = actor if isinstance(actor, User) else None
        locked.changed_at = now
        locked.save()
        audit.record(
            actor=actor, verb="save", obj=locked, workspace=locked.workspace, now=now, fields=sorted(fields)
        )


def _check_name(name: str) -> None:
    if is_blank(name) or has_control(name):
        raise Invalid(Problem("bad_name", _("Give a name that can be seen, on one line."), "name"))


def save(campaign: Campaign, *, revision: int, actor: Actor, now: datetime, **changes: Any) -> Campaign:
    """Saves what is given of FIELDS, `exclusions`, and the first action's CONTENT and `configuration`."""
    with editing(campaign, revision=revision, actor=actor, now=now, fields=changes) as locked:
        if "name" in changes:
            _check_name(changes["name"])
        for related in ("audience", "configuration", "folder", "exclusions", "rule_set"):
            are_known(locked, related, changes.get(related))
        for name, clean in (("schedule", schedule.clean), ("waves", waves.clean)):
            if name in changes:
                changes[name] = clean(changes[name])
        for name in FIELDS:
            if name in changes:
                setattr(locked, name, changes[name])
        if "exclusions" in changes:
            locked.exclusions.set(changes["exclusions"])
        _save_action(locked, changes, actor)
    return locked


def are_known(campaign: Campaign, pointer: str, chosen: Any) -> None:
    """Nothing of another workspace is taken in, whoever asks."""
    rows = chosen if isinstance(chosen, list | tuple) or hasattr(chosen, "__iter__") else [chosen]
    if any(row is not None and row.workspace_id != campaign.workspace_id for row in rows):
        raise Invalid(Problem("unknown", _("This is not known here. Choose from the list."), pointer))


def _save_action(campaign: Campaign, changes: dict[str, Any], actor: Actor) -> None:
    written = {name: changes[name] for name in CONTENT if name in changes}
    if not written and "configuration" not in changes:
        return
    action = Action.objects.filter(campaign=campaign).order_by("position")[0]
    if "configuration" in changes:
        action.configuration = changes["configuration"]
    fragments.require_known(campaign.workspace, action.content, written, actor)
    action.content = {**action.content, **written}
    action.save()
