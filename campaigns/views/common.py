"""What the campaign views share: the campaign or run of the address, and the labels that a form ticks."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.access import labels_held
from accounts.doors.callers import actor_of
from accounts.models import AccessLabel, Workspace
from campaigns import access
from campaigns.models import Campaign, Run
from common.errors import Invalid, NotFound, Problem


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


def chosen_labels(request: HttpRequest, workspace: Workspace) -> list[AccessLabel]:
    """Those that the form ticks. Raises Invalid where one is not held by the person."""
    wanted = set(request.POST.getlist("label"))
    chosen = [one for one in labels_held(actor_of(request), workspace) if str(one.pk) in wanted]
    if len(chosen) != len(wanted):
        detail = _("You can give only labels that one of your roles holds.")
        raise Invalid(Problem("label_not_held", detail, "labels"))
    return chosen
