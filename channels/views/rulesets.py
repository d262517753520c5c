"""The doors of rule sets: the list, a set with its rules, the forms of both."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import may, require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from channels import rulesets
from channels.access import MANAGE, VIEW
from channels.forms import rule_form, rule_set_form
from channels.models import Rule, RuleSet
from channels.views.common import show_faults
from common.errors import Invalid, NotFound


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    rows = rulesets.sets_for(actor_of(request), workspace_of(request)).prefetch_related("rules")
    return render(request, "channels/rule_sets.html", {"rule_sets": rows})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, MANAGE, workspace)
    form = rule_set_form(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = rulesets.create(workspace, **form.cleaned_data, actor=actor, now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved. Now add its rules, and activate it."))
            return redirect("channels:rule_set", made.pk)
    return _form_page(request, form, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    actor = actor_of(request)
    rule_set = rulesets.set_for(actor, pk, MANAGE)
    form = rule_set_form(request.POST or None, rule_set)
    if request.method == "POST" and form.is_valid():
        try:
            with seen.upon(request, rule_set, lambda: _shown(rule_set)):
                rulesets.change(rule_set, **form.cleaned_data, actor=actor, now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved."))
            return redirect("channels:rule_set", pk)
    seen.show(request, _shown(rule_set))
    return _form_page(request, form, rule_set)


def _shown(rule_set: RuleSet) -> list[str]:
    return [rule_set.name, rule_set.description]


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    actor = actor_of(request)
    rule_set = rulesets.set_for(actor, pk, VIEW)
    request.workspace = rule_set.workspace  # type: ignore[attr-defined]
    page = {
        "rule_set": rule_set,
        "rules": [(rule, rulesets.possible(rule)) for rule in rule_set.rules.all()],
        "verbs": rulesets.possible(rule_set),
        "may_manage": may(actor, MANAGE, rule_set.workspace),
    }
    return render(request, "channels/rule_set.html", page)


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    actor, now = actor_of(request), timezone.now()
    rule_set = rulesets.set_for(actor, pk, MANAGE)
    if verb == "delete":
        rulesets.delete(rule_set, actor=actor, now=now)
        messages.success(request, _("Deleted."))
        return redirect("channels:rule_sets")
    if verb not in rulesets.SWITCHES:
        raise NotFound(_("There is no such action."))
    rulesets.switch(rule_set, verb, actor=actor, now=now)
    return redirect("channels:rule_set", pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def add_rule(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    actor = actor_of(request)
    rule_set = rulesets.set_for(actor, pk, MANAGE)
    if kind not in Rule.Kind.values:
        raise NotFound(_("There is no such action."))
    form = rule_form(kind, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            rulesets.add_rule(rule_set, form.values(), actor=actor, now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Added. It counts once it is active."))
            return redirect("channels:rule_set", pk)
    return _rule_page(request, {"form": form, "rule_set": rule_set, "kind": kind, "rule": None})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_rule(request: HttpRequest, pk: int, rule_pk: int) -> HttpResponse:
    actor = actor_of(request)
    rule_set = rulesets.set_for(actor, pk, MANAGE)
    rule = rulesets.rule_of(rule_set, rule_pk)
    form = rule_form(rule.kind, request.POST or None, rule)
    if request.method == "POST" and form.is_valid():
        try:
            with seen.upon(request, rule, lambda: seen.values(rule)):
                rulesets.change_rule(rule, form.values(), actor=actor, now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved. It counts from now on, also for what is being sent."))
            return redirect("channels:rule_set", pk)
    seen.show(request, seen.values(rule))
    return _rule_page(request, {"form": form, "rule_set": rule_set, "kind": rule.kind, "rule": rule})


@login_required
@require_POST
def act_rule(request: HttpRequest, pk: int, rule_pk: int, verb: str) -> HttpResponse:
    actor, now = actor_of(request), timezone.now()
    rule = rulesets.rule_of(rulesets.set_for(actor, pk, MANAGE), rule_pk)
    if verb == "delete":
        rulesets.delete_rule(rule, actor=actor, now=now)
    elif verb in rulesets.SWITCHES:
        rulesets.switch_rule(rule, verb, actor=actor, now=now)
    else:
        raise NotFound(_("There is no such action."))
    return redirect("channels:rule_set", pk)


def _form_page(request: HttpRequest, form: Any, rule_set: Any) -> HttpResponse:
    page = {"form": form, "rule_set": rule_set}
    return render(request, "channels/rule_set_form.html", page, status=400 if form.errors else 200)


def _rule_page(request: HttpRequest, page: dict[str, Any]) -> HttpResponse:
    return render(request, "channels/rule_form.html", page, status=400 if page["form"].errors else 200)
