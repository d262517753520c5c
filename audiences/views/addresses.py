"""The page of where addresses come from: for each channel, and for each configuration of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import may, require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import Workspace
from audiences import addresses, reachability
from channels import access, origins
from channels.models import ChannelConfiguration
from common.errors import Invalid


@dataclass
class Row:
    """One place that is chosen for; `chosen` is filled up with empty texts to as many as may be."""

    configuration: ChannelConfiguration | None
    chosen: list[str]
    may_change: bool


@dataclass
class Card:
    channel: str
    label: str
    choices: dict[str, str]
    rows: list[Row] = field(default_factory=list)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """POST chooses for the whole workspace."""
    workspace = workspace_of(request)
    if request.method == "POST":
        require(actor_of(request), access.MANAGE, workspace)
        return _chosen(request, workspace, request.POST.get("channel", ""), None)
    return _page(request, workspace)


@login_required
@require_POST
def choose_for(request: HttpRequest, pk: int) -> HttpResponse:
    """For one configuration; nothing chosen: what the workspace says."""
    row = access.configuration_for(actor_of(request), pk, access.MANAGE)
    return _chosen(request, row.workspace, row.channel, row)


def _chosen(
    request: HttpRequest, workspace: Workspace, channel: str, configuration: ChannelConfiguration | None
) -> HttpResponse:
    """Whoever comes second to the page overwrites nothing that they have not seen."""
    of: dict[str, Any] = {"configuration": configuration, "actor": actor_of(request), "now": timezone.now()}
    try:
        with seen.upon(request, workspace, lambda: workspace.address_from, names_who=False):
            addresses.choose(workspace, channel, _given(request), **of)
    except Invalid as error:
        messages.error(request, error.detail)
        return _page(request, workspace, status=400)
    messages.success(request, _("Saved. It counts for every message that is written from now on."))
    return redirect("audiences:addresses")


def _page(request: HttpRequest, workspace: Workspace, status: int = 200) -> HttpResponse:
    actor = actor_of(request)
    require(actor, access.VIEW, workspace)
    found = access.list_for(actor, workspace).filter(channel__in=addresses.OWN)
    rights = access.doable_in_list(actor, workspace, {row: ["choose"] for row in found})
    used = {*reachability.in_use(workspace), *workspace.address_from, *(row.channel for row in rights)}
    cards = []
    for channel, own in addresses.OWN.items():
        if channel not in used:
            continue
        card = Card(channel, str(reachability.CHANNELS[channel]), addresses.offered(workspace, channel))
        chosen = list(origins.order(workspace, channel) or (own,))
        card.rows = [Row(None, _filled(chosen), may(actor, access.MANAGE, workspace))]
        for row, verbs in rights.items():
            if row.channel == channel:
                held = workspace.address_from.get(str(row.pk), [])
                card.rows.append(Row(row, _filled(held), bool(verbs)))
        cards.append(card)
    seen.show(request, workspace.address_from)
    return render(request, "audiences/addresses.html", {"cards": cards}, status=status)


def _given(request: HttpRequest) -> list[str]:
    return [one for one in request.POST.getlist("from") if one]


def _filled(chosen: list[str]) -> list[str]:
    return [*chosen, *[""] * (addresses.MOST - len(chosen))]
