"""Home: what needs me, what is sending now, and for a new workspace the four steps to the first send.
Beside it stands what a first campaign needs, asked about the person who reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts import notices
from accounts.access import may, require
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import Notification, User, Workspace
from campaigns import access, calendar, queue, validation
from campaigns.models import Campaign, Run, Status
from campaigns.prerequisites import first_steps, prerequisites
from campaigns.reports import overview, progress
from campaigns.reports.waiting import waiting_for

MOST = 5


@dataclass(frozen=True)
class Need:
    """One thing that waits for the reader, and the button that leads to it."""

    campaign: Campaign
    address: str
    button: str
    told: str
    due_at: datetime | None = None


ALARMS = (
    *("campaign_failed", "campaign_held", "campaign_stalled", "campaign_missed"),
    *("campaign_low_delivery", "campaign_complaints"),
)


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    workspace: Workspace | None = getattr(request, "workspace", None)
    page: dict[str, Any] = {"steps": [], "needs": [], "sending": [], "completed": []}
    page |= {"others": [], "days": [], "alerts": []}
    if workspace and may(actor_of(request), access.VIEW, workspace):
        page = _page(request, workspace)
    return render(request, "campaigns/home.html", page)


def _page(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    mine = access.list_for(actor_of(request), workspace)
    now = timezone.now()
    runs = Run.objects.filter(campaign__in=mine).exclude(kind=Run.Kind.PROOF)
    runs = runs.select_related("campaign__workspace", "version")
    sending = runs.filter(state__in=[Run.State.EXPANDING, Run.State.SENDING, Run.State.STOPPING])
    steps = first_steps(workspace)
    return {
        "steps": [] if all(step.is_done for step in steps) else steps,
        "needs": _needs(request, workspace),
        "others": _others(request, workspace),
        "days": calendar.days(actor_of(request), workspace, first=timezone.localdate(), count=7, past=False),
        "alerts": _alerts(actor_of(request), workspace),
        "sending": [
            (run, progress.of(run, now=now), waiting_for(run, now=now))
            for run in sending.order_by("-started_at")[:MOST]
        ],
        "completed": overview.completed(mine, most=MOST),
    }


def _alerts(actor: User, workspace: Workspace) -> list[tuple[Notification, str]]:
    """What went wrong with campaigns this person follows, until they have read it."""
    found = [row for row in notices.bell(actor) if row.kind in ALARMS and not row.read_at]
    return [(row, notices.words(row)) for row in found if row.workspace_id == workspace.pk][:MOST]


def _needs(request: HttpRequest, workspace: Workspace) -> list[Need]:
    """Approvals waiting for this person, then their own drafts, then what is paused."""
    actor, now = actor_of(request), timezone.now()
    mine = access.list_for(actor, workspace).select_related("workspace", "audience", "submitted_by")
    found = []
    for row in queue.waiting_for(actor, workspace, now=now)[:MOST]:
        told = _("%(who)s asks for approval.") % {"who": row.requested_by or _("Somebody")}
        found.append(Need(row.campaign, "campaigns:review", _("Review"), told, row.due_at))
    for campaign in mine.filter(status=Status.DRAFT, edited_by=actor).order_by("-changed_at")[:MOST]:
        errors = [one.message for one in validation.validate(campaign, now=now) if one.is_error]
        told = " · ".join(str(one) for one in errors[:2]) or _("Ready. Request approval or activate it.")
        found.append(Need(campaign, "campaigns:detail", _("Fix") if errors else _("Open"), told))
    for campaign in mine.filter(status=Status.PAUSED)[:MOST]:
        told = _("Paused. Resume or stop it.")
        found.append(Need(campaign, "campaigns:detail", _("Decide"), told))
    return found


def _others(request: HttpRequest, workspace: Workspace) -> list[Campaign]:
    """What this person submitted: others have yet to decide, or to activate it."""
    actor = actor_of(request)
    mine = access.list_for(actor, workspace).filter(status__in=[Status.IN_REVIEW, Status.APPROVED])
    return list(mine.filter(submitted_by=actor).order_by("-changed_at")[:MOST])


@login_required
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Before the first campaign: what it needs, asked about the person who reads."""
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, access.VIEW, workspace)
    return render(request, "campaigns/start.html", {"needs": prerequisites(actor, workspace)})
