"""The doors of the asset library: the list with its upload, one asset, and the pictures to pick from."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import may, require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from campaigns import assets, keeping, pictures
from campaigns.access import MANAGE, VIEW
from campaigns.models import Asset
from campaigns.views import kept
from common.errors import IllegalTransition, Invalid
from common.text import whole_number

PAGE, MOST_AT_ONCE = 48, 20


def asset_of(request: HttpRequest, pk: int, permission: str = VIEW) -> Asset:
    found = assets.asset_for(actor_of(request), pk, permission)
    request.workspace = found.workspace  # type: ignore[attr-defined]
    return found


def _found(rows: QuerySet[Asset], asked: dict[str, str]) -> QuerySet[Asset]:
    if asked["search"]:
        rows = rows.filter(Q(name__icontains=asked["search"]) | Q(description__icontains=asked["search"]))
    rows = keeping.narrowed(rows, folder=asked["folder"], tag=asked["tag"])
    if asked.get("kind") in ("picture", "file"):
        rows = rows.filter(width__isnull=asked["kind"] == "file")
    return rows


def _page(request: HttpRequest) -> dict[str, Any]:
    asked = kept.asked(request, "kind")
    every = assets.list_for(actor_of(request), workspace_of(request))
    return {
        "page": Paginator(_found(every, asked), PAGE).get_page(request.GET.get("page")),
        "asked": asked,
        **kept.filters(every),
        "path_of": assets.path_of,
        "most": MOST_AT_ONCE,
    }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show_list(request: HttpRequest) -> HttpResponse:
    """`?search=` part of a name or description, `?folder=`, `?tag=`, `?kind=picture|file`; POST uploads."""
    if request.method != "POST":
        return render(request, "campaigns/assets.html", _page(request))
    require(actor_of(request), MANAGE, workspace_of(request))
    faults = _upload(request)
    if not faults:
        return redirect("campaigns:assets")
    return render(request, "campaigns/assets.html", {**_page(request), "faults": faults}, status=400)


def _upload(request: HttpRequest) -> list[str]:
    """Each file by itself; what could not be taken is told with its name."""
    files = request.FILES.getlist("file")
    if not 1 <= len(files) <= MOST_AT_ONCE:
        return [_("Choose one to %(most)s files.") % {"most": MOST_AT_ONCE}]
    faults, taken = [], 0
    for file in files:
        # One octet more than the most shows that there is more.
        octets = file.read(pictures.MOST_OCTETS + 1)
        try:
            assets.upload(
                workspace_of(request),
                name=file.name or "",
                octets=octets,
                folder=request.POST.get("folder", ""),
                actor=actor_of(request),
                now=timezone.now(),
            )
            taken += 1
        except Invalid as error:
            faults.append(f"{file.name}: {error.detail}")
    if taken:
        told = ngettext("%(count)s file was taken in.", "%(count)s files were taken in.", taken)
        messages.success(request, told % {"count": taken})
    return faults


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    asset = asset_of(request, pk, MANAGE if request.method == "POST" else VIEW)
    page: dict[str, Any] = {}
    if request.method == "POST":
        try:
            with seen.upon(request, asset, lambda: _shown(asset)):
                _describe(request, asset)
        except Invalid as error:
            page["faults"] = [one.detail for one in error.problems]
        else:
            messages.success(request, _("Saved."))
            return redirect("campaigns:asset", pk)
    page |= {
        "asset": asset,
        "manages": may(actor_of(request), MANAGE, asset),
        "uses": assets.uses(asset, actor_of(request)),
        **kept.placing(request, asset, assets.list_for(actor_of(request), asset.workspace)),
        "addresses": [(width, assets.address(asset, width)) for width in (0, *asset.widths)],
        "path_of": assets.path_of,
    }
    seen.show(request, _shown(asset))
    return render(request, "campaigns/asset.html", page, status=400 if "faults" in page else 200)


def _shown(asset: Asset) -> list[Any]:
    return [asset.description, *kept.placed(asset)]


def _describe(request: HttpRequest, asset: Asset) -> None:
    """All of the form, or nothing."""
    description = request.POST.get("description", "")
    assets.describe(asset, description=description, actor=actor_of(request), now=timezone.now())
    kept.write(request, asset)


@login_required
@require_POST
def resize(request: HttpRequest, pk: int) -> HttpResponse:
    """A copy of a picture in another width; the page of the copy is shown next."""
    asset = asset_of(request, pk, MANAGE)
    width = whole_number(request.POST.get("width", ""), 99_999) or 0
    try:
        made = assets.resize(asset, width=width, actor=actor_of(request), now=timezone.now())
    except Invalid as error:
        messages.error(request, error.detail)
        return redirect("campaigns:asset", pk)
    messages.success(request, _("The copy is here. The picture it was made from stays."))
    return redirect("campaigns:asset", made.pk)


@login_required
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    asset = asset_of(request, pk, MANAGE)
    try:
        assets.delete(asset, actor=actor_of(request), now=timezone.now())
    except IllegalTransition as error:
        messages.error(request, error.detail)
        return redirect("campaigns:asset", pk)
    messages.success(request, _("Deleted."))
    return redirect("campaigns:assets")


@login_required
@require_safe
def pick(request: HttpRequest) -> HttpResponse:
    """The pictures, for the dialog of the designer and of the code view; `?search=`."""
    asked = kept.asked(request)
    rows = _found(assets.list_for(actor_of(request), workspace_of(request)), {**asked, "kind": "picture"})
    page = {"found": rows[:PAGE], "asked": asked, "address": assets.address, "path_of": assets.path_of}
    return render(request, "campaigns/asset_pick.html", page)
