"""What the campaign views share: who asks, and the workspace they stand in."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User, Workspace
from campaigns import access
from campaigns.models import Campaign, Run
from common.errors import NotFound


def actor_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def workspace_of(request: HttpRequest) -> Workspace:
    workspace: Workspace | None = getattr(request, "workspace", None)
    if workspace is None:
        raise NotFound(_("You hold no role in any workspace. An administrator can give you one."))
    return workspace


def campaign_of(request: HttpRequest, pk: int, permission: str = access.VIEW) -> Campaign:
    """Through the gate; the page's frame then shows the campaign's own workspace."""
    campaign = access.campaign_for(actor_of(request), pk, permission)
    request.workspace = campaign.workspace  # type: ignore[attr-defined]
    return campaign


def run_of(request: HttpRequest, pk: int, permission: str = access.VIEW) -> Run:
    run = Run.objects.select_related("version").filter(pk=pk).first()
    if run is None:
        raise NotFound(_("There is no such run, or you may not see it."))
    run.campaign = campaign_of(request, run.campaign_id, permission)
    return run
