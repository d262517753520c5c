"""The list of audiences, and what may be done to one: its verbs, its settings, whom it is shared with."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import F, Func, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.doors import sharingform
from accounts.doors.callers import actor_of, workspace_of
from audiences import access, audiences, lifecycle, sharing, uses
from audiences.forms.audience import SettingsForm
from audiences.models import Audience
from audiences.views.common import audience_of, show_faults, to_page_of
from common.errors import Conflict, Invalid, NotFound

PAGE = 25
SORTS = {"name": F("name"), "size": F("counted"), "evaluated": F("counted_at"), "changed": F("changed_at")}
ASKED = ("search", "state", "kind", "owner", "tag", "sort")


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    mine = access.list_for(actor, workspace_of(request))
    asked = {key: request.GET.get(key, "").replace("\0", "").strip() for key in ASKED}
    page = Paginator(_filtered(mine, request, asked), PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": list(zip(page, lifecycle.available_in_list(list(page), actor), strict=True)),
        "asked": asked,
        "states": Audience.State.choices,
        "kinds": Audience.Kind.choices,
        "tags": _tags(mine),
    }
    return render(request, "audiences/list.html", context)


def _tags(mine: QuerySet[Audience]) -> list[str]:
    each = mine.order_by().annotate(tag=Func(F("tags"), function="unnest"))
    return sorted(set(each.values_list("tag", flat=True)), key=str.lower)


def _filtered(mine: QuerySet[Audience], request: HttpRequest, asked: dict[str, str]) -> QuerySet[Audience]:
    """What the address asks for; whatever it does not know, it leaves out. Archived ones only when asked."""
    rows = mine.select_related("owner")
    if asked["state"] in Audience.State.values:
        rows = rows.filter(state=asked["state"])
    elif asked["state"] != "all":
        rows = rows.exclude(state=Audience.State.ARCHIVED)
    if asked["kind"] in Audience.Kind.values:
        rows = rows.filter(kind=asked["kind"])
    if asked["owner"] == "me":
        rows = rows.filter(owner=actor_of(request))
    if asked["tag"]:
        rows = rows.filter(tags__contains=[asked["tag"]])
    if search := asked["search"]:
        rows = rows.filter(name__icontains=search) | rows.filter(tags__contains=[search.lstrip("#")])
    column = SORTS.get(asked["sort"].lstrip("-"), SORTS["name"])
    falling = asked["sort"].startswith("-")
    order = column.desc(nulls_last=True) if falling else column.asc(nulls_last=True)
    return rows.order_by(order, "pk")


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """A verb of the lifecycle; deleting asks first, on its own page."""
    if verb not in lifecycle.PRESSABLE or verb == "delete":
        raise NotFound(_("There is no such thing to do."))
    audience, actor, now = audience_of(request, pk), actor_of(request), timezone.now()
    if verb == "duplicate":
        audience = audiences.duplicate(audience, actor=actor, now=now)
        messages.success(request, _("This is the copy, a draft."))
    else:
        audience = lifecycle.apply(audience, verb, actor=actor, now=now)
        messages.success(request, _("Done."))
    return to_page_of(audience)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Says what goes, and what stands in the way."""
    audience = audience_of(request, pk, access.MANAGE)
    if request.method == "POST":
        audiences.delete(audience, actor=actor_of(request), now=timezone.now())
        messages.success(request, _("“%(name)s” is deleted.") % {"name": audience.name})
        return redirect("audiences:list")
    page = {"audience": audience, "uses": uses.uses_of(audience, actor_of(request))}
    return render(request, "audiences/delete.html", page)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, pk: int) -> HttpResponse:
    audience, actor = audience_of(request, pk, access.MANAGE), actor_of(request)
    form = SettingsForm(request.POST or None, audience=audience, actor=actor)
    status = 400 if form.errors else 200
    if request.method == "POST" and form.is_valid():
        try:
            audiences.change(audience, actor=actor, now=timezone.now(), **form.cleaned_data)
        except Invalid as error:
            show_faults(error, form)
            status = 400
        except Conflict as error:
            form.add_error(None, error.detail)
            status = error.status
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:detail", pk)
    page = {"audience": audience, "form": form}
    return render(request, "audiences/settings.html", page, status=status)


@login_required
@require_POST
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Gives a level, or with `withdraw` takes it away."""
    audience = audience_of(request, pk, access.MANAGE)
    sharingform.write(request, audience, audience.workspace, sharing.SHARING)
    return redirect("audiences:detail", pk)
