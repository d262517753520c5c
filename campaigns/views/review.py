"""The review page, and the one door through which every verb of a campaign is pressed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import behind_labels
from accounts.auditwords import verb_in_words, who_in_words
from accounts.doors.callers import actor_of
from accounts.models import AuditEntry, User
from audiences import definitions
from audiences.models import Audience
from campaigns import access, drawing, forecast, lifecycle, schedule, sentences, versions
from campaigns.delivery import bound
from campaigns.languages import language_name
from campaigns.models import Campaign, Run, Status
from campaigns.reports import progress
from campaigns.views import approvals, preflight
from campaigns.views.common import campaign_of
from campaigns.views.editor import sample_people, summary
from campaigns.views.schedule import coming
from campaigns.views.versions import before_this, side_by_side
from channels.kinds import KINDS
from common.errors import Invalid, NotFound


@login_required
@require_safe
def review(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole campaign on one page, as an approver sees it."""
    campaign, actor, now = campaign_of(request, pk), actor_of(request), timezone.now()
    history = AuditEntry.objects.filter(object_type="campaigns.campaign", object_key=str(pk))
    page = {
        **summary(campaign, actor),
        **approvals.panel(campaign, actor),
        "actions": lifecycle.available(campaign, actor, now=now),
        "people": sample_people(campaign, actor),
        "rule": _rule(campaign, actor),
        "left_out": _left_out(campaign, actor),
        "history": history.exclude(verb="save")[:10],
        "verb_label": verb_in_words,
        "who_label": who_in_words,
        "fingerprint": _fingerprint(campaign),
        "letters": _letters(campaign),
        "hidden_configurations": access.hidden_configurations(actor),
        "kinds": KINDS,
        "person": request.GET.get("person", "")[:20],
        "coming": _coming(campaign),
        **_forecast(campaign, now),
        **_changes(campaign, actor),
        **preflight.panel(campaign, actor),
    }
    return render(request, "campaigns/review.html", page)


def _fingerprint(campaign: Campaign) -> str:
    try:
        return versions.fingerprint(versions.definition(campaign))
    except Invalid:
        return ""


def _letters(campaign: Campaign) -> list[dict[str, Any]]:
    """Every content of every action, each with where its preview is."""
    found = []
    titles = {one["key"]: one["title"] for one in campaign.experiment.get("treatments", [])}
    default = campaign.languages.get("default", "")
    for action in campaign.actions.select_related("configuration"):
        for content in versions.contents_of(action, campaign):
            place = {"action": action.position, **{key: content[key] for key in ("treatment", "language")}}
            found.append(
                {
                    "action": action,
                    "title": _title(
                        str(KINDS[action.channel].label),
                        titles.get(content["treatment"] or "A", ""),
                        language_name(code) if (code := content["language"] or default) else "",
                    ),
                    "content": content["content"],
                    "query": urlencode({key: value for key, value in place.items() if value}),
                }
            )
    return found


def _title(*parts: str) -> str:
    return " · ".join(filter(None, parts))


def _coming(campaign: Campaign) -> dict[str, Any] | None:
    try:
        return coming(campaign)
    except Invalid:
        return None


