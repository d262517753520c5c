"""The pages on which an audience is put together from others, or made of a topic's subscribers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import may, require
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import Workspace
from audiences import access, audiences, composition, definitions, lifecycle, livecount
from audiences.forms.composition import CompositionForm, SubscriptionForm, initial_of
from audiences.models import Audience
from audiences.views.common import audience_of, show_faults, to_page_of
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
    page: dict[str, Any] = {"form": form, "audience": audience, "confirmed": "everybody" in request.POST}
    status = 200
    is_count = request.POST.get("do") == "count"
    is_part = is_count and bool(getattr(request, "htmx", False))
    if is_count:
        for name in ("name", "description", "tags"):
            form.fields[name].required = False
    if request.method == "POST" and form.is_valid():
        try:
            tree = form.tree()
            found = _preview(request, form, tree, workspace, audience) if form.is_valid() else {}
            if found and not is_count and (page["confirmed"] or not found["count"].is_everybody):
                return to_page_of(_save(request, form, tree, workspace, audience))
            page |= found
            page["must_confirm"] = bool(found) and not is_count
            status = 400 if page["must_confirm"] else 200
        except Invalid as error:
            show_faults(form.by_field(error), form, "json" if form.cleaned_data["json"].strip() else None)
        except livecount.Superseded:
            if is_part:
                return HttpResponse(status=204)
            raise
        except Conflict as error:
            form.add_error(None, error.detail)
            status = error.status
    if is_part:  # what is missing stands in the part; htmx shows no answer but a good one
        return render(request, "audiences/_composed.html", {**page, "is_part": True})
    if form.errors and status == 200:
        status = 400
    return render(request, "audiences/compose.html", page, status=status)


def _preview(
    request: HttpRequest, form: CompositionForm, tree: Any, workspace: Workspace, audience: Audience | None
) -> dict[str, Any]:
    """The sentence, the count and some of the people. Raises Invalid."""
    actor = actor_of(request)
    definitions.check_named(tree, audience.composition if audience else {}, workspace, actor)
    with definitions.veiled(tree, workspace, actor):
        composition.check(tree, workspace, audience.pk if audience else None)
    is_hidden = definitions.names_hidden(tree, workspace, actor)
    count = livecount.count_composition(
        tree,
        workspace,
        token=f"{actor.pk} {form.cleaned_data['builder']}",
        with_people=may(actor, access.MANAGE, workspace),
    )
    sentence = str(definitions.HIDDEN) if is_hidden else composition.sentence(tree, workspace)
    return {"sentence": sentence, "count": count}


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
            return to_page_of(made)
        except Invalid as error:
            show_faults(error, form)
    return render(request, "audiences/subscribe.html", {"form": form}, status=400 if form.errors else 200)
