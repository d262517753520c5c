"""The page that takes in a file of events; how far it comes is told where imports are."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import require
from accounts.doors.callers import actor_of, workspace_of
from audiences import access, eventfiles
from audiences.forms.events import EventFileForm
from audiences.models import Import
from audiences.tasks import ring_import
from audiences.views.common import show_faults
from common.errors import Invalid


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    workspace, actor = workspace_of(request), actor_of(request)
    require(actor, access.MANAGE, workspace)
    form = EventFileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        job = _taken_in(request, form)
        if job is not None:
            ring_import(job.pk)
            return redirect("audiences:import_status", job.pk)
    latest = access.imports_for(actor, workspace).filter(content=Import.Content.EVENTS)[:10]
    page: dict[str, Any] = {"form": form, "zone": workspace.time_zone, "imports": latest}
    return render(request, "audiences/import_events.html", page, status=400 if form.errors else 200)


def _taken_in(request: HttpRequest, form: EventFileForm) -> Import | None:
    file = form.cleaned_data["file"]
    try:
        return eventfiles.bring_in(
            workspace_of(request),
            file=file,
            name=file.name,
            size=file.size,
            create_profiles=form.cleaned_data["create_profiles"],
            actor=actor_of(request),
            now=timezone.now(),
        )
    except Invalid as error:
        show_faults(error, form, "file")
        return None
