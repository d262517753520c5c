"""Administration beside the admin site: a workspace's roles, people and labels, and its audit log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import audit, customroles
from accounts.access import MANAGE_WORKSPACE, may, require
from accounts.auditwords import kind_in_words, verb_in_words, who_in_words
from accounts.doors import seen
from accounts.models import AccessLabel, ApiCredential, AuditEntry, Role, User, Workspace
from accounts.roles import PERMISSION_LABELS
from common.errors import CarillonError, NotFound

READ_LOG = "accounts.view_audit_log"
PAGE = 50


def where(request: HttpRequest) -> tuple[User, Workspace]:
    workspace: Workspace | None = getattr(request, "workspace", None)
    if workspace is None:
        raise NotFound(_("You hold no role in any workspace."))
    return cast(User, request.user), workspace


@login_required
@require_safe
def administration(request: HttpRequest) -> HttpResponse:
    actor, workspace = where(request)
    require(actor, MANAGE_WORKSPACE, workspace)
    members = User.objects.filter(groups__role__workspace=workspace).distinct().order_by("name")
    context = {
        "roles": Role.objects.filter(workspace=workspace).annotate(holders=Count("user")).order_by("pk"),
        "members": [(one, Role.objects.filter(workspace=workspace, user=one)) for one in members[:100]],
        "labels": AccessLabel.objects.filter(workspace=workspace).prefetch_related("roles"),
        "credentials": ApiCredential.objects.filter(workspace=workspace, revoked_at=None).count(),
        "reads_log": may(actor, READ_LOG, workspace),
    }
    return render(request, "accounts/administration.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_role(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    actor, workspace = where(request)
    require(actor, MANAGE_WORKSPACE, workspace)
    role = customroles.role_for(actor, workspace, pk) if pk is not None else None
    title, held = _shown(role)
    fault = ""
    if request.method == "POST":
        title, held = request.POST.get("title", "").replace("\0", ""), set(request.POST.getlist("permission"))
        by: dict[str, Any] = {"actor": actor, "now": timezone.now()}
        try:
            with seen.upon(request, role, lambda: _mark(role)):
                customroles.save(role, workspace=workspace, title=title, permissions=held, **by)
        except CarillonError as error:
            fault = str(error.detail)
        else:
            messages.success(request, _("Saved. It holds from everybody's next request on."))
            return redirect("accounts:administration")
    seen.show(request, _mark(role))
    context = {"role": role, "title": title, "held": held, "permissions": PERMISSION_LABELS, "fault": fault}
    return render(request, "accounts/role.html", context, status=400 if fault else 200)


def _shown(role: Role | None) -> tuple[str, set[str]]:
    return (role.title, customroles.permissions_of(role)) if role else ("", set())


def _mark(role: Role | None) -> list[Any]:
    title, held = _shown(role)
    return [title, sorted(held)]


@login_required
@require_POST
def delete_role(request: HttpRequest, pk: int) -> HttpResponse:
    actor, workspace = where(request)
    customroles.delete(customroles.role_for(actor, workspace, pk), actor=actor, now=timezone.now())
    return redirect("accounts:administration")


@login_required
@require_safe
def show_log(request: HttpRequest) -> HttpResponse:
    """Filtered by person, verb, kind and day; `verify` walks the chain and says whether it holds."""
    actor, workspace = where(request)
    require(actor, READ_LOG, workspace)
    names = ("who", "verb", "kind", "since", "until")
    asked = {key: request.GET.get(key, "").replace("\0", "").strip()[:80] for key in names}
    rows = _filtered(AuditEntry.objects.filter(workspace=workspace), asked)
    everything = AuditEntry.objects.filter(workspace=workspace)
    page = Paginator(rows.order_by("-sequence"), PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "hidden": audit.hidden_from(actor, page),
        "asked": asked,
        "query": {key: value for key, value in asked.items() if value},
        "verbs": _in_words(everything, "verb", verb_in_words),
        "kinds": _in_words(everything, "object_type", kind_in_words),
        "verb_in_words": verb_in_words,
        "who_in_words": who_in_words,
        "kind_in_words": kind_in_words,
        "faults": audit.verify(workspace) if "verify" in request.GET else None,
        "count": everything.count(),
    }
    return render(request, "accounts/log.html", context)


def _in_words(rows: QuerySet[AuditEntry], name: str, words: Callable[[str], str]) -> list[tuple[str, str]]:
    """Each value that stands in the log with its words, in their order."""
    found = set(rows.order_by().values_list(name, flat=True).distinct())
    return sorted(((value, words(value)) for value in found), key=lambda pair: pair[1])


def _filtered(rows: QuerySet[AuditEntry], asked: dict[str, str]) -> QuerySet[AuditEntry]:
    if asked["who"]:
        # Not the object's name: a label may keep it from the reader, and a search would tell it all the same.
        rows = rows.filter(Q(actor__icontains=asked["who"]) | Q(object_key=asked["who"]))
    if asked["verb"]:
        rows = rows.filter(verb=asked["verb"])
    if asked["kind"]:
        rows = rows.filter(object_type=asked["kind"])
    if since := _day(asked["since"]):
        rows = rows.filter(at__gte=since)
    if until := _day(asked["until"]):
        rows = rows.filter(at__lt=until + timedelta(days=1))
    return rows


def _day(text: str) -> datetime | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return timezone.make_aware(datetime.combine(found, time.min)) if 2000 <= found.year < 2200 else None
