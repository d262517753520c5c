"""The pages that export people: choose the columns, then the file as it is read from the database.

A file is asked for by POST: that it left is noted, and a GET changes nothing.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.access import require
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import Workspace
from audiences import access, exports
from audiences.models import Audience
from audiences.views.common import audience_of
from common import csvfiles


@login_required
@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """All people of the workspace."""
    return _choose(request, workspace_of(request), None, reverse("audiences:people_csv"))


@login_required
@require_safe
def choose_for_audience(request: HttpRequest, pk: int) -> HttpResponse:
    audience = audience_of(request, pk)
    return _choose(request, audience.workspace, audience, reverse("audiences:audience_csv", args=[pk]))


@login_required
@require_POST
def everybody(request: HttpRequest) -> HttpResponseBase:
    return _file(request, workspace_of(request), None)


@login_required
@require_POST
def members(request: HttpRequest, pk: int) -> HttpResponseBase:
    audience = audience_of(request, pk)
    return _file(request, audience.workspace, audience)


def _choose(
    request: HttpRequest, workspace: Workspace, audience: Audience | None, address: str
) -> HttpResponse:
    require(actor_of(request), access.MANAGE, workspace)
    columns = exports.columns_of(workspace).values()
    page = {"audience": audience, "columns": columns, "address": address}
    return render(request, "audiences/export.html", page)


def _file(request: HttpRequest, workspace: Workspace, audience: Audience | None) -> HttpResponseBase:
    chosen = request.POST.getlist("column")
    rows = exports.people(workspace, audience=audience, columns=chosen, actor=actor_of(request))
    response = StreamingHttpResponse(csvfiles.lines(rows), content_type="text/csv; charset=utf-8")
    name = f"audience-{audience.pk}" if audience else f"people-{workspace.slug}"
    response["Content-Disposition"] = f'attachment; filename="{name}-{timezone.localdate()}.csv"'
    response["Cache-Control"] = "no-store"
    return response
