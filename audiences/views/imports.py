"""The pages of an import: choose a file, watch it come in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import require
from accounts.models import Workspace
from audiences import access, audiences
from audiences.forms.imports import ImportForm
from audiences.imports import merge, stage
from audiences.models import Audience, Import
from audiences.tasks import ring_import
from audiences.views.common import actor_of, show_faults, workspace_of
from common.errors import Invalid


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    form = ImportForm(request.POST or None, request.FILES or None, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        try:
            job = _stage(request, form, workspace)
        except Invalid as error:
            show_faults(error, form, "file")
        else:
            return redirect("audiences:import_status", job.pk)
    status = 400 if form.errors else 200
    return render(request, "audiences/import.html", {"form": form}, status=status)


@transaction.atomic
def _stage(request: HttpRequest, form: ImportForm, workspace: Workspace) -> Import:
    """A refused file leaves no empty audience behind."""
    actor, now = actor_of(request), timezone.now()
    given = form.cleaned_data
    audience = given["audience"] or audiences.create(
        workspace, name=given["name"], kind=Audience.Kind.UPLOAD, actor=actor, now=now
    )
    file = given["file"]
    job = stage.stage(file.read(), file_name=file.name, audience=audience, actor=actor, now=now)
    ring_import(job.pk)
    return job


@login_required
@require_safe
def import_status(request: HttpRequest, pk: int) -> HttpResponse:
    job = access.import_for(actor_of(request), pk)
    page = {"job": job, "share": 100 * job.merged / job.total if job.total else 0}
    is_fragment = bool(getattr(request, "htmx", False))
    return render(request, "audiences/_import.html" if is_fragment else "audiences/import_status.html", page)


@login_required
@require_POST
def import_continue(request: HttpRequest, pk: int) -> HttpResponse:
    """For an installation whose workers are away: finishes the import here and now."""
    job = access.import_for(actor_of(request), pk)
    require(actor_of(request), access.MANAGE, job.workspace)
    merge.merge(job.pk, now=timezone.now())
    messages.success(request, _("The import is done."))
    return redirect("audiences:import_status", pk)
