"""The doors of the allowed list: see it, add to it, take off it, switch it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import may, require
from accounts.doors.callers import actor_of, workspace_of
from channels import access, allowed
from channels.forms import AllowForm

PAGE, TOLD = 50, 20


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_list(request: HttpRequest) -> HttpResponse:
    """POST adds what was typed."""
    actor, workspace = actor_of(request), workspace_of(request)
    rows = allowed.entries_for(actor, workspace)
    form, rejects = AllowForm(request.POST or None), list[Any]()
    if request.method == "POST":
        require(actor, access.MANAGE, workspace)
        if form.is_valid():
            given = form.cleaned_data["entries"]
            told = allowed.add(workspace, given, actor=actor, now=timezone.now())
            rejects = [(given[place][:80], fault.detail) for place, fault in told.rejects[:TOLD]]
            said = ngettext("%(num)s entry added.", "%(num)s entries added.", told.added)
            messages.success(request, said % {"num": told.added})
            if not rejects:
                return redirect("channels:allowed")
    page = {
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "form": form,
        "rejects": rejects,
        "is_active": allowed.is_active(workspace),
        "most": allowed.MOST,
        "may_manage": may(actor, access.MANAGE, workspace),
    }
    return render(request, "channels/allowed.html", page, status=400 if form.errors or rejects else 200)


@login_required
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    is_active = request.POST.get("active") == "1"
    actor, workspace = actor_of(request), workspace_of(request)
    allowed.switch(workspace, is_active=is_active, actor=actor, now=timezone.now())
    said = (
        _("On. Email goes only to who is on the list.")
        if is_active
        else _("Off. Email goes to everybody again.")
    )
    messages.success(request, said)
    return redirect("channels:allowed")


@login_required
@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    actor = actor_of(request)
    allowed.remove(allowed.entry_for(actor, pk), actor=actor, now=timezone.now())
    messages.success(request, _("Removed from the list."))
    return redirect("channels:allowed")
