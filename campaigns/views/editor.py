"""The editor: one tab, one form, one save. What a tab lacks stands beside it, and in the summary."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import may
from accounts.doors.callers import actor_of
from accounts.models import User
from audiences import evaluate
from audiences.models import Profile
from campaigns import access, drafts, forecast, validation, versions
from campaigns.forms.draft import FORMS, tabs_of
from campaigns.forms.schedule import ScheduleForm
from campaigns.forms.tab import DraftForm, TabForm
from campaigns.models import Campaign, Run, Status
from campaigns.views.common import campaign_of
from campaigns.views.schedule import coming
from channels.kinds import KINDS
from common.api import etag_of
from common.errors import CarillonError, Invalid, NotFound

REMEMBERED = 60  # seconds that a count of people is good enough while somebody types


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Leads to where the campaign's story is: editor, review, or its latest run."""
    campaign = campaign_of(request, pk)
    if campaign.is_editable and may(actor_of(request), access.MANAGE, campaign):
        return redirect("campaigns:edit", pk, "properties")
    run = campaign.runs.exclude(kind=Run.Kind.PROOF).order_by("-due_at").first()
    if run and campaign.status not in (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED, Status.SCHEDULED):
        return redirect("campaigns:run", run.pk)
    return redirect("campaigns:review", pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int, tab: str) -> HttpResponse:
    campaign = campaign_of(request, pk, access.MANAGE)
    tabs = tabs_of(campaign)
    if tab not in tabs or tab not in FORMS:
        raise NotFound(_("This campaign has no such tab."))
    if not campaign.is_editable and request.method != "POST":
        return redirect("campaigns:review", pk)
    form = FORMS[tab](request.POST or None, campaign=campaign, actor=actor_of(request))
    is_saved = request.method == "POST" and form.is_valid() and _save(request, form)
    if is_autosave(request):
        return told(request, campaign, form)
    if is_saved:
        messages.success(request, _("Saved."))
        return onward(request, campaign, tab)
    page = {**frame(request, campaign, tab), "form": form}
    if isinstance(form, ScheduleForm):
        page["coming"] = page["planned"]
    return render(request, "campaigns/edit.html", page, status=status_of(request, form))


def status_of(request: HttpRequest, form: DraftForm) -> int:
    """Of a page with a form that was not saved."""
    return 200 if request.method != "POST" else 409 if form.is_late else 400


def is_autosave(request: HttpRequest) -> bool:
    return request.method == "POST" and "X-Autosave" in request.headers


def told(request: HttpRequest, campaign: Campaign, form: DraftForm, **about: str) -> HttpResponse:
    """What a save that nobody pressed came to, and words about it. Nothing is lost: the text stays there."""
    if form.errors:
        every = [str(text) for texts in form.errors.values() for text in texts]
        return JsonResponse({"detail": " ".join(every)}, status=status_of(request, form))
    campaign.refresh_from_db(fields=["revision", "changed_at"])
    at = timezone.localtime(campaign.changed_at)
    return JsonResponse(
        {"revision": campaign.revision, "saved": _("Saved %(at)s") % {"at": f"{at:%H:%M:%S}"}, **about}
    )


def onward(request: HttpRequest, campaign: Campaign, tab: str) -> HttpResponse:
    """Back to the tab, or to the one after it where “Save and continue” was pressed."""
    keys = list(tabs_of(campaign))
    following = keys[keys.index(tab) + 1 :] if "next" in request.POST else [tab]
    if not following:
        return redirect("campaigns:review", campaign.pk)
    return redirect("campaigns:edit", campaign.pk, following[0])


def frame(request: HttpRequest, campaign: Campaign, tab: str) -> dict[str, Any]:
    """What every page of the editor shows around its form."""
    planned = planned_of(campaign)
    return {
        **summary(campaign, actor_of(request)),
        "reach": reach_of(campaign, is_renewal="X-Renewal" in request.headers),
        "planned": planned,
        "when": when_of(campaign, planned),
        "tab": tab,
        "tabs": tabs_of(campaign),
    }


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
    except CarillonError as error:
        form.refuse(error)
        return False
    return True


def summary(campaign: Campaign, actor: User) -> dict[str, Any]:
    """What stands beside every page of a campaign: its findings."""
    findings = validation.validate(campaign, now=timezone.now(), actor=actor)
    return {
        "campaign": campaign,
        "hides_audience": bool(access.hidden_audiences(actor, [campaign])),
        "findings": findings,
        "error_count": sum(finding.is_error for finding in findings),
    }


def reach_of(campaign: Campaign, *, is_renewal: bool = False) -> dict[str, Any] | None:
    """How many each message reaches and why the others get nothing, by the forecast that the review shows.

    None where nobody can be counted yet. A page that renews itself while somebody types is told what was
    counted a moment ago, unless something was chosen since that changes who gets it: the whole audience is
    not read for every few letters.
    """
    try:
        key = f"reach:{campaign.pk}:{get_language()}:{_who_gets(campaign)}"
    except Invalid:
        return None
    if is_renewal and (counted := cache.get(key)):
        return dict(counted)
    told = forecast.forecast(campaign, now=timezone.now())
    if told is None or not told.actions:
        return None
    first = told.actions[0]
    found = {
        "people": first.people,
        "reached": told.reached,
        "reasons": [(one.label, one.people) for one in first.excluded] if len(told.actions) == 1 else [],
        "channels": [(str(KINDS[one.channel].label), one.reached) for one in told.actions],
    }
    cache.set(key, found, REMEMBERED)
    return found


def _who_gets(campaign: Campaign) -> str:
    """The same for as long as only words are changed."""
    definition = versions.definition(campaign)
    for action in definition["actions"]:
        del action["contents"]
    return etag_of(definition).strip('"')


def planned_of(campaign: Campaign) -> dict[str, Any] | None:
    """The schedule and its next sends; None where it cannot be read."""
    try:
        return coming(campaign)
    except Invalid:
        return None


def when_of(campaign: Campaign, planned: dict[str, Any] | None) -> dict[str, Any] | None:
    """The schedule in words and the next send; None where calls decide."""
    if planned is None or campaign.type == Campaign.Type.API_TRIGGERED:
        return None
    return {
        "words": planned["words"],
        "next": planned["sends"][0] if planned["table"].is_recurring and planned["sends"] else None,
    }


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


SAMPLE_ROWS = "sample_rows"


def sample_rows(request: HttpRequest, campaign: Campaign) -> list[tuple[str, dict[str, Any]]]:
    """What the person took in for previews in this workspace, by the names it is asked for with."""
    rows = request.session.get(SAMPLE_ROWS, {}).get(str(campaign.workspace_id), [])
    return [(f"row-{number}", row) for number, row in enumerate(rows, start=1)]
