"""Approvals: the queue, what was asked and said at one campaign, comments, following, and stand-ins."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import may, require
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import Role, User, Workspace
from campaigns import access, alerts, approvals, comments, policybook, queue
from campaigns.forms.approvals import RequestForm, StandInForm, end_of, start_of
from campaigns.models import ApprovalRequest, Campaign
from campaigns.policies import Place
from campaigns.views.common import campaign_of
from common.errors import Invalid, Problem
from common.text import whole_number

PAGE = 25


@login_required
@require_safe
def show_queue(request: HttpRequest) -> HttpResponse:
    """What waits for me, what waits for others, and what was decided."""
    require(actor_of(request), access.VIEW, workspace_of(request))
    return _queue_page(request, StandInForm(workspace_of(request), actor_of(request)))


def _queue_page(request: HttpRequest, form: StandInForm) -> HttpResponse:
    """With the form as it was typed where it was refused."""
    actor, workspace, now = actor_of(request), workspace_of(request), timezone.now()
    rows = queue.open_requests(actor, workspace)
    mine = queue.waiting_for(actor, workspace, now=now, among=rows)
    past = ApprovalRequest.objects.filter(campaign__in=access.list_for(actor, workspace))
    past = past.exclude(state=ApprovalRequest.State.OPEN).select_related("campaign", "requested_by", "policy")
    page = {
        "mine": mine,
        "others": [row for row in rows if row not in mine],
        "page": Paginator(past.prefetch_related("decisions__by"), PAGE).get_page(request.GET.get("page")),
        "may_approve": may(actor, approvals.APPROVE, workspace),
        "stand_ins": policybook.stand_ins_of(actor, workspace, now=now),
        "stand_in_form": form,
        "now_at": now,
    }
    return render(request, "campaigns/approvals.html", page, status=400 if form.errors else 200)


def panel(campaign: Campaign, actor: User) -> dict[str, Any]:
    """What the review page says of approvals: who is asked, who has agreed, the talk, and the way to ask."""
    row = campaign.approval_requests.select_related("policy", "requested_by").first()
    is_open = row is not None and row.state == ApprovalRequest.State.OPEN
    return {
        "approval": row,
        "missing": [words_of(place) for place in approvals.still_missing(row)] if row and is_open else [],
        "decisions": row.decisions.select_related("by").prefetch_related("stands_for") if row else [],
        "comments": campaign.comments.select_related("author"),
        "request_form": RequestForm(),
        "follows": alerts.follows(campaign, actor),
    }


def details_of(request: HttpRequest) -> dict[str, Any]:
    """What goes with a request for approval, beside its message: until when an answer is wanted.

    Raises Invalid for what is no day, and for a message that is too long.
    """
    form = RequestForm(request.POST)
    if not form.is_valid():
        raise Invalid(
            Problem("invalid", str(error), name) for name, errors in form.errors.items() for error in errors
        )
    due = form.cleaned_data["due"]
    return {"due_at": end_of(due)} if due else {}


def words_of(place: Place) -> str:
    """A place still to be filled, by name: “Ana or Campaign approver”."""
    users = User.objects.in_bulk([leaf["user"] for leaf in place if "user" in leaf])
    roles = Role.objects.in_bulk([leaf["role"] for leaf in place if "role" in leaf])
    names = [str(users[leaf["user"]]) for leaf in place if leaf.get("user") in users]
    names += [roles[leaf["role"]].label for leaf in place if leaf.get("role") in roles]
    return (" " + _("or") + " ").join(names) if names else _("anybody who may approve")


@login_required
@require_POST
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk)
    try:
        comments.add(campaign, text=request.POST.get("text", ""), actor=actor_of(request), now=timezone.now())
    except Invalid as error:
        messages.error(request, str(error.detail))
    return redirect("campaigns:review", pk)


@login_required
@require_POST
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk)
    alerts.follow(campaign, actor_of(request), wants=request.POST.get("wants") == "1")
    return redirect("campaigns:review", pk)


@login_required
@require_POST
def stand_in(request: HttpRequest) -> HttpResponse:
    """Names a stand-in, or ends one."""
    actor, workspace, now = actor_of(request), workspace_of(request), timezone.now()
    require(actor, approvals.APPROVE, workspace)
    if (ended := whole_number(request.POST.get("end", ""))) is not None:
        policybook.end_stand_in(workspace, ended, actor=actor, now=now)
        return redirect("campaigns:approvals")
    form = StandInForm(workspace, actor, request.POST)
    if form.is_valid() and _name(form, workspace, actor, now):
        return redirect("campaigns:approvals")
    return _queue_page(request, form)


def _name(form: StandInForm, workspace: Workspace, actor: User, now: datetime) -> bool:
    """Who was chosen, for the days that were given; what is refused stands at its field."""
    given = form.cleaned_data
    try:
        policybook.name_stand_in(
            workspace,
            stand_in=User.objects.get(pk=given["stand_in"]),
            begins_at=start_of(given["first"]),
            ends_at=end_of(given["last"]),
            actor=actor,
            now=now,
        )
    except Invalid as error:
        for problem in error.problems:
            form.add_error("last" if problem.pointer == "ends_at" else problem.pointer, problem.detail)
        return False
    return True