def _forecast(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """The numbers of the next run, its curve as points of a drawing, and what they warn of."""
    found = forecast.forecast(campaign, now=now) if campaign.draft_state or campaign.live_version_id else None
    if found is None:
        return {"forecast": None}
    return {
        "forecast": found,
        "shade": drawing.shade,
        "done_at": _on_the_campaigns_clock(campaign, found.ends_at),
        "drawing": drawing.curve(found, schedule.of_draft(campaign).zone),
        "forecast_warnings": forecast.warnings(found, campaign),
    }


def _on_the_campaigns_clock(campaign: Campaign, moment: datetime | None) -> str:
    return sentences.told(moment.astimezone(schedule.of_draft(campaign).zone)) if moment else ""


def _changes(campaign: Campaign, actor: User) -> dict[str, Any]:
    old = before_this(campaign)
    if old is None:
        return {"differences": None}
    new = None if campaign.is_editable or campaign.version is None else campaign.version
    return {**side_by_side(campaign, old, new, actor), "shows_all": False}


def _left_out(campaign: Campaign, actor: User) -> list[str]:
    """The names of the exclusion audiences; one the reader may not see is not named."""
    rows = list(campaign.exclusions.order_by("name"))
    hidden = behind_labels(actor, Audience, {one.pk for one in rows})
    return [_("An audience you may not see") if one.pk in hidden else one.name for one in rows]


def _rule(campaign: Campaign, actor: User) -> str:
    """The audience in words."""
    return definitions.words(campaign.audience, actor) if campaign.audience else ""


@login_required
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Applies one verb. What cannot be done is told on the page it was pressed on."""
    campaign, actor, now = campaign_of(request, pk), actor_of(request), timezone.now()
    if verb == "delete":
        lifecycle.delete(campaign, actor=actor, now=now)
        messages.success(request, _("“%(name)s” is deleted.") % {"name": campaign.name})
        return redirect("campaigns:list")
    if verb == "duplicate":
        copy = lifecycle.duplicate(campaign, actor=actor, now=now)
        return redirect("campaigns:edit", copy.pk, "properties")
    verbs = ["approve", "activate"] if verb == "approve_and_activate" else [verb]
    if any(one not in lifecycle.PRESSABLE for one in verbs):
        raise NotFound(_("There is no such verb."))
    comment = request.POST.get("comment", "").replace("\0", "").strip()[:2000]
    try:
        with transaction.atomic():
            for one in verbs:
                if one == "activate" and campaign.draft_state == Status.IN_REVIEW:
                    break  # others are still asked
                details: dict[str, Any] = {"comment": comment} if comment else {}
                if one == "request_approval":
                    details |= approvals.details_of(request)
                if one == "stop":
                    details["recall"] = request.POST.get("queued") != "finish"
                campaign = lifecycle.apply(campaign, one, actor=actor, now=now, **details)
    except Invalid as error:
        messages.error(request, " ".join(str(problem.detail) for problem in error.problems))
        return redirect("campaigns:review", pk)
    messages.success(request, told(campaign))
    if verb == "modify":
        return redirect("campaigns:edit", pk, "properties")
    # Whoever pauses what is live, or asks for changes, did not ask for the editor of the draft beside it.
    stays = verb in ("pause", "resume", "request_changes") and campaign.is_editable
    return redirect("campaigns:review" if stays else "campaigns:detail", pk)


@login_required
@require_safe
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks once, and says what stopping does in numbers."""
    campaign, actor, now = campaign_of(request, pk), actor_of(request), timezone.now()
    states = {one.verb: one for one in lifecycle.available(campaign, actor, now=now)}
    if "stop" not in states:
        return redirect("campaigns:detail", pk)
    under_way = [Run.State.EXPANDING, Run.State.SENDING]
    runs = campaign.runs.filter(state__in=under_way).order_by("due_at")
    page = {
        "campaign": campaign,
        "runs": [(run, progress.of(run, now=now).book.to_go, bound.may_leave(run)) for run in runs],
        "can_finish": campaign.status == Status.LIVE and runs.exists(),
        "allowed": states["stop"].allowed,
        "reason": states["stop"].reason,
    }
    return render(request, "campaigns/stop.html", page)


def told(campaign: Campaign) -> str:
    """What happened, in words."""
    if campaign.status == Status.PAUSED:
        return _("Paused. At most the messages on their way still leave; the rest wait until you resume.")
    if campaign.status == Status.STOPPED:
        going = campaign.runs.filter(state__in=[Run.State.EXPANDING, Run.State.SENDING])
        if going.exists():
            return _("Stopped. The current run still finishes; later runs are cancelled.")
        stopping = campaign.runs.filter(state=Run.State.STOPPING).values_list("stop_bound", flat=True)
        most = {"bound": sum(filter(None, stopping))}
        return _("Stopped. At most %(bound)s messages still leave; the rest is cancelled.") % most
    if campaign.draft_state == Status.IN_REVIEW:
        return _("“%(name)s” is in review; it waits for everybody who is asked.") % {"name": campaign.name}
    if campaign.is_being_modified:
        return _("You are writing a new version. The live one keeps running until yours is activated.")
    return _("“%(name)s” is now “%(state)s”.") % {
        "name": campaign.name,
        "state": campaign.get_status_display(),
    }
