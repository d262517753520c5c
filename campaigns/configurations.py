"""Which channel configurations a message may leave by: what the Channels tab offers, and what a new message
begins with.
"""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.access import Actor, visible_to
from accounts.models import Workspace
from campaigns.models import Campaign, Status
from channels.access import VIEW
from channels.contents import SHAPES
from channels.models import ChannelConfiguration


def usable(
    workspace: Workspace, *, channel: str, category: str, actor: Actor
) -> QuerySet[ChannelConfiguration]:
    """The active ones of the channel and the campaign's category that the author may see."""
    active = ChannelConfiguration.objects.filter(
        workspace=workspace, channel=channel, kind=category, status=ChannelConfiguration.Status.ACTIVE
    )
    return visible_to(actor, active, VIEW)


def running_over(configuration: ChannelConfiguration) -> QuerySet[Campaign]:
    """Those whose live version sends by it, now or at their time."""
    sends = Campaign.objects.filter(
        workspace=configuration.workspace_id, status__in=(Status.SCHEDULED, Status.LIVE, Status.PAUSED)
    )
    return sends.filter(live_version__definition__actions__contains=[{"configuration": configuration.pk}])


def lone(workspace: Workspace, *, channel: str, category: str, actor: Actor) -> ChannelConfiguration | None:
    """Where there is only one there is nothing to choose; over a channel that is none there is nothing."""
    if channel not in SHAPES:
        return None
    found = list(usable(workspace, channel=channel, category=category, actor=actor)[:2])
    return found[0] if len(found) == 1 else None
