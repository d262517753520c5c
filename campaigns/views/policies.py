"""Approval policies, for who manages the workspace: the list, the form, activating, copying and deleting."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import MANAGE_WORKSPACE, require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from campaigns import approvals, policies, policybook
from campaigns.forms.approvals import PolicyForm
from campaigns.models import ApprovalPolicy
from campaigns.views.approvals import words_of
from common.errors import CarillonError, Invalid, NotFound


@login_required
@require_safe
def show_policies(request: HttpRequest) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, MANAGE_WORKSPACE, workspace)
    rows = [(row, _approvers(row)) for row in ApprovalPolicy.objects.filter(workspace=workspace)]
    return render(request, "campaigns/policies.html", {"rows": rows, "asks": approvals.asks(workspace)})


def _approvers(policy: ApprovalPolicy) -> str:
    """Who must agree, in words, one way after the other."""
    ways = [" + ".join(words_of(place) for place in way) for way in policies.ways(policy.approvers)]
    return " · ".join(ways)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_policy(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, MANAGE_WORKSPACE, workspace)
    policy = policybook.policy_for(actor, workspace, pk) if pk is not None else None
    form = PolicyForm(workspace, request.POST or None, instance=policy)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid() and _save(form, policy, request):
            return redirect("campaigns:policies")
    if policy is not None:
        seen.show(request, _shown(ApprovalPolicy.objects.get(pk=policy.pk)))
    return render(request, "campaigns/policy.html", {"form": form, "policy": policy}, status=status)


def _shown(policy: ApprovalPolicy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in policybook.FIELDS}


def _save(form: PolicyForm, policy: ApprovalPolicy | None, request: HttpRequest) -> bool:
    # The form's instance carries what was typed; the verb reads the row itself.
    before = ApprovalPolicy.objects.get(pk=policy.pk) if policy else None
    try:
        with seen.upon(request, before, lambda: _shown(before) if before else None):
            policybook.save(
                before,
                workspace=form.workspace,
                actor=actor_of(request),
                now=timezone.now(),
                **form.values(),
            )
    except Invalid as error:
        for problem in error.problems:
            form.add_error(problem.pointer if problem.pointer in form.fields else None, problem.detail)
        return False
    except CarillonError as error:
        form.add_error(None, error.detail)
        return False
    return True


@login_required
@require_POST
def act_on_policy(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    actor, workspace, now = actor_of(request), workspace_of(request), timezone.now()
    policy = policybook.policy_for(actor, workspace, pk)
    if verb in ("activate", "deactivate"):
        policybook.switch(policy, on=verb == "activate", actor=actor, now=now)
    elif verb == "delete":
        policybook.delete(policy, actor=actor, now=now)
    elif verb == "duplicate":
        values = {name: getattr(policy, name) for name in policybook.FIELDS}
        values["name"] = _("Copy of %(name)s") % {"name": policy.name[:80]}
        policybook.save(None, workspace=workspace, actor=actor, now=now, **values)
    else:
        raise NotFound(_("There is no such verb."))
    messages.success(request, _("Done."))
    return redirect("campaigns:policies")
