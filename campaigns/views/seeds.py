"""The doors of seed lists: the list, one list as a form, delete."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from campaigns import access, seedlists
from campaigns.forms.seeds import SeedListForm
from campaigns.models import SeedCopy
from campaigns.reports.metrics import REASON_LABELS
from channels.access import MANAGE
from channels.models import SeedList, SeedUse
from common.errors import Invalid

RECENT = 20


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    rows = seedlists.lists_for(actor_of(request), workspace_of(request))
    return render(request, "campaigns/seed_lists.html", {"seed_lists": rows, "most": seedlists.MOST})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    require(actor_of(request), MANAGE, workspace_of(request))
    return _form(request, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    seed_list = seedlists.list_for(actor_of(request), pk, MANAGE)
    request.workspace = seed_list.workspace  # type: ignore[attr-defined]
    return _form(request, seed_list)


@login_required
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    actor = actor_of(request)
    seedlists.delete(seedlists.list_for(actor, pk, MANAGE), actor=actor, now=timezone.now())
    messages.success(request, _("Deleted."))
    return redirect("campaigns:seed_lists")


def _form(request: HttpRequest, seed_list: SeedList | None) -> HttpResponse:
    workspace = workspace_of(request)
    form = SeedListForm(
        request.POST or None,
        request.FILES or None,
        actor=actor_of(request),
        workspace=workspace,
        seed_list=seed_list,
    )
    if request.method == "POST" and form.is_valid():
        try:
            with seen.upon(request, seed_list, lambda: _shown(seed_list)):
                seedlists.save(
                    seed_list,
                    workspace=workspace,
                    **form.values(),
                    actor=actor_of(request),
                    now=timezone.now(),
                )
        except Invalid as error:
            for problem in error.problems:
                form.add_error(problem.pointer if problem.pointer in form.fields else None, problem.detail)
        else:
            messages.success(request, _("Saved."))
            return redirect("campaigns:seed_lists")
    seen.show(request, _shown(seed_list))
    page = {"form": form, "seed_list": seed_list, "copies": _copies(request, seed_list)}
    return render(request, "campaigns/seed_list.html", page, status=400 if form.errors else 200)


def _copies(request: HttpRequest, seed_list: SeedList | None) -> list[tuple[SeedCopy, Any]]:
    """The last ones of campaigns that the reader may see, each with why it failed or what the server said."""
    if seed_list is None:
        return []
    seen_here = access.list_for(actor_of(request), seed_list.workspace)
    rows = SeedCopy.objects.filter(run__campaign__in=seen_here, address__in=seed_list.addresses)
    found = rows.select_related("run__campaign").order_by("-pk")[:RECENT]
    return [(one, REASON_LABELS.get(one.detail, one.detail)) for one in found]


def _shown(seed_list: SeedList | None) -> Any:
    if seed_list is None:
        return None
    uses = SeedUse.objects.filter(seed_list=seed_list).order_by("configuration_id")
    attached = list(uses.values_list("configuration_id", flat=True))
    return [seed_list.name, seed_list.addresses, seed_list.test_profile, attached]
