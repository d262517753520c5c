"""The editor: one tab, one form, one save. What a tab lacks stands beside it, and in the summary."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import may
from accounts.models import User
from audiences import context, evaluate
from audiences.models import Profile
from campaigns import access, drafts, transitions, validation
from campaigns.forms.draft import sample_fields, tabs_of
from campaigns.forms.schedule import ScheduleForm
from campaigns.forms.tab import TabForm
from campaigns.models import Campaign, Status
from campaigns.reports.metrics import REASON_LABELS
from campaigns.views.common import actor_of, campaign_of
from campaigns.views.schedule import coming
from channels import rendering
from channels.messages import Content
from channels.models import ChannelConfiguration
from channels.sandbox import RenderError
from common.errors import CarillonError, Invalid, NotFound

PREVIEW_POLICY = (
    "sandbox; default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Leads to where the campaign's story is: editor, review, or its latest run."""
    campaign = campaign_of(request, pk)
    if campaign.is_editable and may(actor_of(request), transitions.MANAGE, campaign):
        return redirect("campaigns:edit", pk, "properties")
    run = campaign.runs.order_by("-due_at").first()
    if run and campaign.status not in (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED, Status.SCHEDULED):
        return redirect("campaigns:run", run.pk)
    return redirect("campaigns:review", pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int, tab: str) -> HttpResponse:
    campaign = campaign_of(request, pk, transitions.MANAGE)
    tabs = tabs_of(campaign)
    if tab not in tabs:
        raise NotFound(_("This campaign has no such tab."))
    if not campaign.is_editable and request.method != "POST":
        return redirect("campaigns:review", pk)
    form_class = tabs[tab][1]
    form = form_class(request.POST or None, campaign=campaign, actor=actor_of(request))
    if request.method == "POST" and form.is_valid() and _save(request, form):
        messages.success(request, _("Saved."))
        keys = list(tabs)
        following = keys[keys.index(tab) + 1 :] if "next" in request.POST else [tab]
        if not following:
            return redirect("campaigns:review", pk)
        return redirect("campaigns:edit", pk, following[0])
    page = {**summary(campaign, actor_of(request)), "form": form, "tab": tab, "tabs": tabs}
    if tab == "content":
        page |= {
            "fields": sample_fields(campaign.workspace),
            "people": sample_people(campaign, actor_of(request)),
        }
    if isinstance(form, ScheduleForm):
        page["coming"] = coming(campaign)
    status = 200 if request.method != "POST" else 409 if form.non_field_errors() else 400
    return render(request, "campaigns/edit.html", page, status=status)


def _save(request: HttpRequest, form: TabForm) -> bool:
    """False leaves the person's text in the form, with what went wrong above it."""
    try:
        drafts.save(
            form.campaign,
            revision=form.cleaned_data["revision"],
            actor=actor_of(request),
            now=timezone.now(),
            **form.cleaned(),
        )
    except Invalid as error:
        for problem in error.problems:
            form.add_error(problem.pointer if problem.pointer in form.fields else None, problem.detail)
        return False
    except CarillonError as error:
        form.add_error(None, error.detail)
        return False
    return True


def summary(campaign: Campaign, actor: User) -> dict[str, Any]:
    """What stands beside every page of a campaign: findings, and whom it reaches."""
    findings = validation.validate(campaign, now=timezone.now(), actor=actor)
    return {
        "campaign": campaign,
        "hides_audience": bool(access.hidden_audiences(actor, [campaign])),
        "findings": findings,
        "error_count": sum(finding.is_error for finding in findings),
        "reach": reach_of(campaign),
    }


def reach_of(campaign: Campaign) -> dict[str, Any] | None:
    """How many get it, and why the others do not. None without an audience that can be evaluated."""
    if campaign.audience is None:
        return None
    try:
        counts = evaluate.reach(
            evaluate.definition(campaign.audience),
            workspace_id=campaign.workspace_id,
            channel="email",
            category=campaign.category,
        )
    except Invalid:
        return None
    reasons = [(REASON_LABELS.get(code, code), people) for code, people in sorted(counts.items()) if code]
    return {"people": sum(counts.values()), "reached": counts.get("", 0), "reasons": reasons}


def sample_people(campaign: Campaign, actor: User) -> list[Profile]:
    """Test profiles first, then members of the audience, unless its labels hide it from the reader."""
    tests = list(Profile.objects.filter(workspace=campaign.workspace, is_test=True).order_by("pk")[:5])
    if campaign.audience is None or access.hidden_audiences(actor, [campaign]):
        anybody = Profile.objects.filter(workspace=campaign.workspace).order_by("pk")
        return tests or list(anybody[:2])
    try:
        members = evaluate.sample(evaluate.definition(campaign.audience), campaign.workspace_id, 5)
    except Invalid:
        members = []
    return tests + [one for one in members if one not in tests]


def _sample_context(content: Content) -> dict[str, Any]:
    """Each `context.` name the message uses, filled with the name itself until a call brings the value."""
    sample: dict[str, Any] = {}
    for name in rendering.context_names(content):
        inner = sample
        *branches, leaf = name.split(".")[1:]
        for branch in branches:
            inner = inner.setdefault(branch, {})
        inner[leaf] = f"[{leaf}]"
    return sample


@login_required
@require_safe
@xframe_options_sameorigin
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """The message as one person would get it, locked away from the application by its own policy."""
    campaign = campaign_of(request, pk)
    people = {str(one.pk): one for one in sample_people(campaign, actor_of(request))}
    person = people.get(request.GET.get("profile", "")) or next(iter(people.values()), None)
    action = campaign.actions.select_related("configuration")[0]
    values = {
        "profile": context.contexts([person.pk], campaign.workspace_id)[person.pk] if person else {},
        "context": _sample_context(Content(**action.content)),
        "unsubscribe_url": "#",
        "preferences_url": "#",
    }
    page: dict[str, Any] = {"person": person}
    try:
        page["message"] = rendering.sample(
            Content(**action.content),
            context=values,
            recipient=person.email or "" if person else "",
            configuration=action.configuration or ChannelConfiguration(),
        )
    except (Invalid, RenderError) as error:
        page["error"] = error.detail
    response = render(request, "campaigns/preview.html", page)
    response["Content-Security-Policy"] = PREVIEW_POLICY
    return response
