"""What a first campaign needs: the four steps of a new workspace, and three things asked about one person.

Both only look; the pages they lead to do the work. Whoever lacks a right is told who can give it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

import audiences.access
import channels.access
from accounts.access import explain, may, people_who_may, visible_to
from accounts.models import User, Workspace
from audiences.models import Audience
from campaigns import access
from campaigns.models import Campaign
from channels.models import ChannelConfiguration

MANAGE_WORKSPACE = "accounts.manage_workspace"
ACTIVE = ChannelConfiguration.Status.ACTIVE
NAMED = 3  # of what is there, and of the people who can give what is not


@dataclass(frozen=True)
class Step:
    """One of the four things a first send needs, and the page where it is done."""

    title: str
    help: str
    is_done: bool
    address: str


@dataclass(frozen=True)
class Prerequisite:
    """One of the three, for one person: an `address` where they can see to it, else the `people` who can."""

    title: str
    told: str
    is_met: bool
    address: str = ""
    button: str = ""
    people: Sequence[User] = ()


def first_steps(workspace: Workspace) -> list[Step]:
    campaigns = Campaign.objects.filter(workspace=workspace)
    active = ChannelConfiguration.objects.filter(workspace=workspace, status=ACTIVE)
    return [
        Step(
            _("Channel configuration"),
            _("How messages leave: an administrator sets it up once."),
            active.exists(),
            "channels:list",
        ),
        Step(
            _("Audience"),
            _("Whom you write to: people found by a rule or brought in from a file."),
            Audience.objects.filter(workspace=workspace).exists(),
            "audiences:list",
        ),
        Step(
            _("Campaign"),
            _("What you send, over which channels, and when."),
            campaigns.exists(),
            "campaigns:create",
        ),
        Step(
            _("First send"),
            _("An approver looks at it and activates it."),
            campaigns.exclude(activated_at=None).filter(runs__started_at__isnull=False).exists(),
            "campaigns:list",
        ),
    ]


def prerequisites(actor: User, workspace: Workspace) -> list[Prerequisite]:
    """The right, an audience and an active configuration, as this person has or lacks them."""
    return [_right(actor, workspace), _audience(actor, workspace), _configuration(actor, workspace)]


def _right(actor: User, workspace: Workspace) -> Prerequisite:
    answer = explain(actor, access.MANAGE, workspace)
    title = _("The right to make campaigns")
    if answer.allowed:
        return Prerequisite(title, answer.reason, True)
    return Prerequisite(title, answer.reason, False, people=_holders(MANAGE_WORKSPACE, workspace))


def _audience(actor: User, workspace: Workspace) -> Prerequisite:
    title = _("An audience")
    if names := _names(audiences.access.choosable(actor, workspace)):
        return Prerequisite(title, names, True)
    told = _("There is none that you may choose yet.")
    if may(actor, audiences.access.MANAGE, workspace):
        return Prerequisite(title, told, False, "audiences:create", _("New audience"))
    return Prerequisite(title, told, False, people=_holders(audiences.access.MANAGE, workspace))


def _configuration(actor: User, workspace: Workspace) -> Prerequisite:
    title = _("An active channel configuration")
    active = ChannelConfiguration.objects.filter(workspace=workspace, status=ACTIVE)
    if names := _names(visible_to(actor, active, channels.access.VIEW)):
        return Prerequisite(title, names, True)
    told = _("None is active that you may use.")
    if may(actor, channels.access.MANAGE, workspace):
        return Prerequisite(title, told, False, "channels:create", _("New configuration"))
    return Prerequisite(title, told, False, people=_holders(channels.access.MANAGE, workspace))


def _names(rows: QuerySet[Any]) -> str:
    """In words which of them may be chosen; empty where there is none."""
    names = list(rows.order_by("name").values_list("name", flat=True)[: NAMED + 1])
    if not names:
        return ""
    told = {"names": " · ".join(names[:NAMED])}
    return (_("You may choose: %(names)s …") if names[NAMED:] else _("You may choose: %(names)s")) % told


def _holders(permission: str, workspace: Workspace) -> list[User]:
    return list(people_who_may(permission, workspace).order_by("name", "email")[:NAMED])
