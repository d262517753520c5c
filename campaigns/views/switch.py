"""The page of the main switch: stop all sending of a workspace, and allow it again."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import switch
from accounts.access import explain, require
from accounts.doors.callers import actor_of, workspace_of
from campaigns.access import VIEW
from campaigns.delivery import bound, ring
from common.errors import Invalid


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def sending(request: HttpRequest) -> HttpResponse:
    workspace, actor = workspace_of(request), actor_of(request)
    require(actor, VIEW, workspace)
    why, fault = request.POST.get("why", ""), ""
    if request.method == "POST":
        try:
            if request.POST.get("verb") == "allow":
                switch.allow_sending(workspace, actor=actor, now=timezone.now())
                ring.due_runs()
                messages.success(request, _("Sending is allowed again. What is due leaves within seconds."))
            else:
                switch.stop_sending(workspace, why=why, actor=actor, now=timezone.now())
                most = {"most": bound.may_leave_from(workspace)}
                messages.success(
                    request, _("Sending is stopped. At most %(most)s messages may still leave.") % most
                )
            return redirect("campaigns:sending")
        except Invalid as error:
            fault = error.detail
    page = {
        "why": why,
        "fault": fault,
        "may_leave": bound.may_leave_from(workspace),
        "allowed": explain(actor, switch.PUBLISH, workspace),
        "longest": switch.LONGEST_WHY,
    }
    return render(request, "campaigns/sending.html", page, status=400 if fault else 200)
