"""The doors of fragments: the list, one with its preview, versions and uses, and what one does to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import may, require
from accounts.doors.callers import actor_of, workspace_of
from audiences.models import Profile
from campaigns import fragments, keeping
from campaigns.access import MANAGE, VIEW
from campaigns.forms.draft import sample_fields
from campaigns.forms.fragments import FragmentForm
from campaigns.models import Fragment
from campaigns.views import kept
from campaigns.views.previews import look, preview_page
from channels.sandbox import RenderError
from common.errors import CarillonError, Invalid, NotFound
from common.text import whole_number

PAGE = 50


def fragment_of(request: HttpRequest, pk: int, permission: str = VIEW) -> Fragment:
    """Through the gate; the page's frame then shows the fragment's own workspace."""
    found = fragments.fragment_for(actor_of(request), pk, permission)
    request.workspace = found.workspace  # type: ignore[attr-defined]
    return found


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    """`?search=` part of a name or key, `?kind=`, `?folder=`, `?tag=`, `?archived=1`."""
    asked = kept.asked(request, "kind", "archived")
    every = fragments.list_for(actor_of(request), workspace_of(request))
    rows = keeping.narrowed(every, folder=asked["folder"], tag=asked["tag"])
    rows = rows.filter(archived_at__isnull=not asked["archived"])
    if asked["kind"] in Fragment.Kind.values:
        rows = rows.filter(kind=asked["kind"])
    if asked["search"]:
        rows = rows.filter(Q(name__icontains=asked["search"]) | Q(key__icontains=asked["search"]))
    page = Paginator(rows.prefetch_related("labels"), PAGE).get_page(request.GET.get("page"))
    shown = {"page": page, "asked": asked, "kinds": Fragment.Kind.choices, **kept.filters(every)}
    return render(request, "campaigns/fragments.html", shown)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), MANAGE, workspace)
    form = FragmentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = {name: form.cleaned_data[name] for name in ("key", "name", "kind", "source")}
        try:
            made = fragments.create(workspace, **given, actor=actor_of(request), now=timezone.now())
        except Invalid as error:
            _tell(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("campaigns:fragment", made.pk)
    page = {"form": form, "fields": sample_fields(workspace)}
    return render(request, "campaigns/fragment_new.html", page, status=400 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    fragment = fragment_of(request, pk, MANAGE if request.method == "POST" else VIEW)
    form = FragmentForm(request.POST or None, fragment=fragment)
    if request.method == "POST" and form.is_valid() and _save(request, form, fragment):
        messages.success(request, _("Saved."))
        return redirect("campaigns:fragment", pk)
    status = 200 if request.method != "POST" else 409 if form.non_field_errors() else 400
    return render(request, "campaigns/fragment.html", _page(request, fragment, form), status=status)


def _save(request: HttpRequest, form: FragmentForm, fragment: Fragment) -> bool:
    try:
        fragments.save(
            fragment,
            name=form.cleaned_data["name"],
            source=form.cleaned_data["source"],
            revision=form.cleaned_data["revision"] or 0,
            actor=actor_of(request),
            now=timezone.now(),
        )
    except Invalid as error:
        _tell(form, error)
        return False
    except CarillonError as error:
        form.add_error(None, error.detail)
        return False
    return True


def _tell(form: FragmentForm, error: Invalid) -> None:
    for problem in error.problems:
        form.add_error(problem.pointer if problem.pointer in form.fields else None, problem.detail)


def _page(request: HttpRequest, fragment: Fragment, form: FragmentForm) -> dict[str, Any]:
    actor = actor_of(request)
    return {
        **kept.placing(request, fragment, fragments.list_for(actor, fragment.workspace)),
        "fragment": fragment,
        "form": form,
        "manages": may(actor, MANAGE, fragment),
        "faults": fragments.faults(fragment) if fragment.has_changes and not fragment.archived_at else [],
        "versions": fragment.versions.select_related("saved_by")[:50],
        "uses": fragments.uses(fragment, actor),
        "fields": sample_fields(fragment.workspace),
        "version": request.GET.get("version", "")[:9],
    }


@login_required
@require_safe
@xframe_options_sameorigin
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """The draft as the workspace's first person would get it, or `?version=` of it; `?dark=1` as at night."""
    fragment = fragment_of(request, pk)
    person = Profile.objects.filter(workspace=fragment.workspace).order_by("-is_test", "pk").first()
    page: dict[str, Any] = {"person": person, "channel": "email"}
    try:
        channel, message = fragments.shown(fragment, _source(request, fragment), person=person)
        page |= {
            "message": message,
            "channel": channel,
            **look(message, channel, bool(request.GET.get("dark"))),
        }
    except (Invalid, RenderError) as error:
        page["error"] = error.detail
    return preview_page(request, page)


def _source(request: HttpRequest, fragment: Fragment) -> str:
    asked = request.GET.get("version", "")
    if not asked:
        return fragment.source
    return keeping.numbered(fragment.versions, whole_number(asked, 10**8) or 0).source


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """publish, archive, unarchive, delete, place."""
    fragment, actor, now = fragment_of(request, pk, MANAGE), actor_of(request), timezone.now()
    verbs: dict[str, Callable[[], object]] = {
        "publish": lambda: fragments.publish(fragment, actor=actor, now=now),
        "archive": lambda: fragments.archive(fragment, actor=actor, now=now),
        "unarchive": lambda: fragments.archive(fragment, actor=actor, now=now, back=True),
        "delete": lambda: fragments.delete(fragment, actor=actor, now=now),
        "place": lambda: kept.place(request, fragment),
    }
    if verb not in verbs:
        raise NotFound(_("There is no such page."))
    try:
        verbs[verb]()
    except CarillonError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Deleted.") if verb == "delete" else _("Saved."))
        if verb == "delete":
            return redirect("campaigns:fragments")
    return redirect("campaigns:fragment", pk)
