"""The pages on which an audience is put together from others, or made of a topic's subscribers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import Actor, require
from accounts.models import Workspace
from audiences import access, audiences, composition, definitions, evaluate, evaluations, lifecycle
from audiences.forms.composition import CompositionForm, SubscriptionForm, initial_of
from audiences.models import Audience, Profile
from audiences.timelimit import limited
from audiences.views.common import actor_of, audience_of, show_faults, workspace_of
from common.errors import Conflict, Invalid, NotFound

STATES = {"draft": Audience.State.DRAFT, "publish": Audience.State.PUBLISHED}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def compose(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    form = CompositionForm(request.POST or None, workspace=workspace, actor=actor_of(request))
    return _page(request, form, workspace, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def recompose(request: HttpRequest, pk: int) -> HttpResponse:
    audience = audience_of(request, pk, access.MANAGE)
    if audience.kind != Audience.Kind.COMPOSITION:
        raise NotFound(_("This audience is not put together from others."))
    first = {
        "name": audience.name,
        "description": audience.description,
        "tags": ", ".join(audience.tags),
        "seen_at": audience.changed_at.isoformat(),
        **initial_of(audience.composition),
    }
    form = CompositionForm(
        request.POST or None,
        initial=first,
        workspace=audience.workspace,
        actor=actor_of(request),
        audience=audience,
    )
    return _page(request, form, audience.workspace, audience)


def _page(
    request: HttpRequest, form: CompositionForm, workspace: Workspace, audience: Audience | None
) -> HttpResponse:
    """Counts what was put together, or saves it and shows the audience. Counting needs no name.

    Saving one that is everybody asks for a second word.
    """
    page: dict[str, Any] = {"form": form, "audience": audience}
    status = 200
    is_count = request.POST.get("do") == "count"
    if is_count:
        form.fields["name"].required = False
    if request.method == "POST" and form.is_valid():
        try:
            tree = form.tree()
            found = _preview(tree, workspace, audience, actor_of(request)) if form.is_valid() else {}
            if found and not is_count and (form.cleaned_data["everybody"] or not found["is_everybody"]):
                return redirect("audiences:detail", _save(request, form, tree, workspace, audience).pk)
            page |= found
            page["must_confirm"] = bool(found) and not is_count
            status = 400 if page["must_confirm"] else 200
        except Invalid as error:
            show_faults(error, form, "json" if form.cleaned_data["json"].strip() else None)
        except Conflict as error:
            form.add_error(None, error.detail)
            status = error.status
    if form.errors and status == 200:
        status = 400
    return render(request, "audiences/compose.html", page, status=status)


def _preview(tree: Any, workspace: Workspace, audience: Audience | None, actor: Actor) -> dict[str, Any]:
    """The sentence and the count. Raises Invalid."""
    definitions.check_named(tree, audience.composition if audience else {}, workspace, actor)
    with definitions.veiled(tree, workspace, actor):
        composition.check(tree, workspace, audience.pk if audience else None)
    definition = {"id": None, "kind": Audience.Kind.COMPOSITION, "name": "", "composition": tree}
    is_hidden = definitions.names_hidden(tree, workspace, actor)
    sentence = str(definitions.HIDDEN) if is_hidden else composition.sentence(tree, workspace)
    found: dict[str, Any] = {"sentence": sentence, "is_everybody": False}
    try:
        with limited(evaluations.AT_ONCE):
            found["people"] = people = evaluate.count(definition, workspace.pk)
            everybody = Profile.objects.filter(workspace=workspace).count()
            found["is_everybody"] = people == everybody > 0
    except OperationalError:
        found["people"] = None
    return found


def _save(
    request: HttpRequest,
    form: CompositionForm,
    tree: Any,
    workspace: Workspace,
    audience: Audience | None,
) -> Audience:
    actor, now = actor_of(request), timezone.now()
    values = {
        "name": form.cleaned_data["name"],
        "description": form.cleaned_data["description"],
        "tags": form.given_tags(),
        "composition": tree,
    }
    if audience is None:
        state = STATES.get(request.POST.get("do", ""), Audience.State.PUBLISHED)
        kind = Audience.Kind.COMPOSITION
        return audiences.create(workspace, kind=kind, state=state, actor=actor, now=now, **values)
    seen_at = _moment(form.cleaned_data["seen_at"])
    saved = audiences.change(audience, seen_at=seen_at, actor=actor, now=now, **values)
    if request.POST.get("do") == "publish" and saved.state == Audience.State.DRAFT:
        saved = lifecycle.apply(saved, "publish", actor=actor, now=now)
    return saved


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Conflict(_("Load the page again.")) from None


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def subscribe(request: HttpRequest) -> HttpResponse:
    """A new audience of everybody who subscribed to one topic."""
    workspace, actor = workspace_of(request), actor_of(request)
    require(actor, access.MANAGE, workspace)
    form = SubscriptionForm(request.POST or None, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        try:
            made = audiences.create(
                workspace,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                tags=form.given_tags(),
                kind=Audience.Kind.SUBSCRIPTION,
                topic=form.cleaned_data["topic"],
                actor=actor,
                now=timezone.now(),
            )
            return redirect("audiences:detail", made.pk)
        except Invalid as error:
            show_faults(error, form)
    return render(request, "audiences/subscribe.html", {"form": form}, status=400 if form.errors else 200)
