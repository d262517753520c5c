"""Home: what needs me, what is sending now, and for a new workspace the four steps to the first send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.access import may
from accounts.models import Workspace
from audiences.models import Audience
from campaigns import access, validation
from campaigns.models import Campaign, Run, Status
from campaigns.reports.metrics import ledger
from campaigns.views.common import actor_of
from channels.models import ChannelConfiguration

MOST = 5


@dataclass(frozen=True)
class Step:
    """One of the four things a first send needs, and the page where it is done."""

    title: str
    help: str
    is_done: bool
    address: str


@login_required
def home(request: HttpRequest) -> HttpResponse:
    workspace: Workspace | None = getattr(request, "workspace", None)
    page: dict[str, Any] = {"steps": [], "needs": [], "sending": [], "completed": []}
    if workspace and may(actor_of(request), access.VIEW, workspace):
        page = _page(request, workspace)
    return render(request, "campaigns/home.html", page)


def _page(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    mine = access.list_for(actor_of(request), workspace)
    runs = Run.objects.filter(campaign__in=mine).select_related("campaign")
    sending = runs.filter(state__in=[Run.State.EXPANDING, Run.State.SENDING, Run.State.STOPPING])
    completed = runs.filter(state=Run.State.COMPLETED).order_by("-finished_at")[:MOST]
    steps = first_steps(workspace)
    return {
        "steps": [] if all(step.is_done for step in steps) else steps,
        "needs": _needs(request, workspace),
        "sending": [(run, ledger(run)) for run in sending.order_by("-started_at")[:MOST]],
        "completed": [(run, ledger(run)) for run in completed],
    }


def _needs(request: HttpRequest, workspace: Workspace) -> list[tuple[Campaign, str]]:
    """Approvals waiting for this person, then their own drafts that could not be sent yet."""
    actor, now = actor_of(request), timezone.now()
    mine = access.list_for(actor, workspace).select_related("workspace", "audience", "submitted_by")
    own = Q(created_by=actor) | Q(edited_by=actor) | Q(submitted_by=actor)
    found: list[tuple[Campaign, str]] = []
    if may(actor, "campaigns.approve_campaign", workspace):
        for campaign in mine.filter(status=Status.IN_REVIEW).exclude(own)[:MOST]:
            found.append((campaign, _("%(who)s asks for approval.") % {"who": campaign.submitted_by}))
    for campaign in mine.filter(status=Status.DRAFT, edited_by=actor).order_by("-changed_at")[:MOST]:
        errors = [one.message for one in validation.validate(campaign, now=now) if one.is_error]
        found.append((campaign, errors[0] if errors else _("Ready. Request approval or activate it.")))
    for campaign in mine.filter(status=Status.PAUSED)[:MOST]:
        found.append((campaign, _("Paused. Resume or stop it.")))
    return found


def first_steps(workspace: Workspace) -> list[Step]:
    campaigns = Campaign.objects.filter(workspace=workspace)
    active = ChannelConfiguration.objects.filter(
        workspace=workspace, status=ChannelConfiguration.Status.ACTIVE
    )
    return [
        Step(
            _("Channel configuration"),
            _("An administrator says how mail leaves."),
            active.exists(),
            "channels:list",
        ),
        Step(
            _("Audience"),
            _("Whom you write to: by a rule, or from a file."),
            Audience.objects.filter(workspace=workspace).exists(),
            "audiences:list",
        ),
        Step(_("Campaign"), _("What you write, and when."), campaigns.exists(), "campaigns:create"),
        Step(
            _("First send"),
            _("An approver activates it, and it leaves."),
            campaigns.filter(runs__started_at__isnull=False).exists(),
            "campaigns:list",
        ),
    ]
