"""The gate: the only way from a request to a campaign."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.access import Actor, behind_labels, require, visible_to
from accounts.models import Workspace
from audiences.models import Audience
from campaigns.models import Campaign, Run
from channels.models import ChannelConfiguration
from common.errors import NotFound

VIEW = "campaigns.view_campaign"
MANAGE, PUBLISH, APPROVE = (
    "campaigns.manage_campaign",
    "campaigns.publish_campaign",
    "campaigns.approve_campaign",
)


def list_for(actor: Actor, workspace: Workspace) -> QuerySet[Campaign]:
    """What the actor may see in the workspace."""
    return visible_to(actor, Campaign.objects.filter(workspace=workspace, purged_at=None), VIEW)


def hidden_audiences(actor: Actor, campaigns: Iterable[Campaign]) -> set[int]:
    """Numbers of the campaigns' audiences whose labels the actor lacks: not even their names are shown."""
    return behind_labels(actor, Audience, {one.audience_id for one in campaigns if one.audience_id})


def shown_audience(actor: Actor, campaign: Campaign) -> Audience | None:
    """The campaign's audience, unless its labels hide it from the actor."""
    return None if hidden_audiences(actor, [campaign]) else campaign.audience


def hidden_left_out(actor: Actor, campaigns: Iterable[Campaign]) -> set[int]:
    """Numbers of the audiences the campaigns leave out whose labels the actor lacks."""
    return behind_labels(actor, Audience, {one.pk for row in campaigns for one in row.exclusions.all()})


def hidden_configurations(actor: Actor) -> set[int]:
    """Numbers of the channel configurations whose labels the actor lacks: a campaign that sends over one does
    not name it to them.
    """
    return behind_labels(actor, ChannelConfiguration)


def campaign_for(actor: Actor, pk: int, permission: str = VIEW) -> Campaign:
    """Raises NotFound for what the actor may not see, PermissionMissing for what they may only see."""
    rows = visible_to(actor, Campaign.objects.filter(pk=pk, purged_at=None), VIEW)
    campaign = rows.select_related("workspace", "audience", "version").first()
    if campaign is None:
        raise NotFound(_("There is no such campaign, or you may not see it."))
    if permission != VIEW:
        require(actor, permission, campaign)
    return campaign


def require_some(actor: Actor, permission: str, workspace: Workspace) -> None:
    """Raises PermissionMissing for who has it neither in the workspace nor on one campaign of it."""
    rows = visible_to(actor, Campaign.objects.filter(workspace=workspace, purged_at=None), permission)
    if not rows.exists():
        require(actor, permission, workspace)


def run_for(actor: Actor, pk: int, permission: str = VIEW) -> Run:
    """A run, through the gate of its campaign."""
    run = Run.objects.select_related("version").filter(pk=pk).first() if pk < 2**63 else None
    if run is None:
        raise NotFound(_("There is no such run, or you may not see it."))
    run.campaign = campaign_for(actor, run.campaign_id, permission)
    return run
