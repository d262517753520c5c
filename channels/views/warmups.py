"""The doors of warm-up plans: the list, a plan with its days, its form and its buttons."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import may, require
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from channels import warming, warmups
from channels.access import MANAGE
from channels.domaingroups import LABELS
from channels.forms import WarmupForm
from channels.models import WarmupPlan
from channels.views.common import show_faults
from common.errors import Invalid, NotFound, Problem


@login_required
@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    rows = warmups.plans_for(actor_of(request), workspace_of(request))
    plans = [(row, warming.state(row, now), warming.today(row, now)) for row in rows]
    return render(request, "channels/warmups.html", {"plans": plans, "states": WarmupPlan.State})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, MANAGE, workspace)
    form = WarmupForm(request.POST or None, configurations=warmups.choices(actor, workspace))
    if request.method == "POST" and form.is_valid():
        try:
            made = warmups.create(workspace, form.values(), actor=actor, now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved. It counts once you start it."))
            return redirect("channels:warmup", made.pk)
    return _form_page(request, form, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    actor, now = actor_of(request), timezone.now()
    plan = warmups.plan_for(actor, pk, MANAGE)
    request.workspace = plan.workspace  # type: ignore[attr-defined]
    form = WarmupForm(request.POST or None, configurations=warmups.choices(actor, plan.workspace), plan=plan)
    if request.method == "POST" and form.is_valid():
        try:
            with seen.upon(request, plan, lambda: seen.values(plan)):
                warmups.change(plan, form.values(), actor=actor, now=now)
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved. It counts from now on, also for what is being sent."))
            return redirect("channels:warmup", pk)
    seen.show(request, seen.values(plan))
    return _form_page(request, form, plan)


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, warmups.plan_for(actor_of(request), pk))


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    actor, now = actor_of(request), timezone.now()
    plan = warmups.plan_for(actor, pk, MANAGE)
    told: dict[str, Any] = {"actor": actor, "now": now}
    if verb == "delete":
        warmups.delete(plan, **told)
        messages.success(request, _("Deleted."))
        return redirect("channels:warmups")
    if verb == "complete":
        warmups.complete(plan, **told)
        messages.success(
            request,
            _("Completed. Nothing is limited by it any more; what waits for the next day leaves then."),
        )
    elif verb == "start":
        try:
            warmups.start(plan, on=_day_of(request.POST.get("on", "")), **told)
        except Invalid as error:
            return _page(request, plan, fault=str(error.detail))
        messages.success(request, _("Started. It counts for everything that leaves from now on."))
    else:
        raise NotFound(_("There is no such action."))
    return redirect("channels:warmup", pk)


def _day_of(text: str) -> Any:
    try:
        found = parse_date(text) if text else None
    except ValueError:
        found = None
    if text and found is None:
        raise Invalid(Problem("bad_day", _("This is not a date. Write it like 2026-12-24."), "on"))
    return found


def _page(request: HttpRequest, plan: WarmupPlan, fault: str = "") -> HttpResponse:
    now = timezone.now()
    request.workspace = plan.workspace  # type: ignore[attr-defined]
    state, sent = warming.state(plan, now), warming.sent_by_day(plan)
    days = []
    for place, volume in enumerate(plan.days):
        day = plan.starts_on + timedelta(days=place) if plan.starts_on else None
        days.append(
            {"number": place + 1, "day": day, "volume": volume, "sent": sent.get(day, {}) if day else {}}
        )
    page = {
        "plan": plan,
        "state": WarmupPlan.State(state),
        "today": warming.today(plan, now),
        "days": days,
        "labels": LABELS,
        "verbs": warmups.possible(plan, now),
        "may_manage": may(actor_of(request), MANAGE, plan.configuration),
        "first_day": now.astimezone(warming.zone_of(plan)).date(),
        "fault": fault,
    }
    return render(request, "channels/warmup.html", page, status=400 if fault else 200)


def _form_page(request: HttpRequest, form: WarmupForm, plan: WarmupPlan | None) -> HttpResponse:
    page = {"form": form, "plan": plan}
    return render(request, "channels/warmup_form.html", page, status=400 if form.errors else 200)
