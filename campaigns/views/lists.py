"""The list of campaigns: two tabs, filters, order, columns, saved views, folders, one verb on many; and the
door to a new campaign.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import User
from audiences.access import audience_for
from audiences.reachability import CHANNELS
from campaigns import access, bulk, configurations, drafts, folders, lifecycle, listing
from campaigns.forms.draft import NewCampaignForm
from campaigns.models import Campaign, Folder, Status
from campaigns.prerequisites import first_steps
from common.errors import CarillonError, Invalid
from common.text import whole_number

PAGE = 25
NAMED = 10  # results of a bulk action told one by one


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    actor, workspace, now = actor_of(request), workspace_of(request), timezone.now()
    require(actor, access.VIEW, workspace)
    mine, asked = access.list_for(actor, workspace), listing.read(request.GET)
    shown = listing.apply(mine, asked, actor=actor, workspace=workspace, now=now)
    page = Paginator(shown, PAGE).get_page(request.GET.get("page"))
    rows = list(page)
    actions = lifecycle.available_in_list(rows, actor)
    query = asked.query()
    context: dict[str, Any] = {
        "page": page,
        "rows": [(row, listing.warnings(row), acts) for row, acts in zip(rows, actions, strict=True)],
        "hidden": access.hidden_audiences(actor, rows),
        "counts": dict(mine.values_list("type").annotate(Count("pk"))),
        "asked": asked,
        "query": query,
        "address": f"{reverse('campaigns:list')}?{urlencode(query)}",
        "statuses": Status.choices,
        "channels": CHANNELS,
        "tags": listing.tags_of(mine),
        "tree": folders.tree(actor, workspace),
        "owners": User.objects.filter(groups__role__workspace=workspace).distinct().order_by("name"),
        "columns": listing.columns_of(actor),
        "all_columns": listing.COLUMNS,
        "sorts": listing.SORTS,
        "views": listing.views_of(actor, workspace),
        "bulk": bulk.LABELS,
        "types": Campaign.Type.choices,
    }
    if not context["counts"]:
        context["steps"] = first_steps(workspace)
    seen.show(request, _marked(context["tree"]))
    return render(request, "campaigns/list.html", context)


def _back(request: HttpRequest) -> HttpResponseRedirect:
    """To the list as it was; what an address asks for is read again, so nothing foreign is in it."""
    asked = listing.read({key: str(value) for key, value in request.POST.items()})
    return HttpResponseRedirect(f"{reverse('campaigns:list')}?{urlencode(asked.query())}")


@login_required
@require_POST
def act_on_many(request: HttpRequest) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, access.VIEW, workspace)
    given = {name: request.POST.get(f"bulk_{name}", "") for name in ("tags", "folder")}
    picked = [pk for text in request.POST.getlist("pick") if (pk := whole_number(text)) is not None]
    try:
        results = bulk.apply(
            request.POST.get("verb", ""),
            picked,
            workspace=workspace,
            actor=actor,
            now=timezone.now(),
            **given,
        )
    except CarillonError as error:
        messages.error(request, str(error.detail))
        return _back(request)
    for result in results[:NAMED]:
        tell = messages.success if result.is_done else messages.warning
        tell(request, _("“%(name)s”: %(told)s") % {"name": result.name, "told": result.told})
    if len(results) > NAMED:
        done = sum(result.is_done for result in results)
        told = _("Of %(count)s campaigns it was done for %(done)s.")
        messages.info(request, told % {"count": len(results), "done": done})
    return _back(request)


@login_required
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Columns chosen, a view saved or forgotten."""
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, access.VIEW, workspace)
    given = {key: str(value) for key, value in request.POST.items()}
    try:
        if "columns" in given:
            listing.choose_columns(actor, request.POST.getlist("column"))
        elif (number := whole_number(given.get("forget", ""))) is not None:
            listing.forget_view(actor, workspace, number)
        else:
            name, is_shared = given.get("name", ""), "shared" in given
            listing.keep_view(actor, workspace, name=name, query=given, is_shared=is_shared)
            messages.success(request, _("Saved."))
    except Invalid as error:
        messages.error(request, str(error.detail))
    return _back(request)


@login_required
@require_POST
def act_on_folder(request: HttpRequest) -> HttpResponse:
    """A new folder, another name or place for one, or an empty one taken away."""
    actor, workspace, now = actor_of(request), workspace_of(request), timezone.now()

    def named(key: str) -> Folder | None:
        number = whole_number(request.POST.get(key, ""))
        return None if number is None else folders.folder_for(actor, workspace, number)

    name, parent, folder = request.POST.get("name", ""), named("parent"), named("folder_id")
    try:
        if folder is None:
            folders.create(workspace, name=name, parent=parent, actor=actor, now=now)
        elif "delete" in request.POST:
            folders.delete(folder, actor=actor, now=now)
        else:
            with seen.upon(request, folder, lambda: _marked(folders.tree(actor, workspace))):
                folders.change(folder, name=name, parent=parent, actor=actor, now=now)
    except Invalid as error:
        messages.error(request, str(error.detail))
    return _back(request)


def _marked(tree: list[folders.Branch]) -> list[Any]:
    """What the menu of folders shows."""
    return [[branch.folder.pk, branch.path] for branch in tree]


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
    require(actor, access.MANAGE, workspace)
    first = {"type": Campaign.Type.SCHEDULED, "category": Campaign.Category.MARKETING}
    form = NewCampaignForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            given = form.cleaned_data
            lone = configurations.lone(workspace, channel="email", category=given["category"], actor=actor)
            made = drafts.create(workspace, actor=actor, now=timezone.now(), configuration=lone, **given)
        except Invalid as error:
            form.add_error("name", error.detail)
        else:
            return redirect("campaigns:edit", made.pk, "properties")
    return render(request, "campaigns/create.html", {"form": form}, status=400 if form.errors else 200)
