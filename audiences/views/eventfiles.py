"""The page that brings in a file of events, and tells at once what became of each row."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import require
from audiences import access, eventfiles
from audiences.eventfiles import Told
from audiences.forms.events import EventFileForm
from audiences.views.common import actor_of, show_faults, workspace_of
from common import csvfiles
from common.errors import Invalid


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    form = EventFileForm(request.POST or None, request.FILES or None)
    page: dict[str, Any] = {"form": form, "zone": workspace.time_zone, "told": None}
    if request.method == "POST" and form.is_valid():
        page["told"] = told = _bring_in(request, form)
        page["file"] = _faults_file(told) if told and told.faults else ""
    return render(request, "audiences/import_events.html", page, status=400 if form.errors else 200)


def _bring_in(request: HttpRequest, form: EventFileForm) -> Told | None:
    file = form.cleaned_data["file"]
    try:
        return eventfiles.bring_in(
            workspace_of(request),
            file.file,
            size=file.size,
            create_profiles=form.cleaned_data["create_profiles"],
            actor=actor_of(request),
            now=timezone.now(),
        )
    except Invalid as error:
        show_faults(error, form, "file")
        return None


def _faults_file(told: Told) -> str:
    """The faults as a CSV file within a link: nothing of them needs to be kept here."""
    header = [_("Row"), _("Column"), _("Value"), _("What is wrong")]
    rows = [[one.row, one.column, one.value, one.reason] for one in told.faults]
    return "data:text/csv;charset=utf-8," + quote("".join(csvfiles.lines([header, *rows])))
