"""The pages on which a rule is built: a new audience by rule, and the rule of one that exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import require
from accounts.models import Workspace
from audiences import access, audiences, evaluate
from audiences.forms.rule import RuleForm, initial_of
from audiences.models import Audience
from audiences.rules.describe import sentence
from audiences.views.common import actor_of, show_faults, workspace_of
from common.errors import Invalid, NotFound


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)

    def make(name: str, rule: Any) -> Audience:
        kind, actor = Audience.Kind.RULE, actor_of(request)
        return audiences.create(workspace, name=name, kind=kind, rule=rule, actor=actor, now=timezone.now())

    form = RuleForm(request.POST or None, workspace=workspace)
    return _rule_page(request, workspace, form, make, {})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The rule of an audience that exists; its name stays."""
    audience = access.audience_for(actor_of(request), pk, access.MANAGE)
    request.workspace = audience.workspace  # type: ignore[attr-defined]
    if audience.kind != Audience.Kind.RULE:
        raise NotFound(_("An uploaded audience has no rule."))

    def change(_name: str, rule: Any) -> Audience:
        return audiences.change_rule(audience, rule=rule, actor=actor_of(request), now=timezone.now())

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
