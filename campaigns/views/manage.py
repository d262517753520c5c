"""One campaign's tags, labels, folder, owner and shares, and who may do what with it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import labels_held, may
from accounts.doors import seen, sharingform
from accounts.doors.callers import actor_of
from accounts.models import User
from campaigns import explainer, folders, shelf
from campaigns.access import MANAGE, VIEW
from campaigns.models import Campaign
from campaigns.views.common import campaign_of, chosen_labels
from common.errors import Invalid, Problem
from common.text import whole_number


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def manage(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk, MANAGE if request.method == "POST" else VIEW)
    if request.method == "POST":
        try:
            with seen.upon(request, campaign, lambda: _shown(campaign)):
                _save(request, campaign)
            messages.success(request, _("Saved."))
        except Invalid as error:
            messages.error(request, str(error.detail))
        return redirect("campaigns:manage", pk)
    seen.show(request, _shown(campaign))
    return render(request, "campaigns/manage.html", _page(request, campaign))


def _shown(campaign: Campaign) -> list[Any]:
    labels = sorted(campaign.labels.values_list("pk", flat=True))
    return [campaign.tags, campaign.folder_id, campaign.owner_id, labels]


def _save(request: HttpRequest, campaign: Campaign) -> None:
    """Everything of the form, or nothing. What the form did not offer stays as it is."""
    actor, now, given = actor_of(request), timezone.now(), request.POST
    shelf.set_tags(campaign, shelf.read_tags(given.get("tags", "")), actor=actor, now=now)
    if "folder" in given:
        number = whole_number(given["folder"])
        folder = folders.folder_for(actor, campaign.workspace, number) if number else None
        shelf.move(campaign, folder, actor=actor, now=now)
    if number := whole_number(given.get("owner", "")):
        owner = User.objects.filter(pk=number, groups__role__workspace=campaign.workspace).first()
        if owner is None:
            detail = _("This is not known here. Choose from the list.")
            raise Invalid(Problem("unknown", detail, "owner"))
        shelf.set_owner(campaign, owner, actor=actor, now=now)
    shelf.set_labels(campaign, chosen_labels(request, campaign.workspace), actor=actor, now=now)


def _page(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    actor, workspace = actor_of(request), campaign.workspace
    people = (
        User.objects.filter(groups__role__workspace=workspace, is_active=True).distinct().order_by("name")
    )
    asked = next((one for one in people if str(one.pk) == request.GET.get("who")), None)
    on = set(campaign.labels.all())
    return {
        "campaign": campaign,
        "manages": may(actor, MANAGE, campaign),
        "tree": folders.tree(actor, workspace) if may(actor, VIEW, workspace) else [],
        "labels": [(label, label in on) for label in labels_held(actor, workspace)],
        "people": people,
        **sharingform.card(campaign, workspace, shelf.SHARING),
        "asked": asked,
        "answer": explainer.answers(asked, campaign, now=timezone.now()) if asked else [],
    }


@login_required
@require_POST
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Gives a level, or with `withdraw` takes it away."""
    campaign = campaign_of(request, pk, MANAGE)
    sharingform.write(request, campaign, campaign.workspace, shelf.SHARING)
    return redirect("campaigns:manage", pk)
