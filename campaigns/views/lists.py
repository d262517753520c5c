"""The list of campaigns: two tabs, filters, search, sorting; and the door to a new one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import require
from audiences.access import audience_for
from campaigns import access, drafts, lifecycle, transitions
from campaigns.forms.draft import NewCampaignForm
from campaigns.models import Campaign, Status
from campaigns.views.common import actor_of, workspace_of

PAGE = 25
OPEN = (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED, Status.SCHEDULED, Status.LIVE, Status.PAUSED)
SORTS = {"name": "name", "status": "status", "changed": "changed_at"}


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, access.VIEW, workspace)
    mine = access.list_for(actor, workspace)
    shown = _filtered(mine, request)
    rows = Paginator(shown, PAGE).get_page(request.GET.get("page"))
    page: dict[str, Any] = {
        "page": rows,
        "hidden": access.hidden_audiences(actor, list(rows)),
        "rows": list(zip(rows, lifecycle.available_in_list(list(rows), actor), strict=True)),
        "counts": dict(mine.values_list("type").annotate(Count("pk"))),
        "kind": _type(request),
        "status": request.GET.get("status", "open"),
        "statuses": Status.choices,
        "search": request.GET.get("search", "").replace("\0", ""),
        "sort": request.GET.get("sort", "-changed"),
    }
    return render(request, "campaigns/list.html", page)


def _type(request: HttpRequest) -> str:
    asked = request.GET.get("type", "")
    return asked if asked in Campaign.Type.values else Campaign.Type.SCHEDULED


def _filtered(mine: QuerySet[Campaign], request: HttpRequest) -> QuerySet[Campaign]:
    """What the address asks for; whatever it does not know, it leaves out."""
    rows = mine.select_related("workspace", "audience", "edited_by", "version")
    rows = rows.filter(type=_type(request))
    status = request.GET.get("status", "open")
    if status in Status.values:
        rows = rows.filter(status=status)
    elif status != "all":
        rows = rows.filter(status__in=OPEN)
    if search := request.GET.get("search", "").replace("\0", "").strip():
        rows = rows.filter(Q(name__icontains=search) | Q(tags__contains=[search.lstrip("#")]))
    sort = request.GET.get("sort", "-changed")
    column = SORTS.get(sort.lstrip("-"), "changed_at")
    return rows.order_by(f"-{column}" if sort.startswith("-") else column, "-pk")


@login_required
@require_safe
def uses(request: HttpRequest, pk: int) -> HttpResponse:
    """A piece of an audience's page: the campaigns that go to it, of those the reader may see."""
    audience = audience_for(actor_of(request), pk)
    rows = access.list_for(actor_of(request), audience.workspace).filter(audience=audience)
    found = rows.order_by("-changed_at", "-pk")[: PAGE + 1]
    return render(request, "campaigns/_uses.html", {"campaigns": found[:PAGE], "more": len(found) > PAGE})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Type and category first: they decide what the rest of the editor asks."""
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, transitions.MANAGE, workspace)
    first = {"type": Campaign.Type.SCHEDULED, "category": Campaign.Category.MARKETING}
    form = NewCampaignForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        made = drafts.create(workspace, actor=actor, now=timezone.now(), **form.cleaned_data)
        return redirect("campaigns:edit", made.pk, "properties")
    return render(request, "campaigns/create.html", {"form": form})
