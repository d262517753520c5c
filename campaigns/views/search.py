"""What the field at the top of every page finds."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.doors.callers import actor_of, workspace_of
from campaigns.search import LONGEST, search


@login_required
@require_safe
def show_found(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    page = {"asked": text, "groups": search(actor_of(request), workspace_of(request), text)}
    return render(request, "campaigns/search.html", page)
