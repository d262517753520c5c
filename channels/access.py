"""The gate: the only way from a request to a channel configuration or a sending domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.access import Actor, may, require, rights_on, visible_to
from accounts.models import ApiCredential, User, Workspace
from channels.models import ChannelConfiguration, SendingDomain
from common.errors import NotFound

VIEW = "channels.view_channelconfiguration"
MANAGE = "channels.manage_channelconfiguration"


def configuration_for(actor: Actor, pk: int, permission: str = VIEW) -> ChannelConfiguration:
    """Raises NotFound when the actor may not see it, PermissionMissing when seeing is all they may."""
    rows = ChannelConfiguration.objects.select_related("workspace", "credential")
    row = visible_to(actor, rows, VIEW).filter(pk=pk).first()
    if row is None:
        raise NotFound(_("There is no such channel configuration, or you may not see it."))
    if permission != VIEW:
        require(actor, permission, row)
    return row


def list_for(actor: Actor, workspace: Workspace) -> QuerySet[ChannelConfiguration]:
    """What the actor may see in the workspace; without the right to see any, the right is named."""
    rows = visible_to(actor, ChannelConfiguration.objects.filter(workspace=workspace), VIEW)
    if not rows.exists():
        require(actor, VIEW, workspace)
    return rows.order_by("name")


def doable(actor: Actor, row: ChannelConfiguration, verbs: Iterable[str]) -> list[str]:
    """Of the verbs that are possible, those the actor has the right to. One shared to be managed is not
    duplicated: a new one is the workspace's.
    """
    if not may(actor, MANAGE, row):
        return []
    return _unless_alone(verbs, is_alone=not may(actor, MANAGE, row.workspace))


def doable_in_list(
    actor: User | ApiCredential, workspace: Workspace, possible: Mapping[ChannelConfiguration, Iterable[str]]
) -> dict[ChannelConfiguration, list[str]]:
    """The same of many rows of one workspace, in a constant number of queries."""
    rights = rights_on(actor, list(possible))
    is_alone = not may(actor, MANAGE, workspace)
    return {
        row: _unless_alone(verbs, is_alone=is_alone) if MANAGE in rights[row.pk] else []
        for row, verbs in possible.items()
    }


def _unless_alone(verbs: Iterable[str], *, is_alone: bool) -> list[str]:
    return [verb for verb in verbs if not (is_alone and verb == "duplicate")]


def domain_for(actor: Actor, pk: int, permission: str = VIEW) -> SendingDomain:
    """A domain belongs to its workspace as a whole: who may see the configurations sees it."""
    row = SendingDomain.objects.select_related("workspace").filter(pk=pk).first()
    if row is None or not may(actor, VIEW, row.workspace):
        raise NotFound(_("There is no such sending domain, or you may not see it."))
    if permission != VIEW:
        require(actor, permission, row.workspace)
    return row


def domains_for(actor: Actor, workspace: Workspace) -> QuerySet[SendingDomain]:
    require(actor, VIEW, workspace)
    return SendingDomain.objects.filter(workspace=workspace).order_by("name")
