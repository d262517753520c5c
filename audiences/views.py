"""The doors of audiences: the list, the rule, the import, the people."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import require
from accounts.models import User, Workspace
from audiences import access, audiences, evaluate
from audiences import profiles as people
from audiences.forms import ImportForm, ProfileForm, RuleForm, initial_of
from audiences.imports import merge, stage
from audiences.models import Audience, Import, Profile
from audiences.rules.describe import sentence
from audiences.tasks import ring_import
from common.errors import Invalid, NotFound

PAGE = 50


def _actor(request: HttpRequest) -> User:
    return cast(User, request.user)


def _workspace(request: HttpRequest) -> Workspace:
    workspace: Workspace | None = getattr(request, "workspace", None)
    if workspace is None:
        raise NotFound(_("You hold no role in any workspace. An administrator can give you one."))
    return workspace


def show_faults(error: Invalid, form: forms.Form, fallback: str | None = None) -> None:
    """Each fault beside the field it names, with its place in a rule's tree."""
    for problem in error.problems:
        field = problem.pointer if problem.pointer in form.fields else fallback
        place = f"{problem.pointer}: " if problem.pointer.startswith("/") else ""
        form.add_error(field, f"{place}{problem.detail}")


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    rows = access.list_for(_actor(request), _workspace(request)).select_related("created_by")
    return render(request, "audiences/list.html", {"audiences": rows})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    workspace = _workspace(request)
    require(_actor(request), access.MANAGE, workspace)

    def make(name: str, rule: Any) -> Audience:
        kind, actor = Audience.Kind.RULE, _actor(request)
        return audiences.create(workspace, name=name, kind=kind, rule=rule, actor=actor, now=timezone.now())

    form = RuleForm(request.POST or None, workspace=workspace)
    return _rule_page(request, workspace, form, make, {})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The rule of an audience that exists; its name stays."""
    audience = access.audience_for(_actor(request), pk, access.MANAGE)
    request.workspace = audience.workspace  # type: ignore[attr-defined]
    if audience.kind != Audience.Kind.RULE:
        raise NotFound(_("An uploaded audience has no rule."))

    def change(_name: str, rule: Any) -> Audience:
        return audiences.change_rule(audience, rule=rule, actor=_actor(request), now=timezone.now())

    first = initial_of(audience.rule)
    form = RuleForm(request.POST or None, workspace=audience.workspace, initial=first)
    del form.fields["name"]
    return _rule_page(request, audience.workspace, form, change, {"audience": audience})


def _rule_page(
    request: HttpRequest,
    workspace: Workspace,
    form: RuleForm,
    save: Callable[[str, Any], Audience],
    page: dict[str, Any],
) -> HttpResponse:
    """Counts the rule that was given, or saves it and shows the audience."""
    preview: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        try:
            rule = form.rule()
            if form.is_valid() and "count" in request.POST:
                preview = _preview(rule, workspace)
            elif form.is_valid():
                made = save(form.cleaned_data.get("name", ""), rule)
                return redirect("audiences:detail", made.pk)
        except Invalid as error:
            show_faults(error, form, None if not form.cleaned_data["json"] else "json")
    status = 400 if form.errors else 200
    return render(request, "audiences/create.html", {"form": form, **page, **preview}, status=status)


def _preview(rule: Any, workspace: Workspace) -> dict[str, Any]:
    definition = {"id": None, "kind": Audience.Kind.RULE, "name": "", "rule": rule}
    return {
        "sentence": sentence(rule, workspace),
        "people": evaluate.count(definition, workspace.pk),
    }


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    audience = access.audience_for(_actor(request), pk)
    request.workspace = audience.workspace  # type: ignore[attr-defined]
    definition = evaluate.definition(audience)
    reach = evaluate.reach(
        definition, workspace_id=audience.workspace_id, channel="email", category="marketing"
    )
    page = {
        "audience": audience,
        "people": evaluate.recount(audience, timezone.now()),
        "reached": reach.pop("", 0),
        "reasons": sorted(reach.items()),
        "labels": evaluate.REASON_LABELS,
        "sample": evaluate.sample(definition, audience.workspace_id, 5),
        "imports": audience.imports.order_by("-pk")[:5],
    }
    if audience.kind == Audience.Kind.RULE:
        page["sentence"] = sentence(audience.rule, audience.workspace)
        page["json"] = json.dumps(audience.rule, indent=2, ensure_ascii=False)
    return render(request, "audiences/detail.html", page)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    workspace = _workspace(request)
    require(_actor(request), access.MANAGE, workspace)
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
    actor, now = _actor(request), timezone.now()
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
    job = access.import_for(_actor(request), pk)
    page = {"job": job, "share": 100 * job.merged / job.total if job.total else 0}
    is_fragment = bool(getattr(request, "htmx", False))
    return render(request, "audiences/_import.html" if is_fragment else "audiences/import_status.html", page)


@login_required
@require_POST
def import_continue(request: HttpRequest, pk: int) -> HttpResponse:
    """For an installation whose workers are away: finishes the import here and now."""
    job = access.import_for(_actor(request), pk)
    require(_actor(request), access.MANAGE, job.workspace)
    merge.merge(job.pk, now=timezone.now())
    messages.success(request, _("The import is done."))
    return redirect("audiences:import_status", pk)


@login_required
@require_safe
def profiles(request: HttpRequest) -> HttpResponse:
    rows = access.profiles_for(_actor(request), _workspace(request))
    search = request.GET.get("search", "").replace("\0", "").strip()
    if search:
        rows = _found(rows, search)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "audiences/profiles.html", {"page": page, "search": search})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: who they are, what they allow, and why something would not reach them."""
    person = _person(request, pk)
    first = {"locale": person.locale, "time_zone": person.time_zone, "is_test": person.is_test}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            people.change(person, actor=_actor(request), now=timezone.now(), **form.cleaned_data)
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:profile", pk)
    page = {
        "form": form,
        "person": person,
        "uploads": people.uploads_of(person),
        "consents": person.consents.order_by("channel"),
        "suppressions": people.suppressions_of(person),
    }
    return render(request, "audiences/profile.html", page, status=400 if form.errors else 200)


@login_required
@require_safe
def profile_export(request: HttpRequest, pk: int) -> HttpResponse:
    """All that is held of one person, for the person who asks for it."""
    person = _person(request, pk)
    text = json.dumps(people.record(person), indent=2, ensure_ascii=False)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="profile-{person.pk}.json"'
    response["Cache-Control"] = "no-store"
    return response


def _person(request: HttpRequest, pk: int) -> Profile:
    person = access.profile_for(_actor(request), pk)
    request.workspace = person.workspace  # type: ignore[attr-defined]
    return person


def _found(rows: Any, search: str) -> Any:
    return rows.filter(email__icontains=search) | Profile.objects.filter(
        pk__in=rows.filter(attributes__icontains=search).values("pk")
    )
