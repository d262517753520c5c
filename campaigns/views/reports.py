"""Reports: of a run, of a campaign, of the whole workspace; several campaigns side by side; and for every
number the messages behind it, as pages and as CSV.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from accounts.access import explain, require
from accounts.doors.callers import actor_of, workspace_of
from campaigns import access
from campaigns.access import PUBLISH
from campaigns.delivery.uncertain import Decision
from campaigns.models import Campaign, Event, Outcome, Run
from campaigns.reports import drill, heat, metrics, overview, sheet
from campaigns.reports import report as reporting
from campaigns.reports.definitions import DEVICES, FAULTS, MEANINGS
from campaigns.reports.report import Report
from campaigns.tracking.machines import LABELS
from campaigns.views.common import campaign_of, run_of
from campaigns.views.previews import preview_page
from channels.sandbox import RenderError
from common.csvfiles import lines
from common.errors import Invalid, NotFound
from common.text import whole_number

REPORT = "campaigns.view_report"
PAGE = 50
CAMPAIGN = "campaign"  # in the address of a heat map: of all runs


def _asked_action(request: HttpRequest) -> int | None:
    return drill.read(request.GET).action


def _is_last_day(request: HttpRequest) -> bool:
    return request.GET.get("window") == "24h"


@login_required
@require_safe
def of_run(request: HttpRequest, pk: int) -> HttpResponse:
    run = run_of(request, pk, REPORT)
    made = _made(request, run.campaign, run)
    return _shown(request, made, "report", "messages", "run_csv", run.pk)


@login_required
@require_safe
def of_campaign(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk, REPORT)
    made = _made(request, campaign, None)
    return _shown(request, made, "campaign_report", "campaign_messages", "campaign_csv", campaign.pk)


def _made(request: HttpRequest, campaign: Campaign, run: Run | None) -> Report:
    return reporting.make(
        campaign,
        run=run,
        action=_asked_action(request),
        is_last_day=_is_last_day(request),
        now=timezone.now(),
    )


def _shown(request: HttpRequest, made: Report, here: str, people: str, file: str, pk: int) -> HttpResponse:
    asked = {"action": made.action, "window": "24h" if made.since else None}
    narrowed = {key: value for key, value in asked.items() if value is not None}
    query = urlencode(narrowed)
    heat_query = urlencode({**narrowed, **({} if made.run else {"of": CAMPAIGN})})
    versions = {run.version_id: run for run in made.runs}
    mailed = next((run for run in versions.values() if made.links), None)
    page = {
        "report": made,
        "run": made.run,
        "campaign": made.campaign,
        "book": made.outcomes.book,
        "here": reverse(f"campaigns:{here}", args=[pk]),
        "people": reverse(f"campaigns:{people}", args=[pk]),
        "file": reverse(f"campaigns:{file}", args=[pk]) + (f"?{query}" if query else ""),
        "paper": reverse(f"campaigns:{file.replace('csv', 'pdf')}", args=[pk])
        + (f"?{query}" if query else ""),
        "is_any": request.GET.get("who") == "any",
        "heat": reverse("campaigns:heat", args=[mailed.pk]) + f"?{heat_query}" if mailed else "",
        "meanings": MEANINGS,
        "ratio": made.ratio(request.GET.get("number", ""), request.GET.get("per", "")),
    }
    return render(request, "campaigns/report.html", page)


@login_required
@require_safe
@xframe_options_sameorigin
def heat_map(request: HttpRequest, pk: int) -> HttpResponse:
    """The run's message with each link's share of the clicks of the run, or of all runs, under the policy of
    previews.
    """
    run = run_of(request, pk, REPORT)
    asked = drill.read(request.GET)
    actions = run.version.definition["actions"]
    action = next((one for one in actions if one["position"] == (asked.action or 0)), None)
    if action is None:
        raise NotFound(_("The campaign has no such message."))
    made = _made(request, run.campaign, None if request.GET.get("of") == CAMPAIGN else run)
    page: dict[str, Any] = {"channel": action["channel"]}
    try:
        page["message"] = heat.shown(run.version, action, 0, made.links)
        page["html"] = page["message"].html
    except (Invalid, RenderError) as error:
        page["error"] = error.detail
    return preview_page(request, page)


# ---- the messages behind a number -------------------------------------------------------------


@login_required
@require_safe
def messages(request: HttpRequest, pk: int) -> HttpResponse:
    run = run_of(request, pk, REPORT)
    return _listed(request, run.campaign, [run], run)


@login_required
@require_safe
def campaign_messages(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk, REPORT)
    return _listed(request, campaign, reporting.runs_of(campaign), None)


def _listed(request: HttpRequest, campaign: Campaign, runs: list[Run], run: Run | None) -> HttpResponse:
    asked = drill.read(request.GET)
    rows = drill.messages(runs, asked, now=timezone.now())
    of = (
        ("messages", "report", "export", run.pk)
        if run
        else ("campaign_messages", "campaign_report", "campaign_messages_csv", campaign.pk)
    )
    here, back, file = (reverse(f"campaigns:{name}", args=[of[3]]) for name in of[:3])
    page = {
        "run": run,
        "campaign": campaign,
        "here": here,
        "back": back,
        "file": f"{file}?{urlencode(asked.query())}",
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "asked": asked,
        "told": _told(asked),
        "outcomes": drill.OUTCOMES,
        "labels": _labels(),
        "kinds": Event.Kind.choices,
        "reasons": metrics.REASON_LABELS,
        "decisions": Decision.choices,
        "allowed": explain(actor_of(request), PUBLISH, campaign),
    }
    return render(request, "campaigns/messages.html", page)


def _labels() -> dict[str, Any]:
    return {
        **dict(Outcome.choices),
        drill.TO_GO: _("Still to go"),
        drill.DELIVERED: _("Delivered"),
        drill.SENT: _("Sent"),
        drill.RETRIED: _("Tried again"),
    }


def _told(asked: drill.Asked) -> list[str]:
    """What narrows the list beside the fields of its form, in words."""
    who = {
        drill.PEOPLE: _("by people"),
        drill.MACHINES: _("by machines"),
        drill.MACHINES_ONLY: _("by machines only"),
    }
    found = [who[asked.who]] if asked.event and asked.who else []
    found += [str(LABELS[asked.rule])] if asked.rule else []
    found += [str(DEVICES[asked.device])] if asked.device else []
    found += [str(FAULTS.get(asked.fault, asked.fault))] if asked.fault is not None else []
    found += [str(metrics.REASON_LABELS.get(asked.code, asked.code))] if asked.code else []
    found += [_("link %(number)s") % {"number": asked.link + 1}] if asked.link is not None else []
    found += [_("message %(number)s") % {"number": asked.action + 1}] if asked.action is not None else []
    found += [one for one in (asked.domain, asked.treatment, asked.language) if one]
    return [*found, _("the last 24 hours")] if asked.is_last_day else found


@login_required
@require_safe
def messages_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    run = run_of(request, pk, REPORT)
    return _messages_file(request, [run], f"run-{run.pk}")


@login_required
@require_safe
def campaign_messages_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    campaign = campaign_of(request, pk, REPORT)
    return _messages_file(request, reporting.runs_of(campaign), f"campaign-{campaign.pk}")


def _messages_file(request: HttpRequest, runs: list[Run], name: str) -> StreamingHttpResponse:
    columns = ("address", "outcome", "code", "detail", "at")
    rows = drill.messages(runs, drill.read(request.GET), now=timezone.now())
    told = rows.values_list(*columns).iterator(chunk_size=5000)
    return _file(_with_head(columns, told), name)


def _with_head(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Iterable[Iterable[Any]]:
    yield head
    yield from rows


def _file(rows: Iterable[Iterable[Any]], name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_safe
def run_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    run = run_of(request, pk, REPORT)
    return _file(sheet.rows(_made(request, run.campaign, run)), f"report-run-{run.pk}")


@login_required
@require_safe
def campaign_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    campaign = campaign_of(request, pk, REPORT)
    return _file(sheet.rows(_made(request, campaign, None)), f"report-campaign-{campaign.pk}")


@login_required
@require_safe
def run_pdf(request: HttpRequest, pk: int) -> HttpResponse:
    run = run_of(request, pk, REPORT)
    return _paper(_made(request, run.campaign, run), f"report-run-{run.pk}")


@login_required
@require_safe
def campaign_pdf(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk, REPORT)
    return _paper(_made(request, campaign, None), f"report-campaign-{campaign.pk}")


def _paper(made: Report, name: str) -> HttpResponse:
    from campaigns.reports import paper  # the library takes memory that no other page needs

    response = HttpResponse(paper.pdf(made, now=timezone.now()), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    response["Cache-Control"] = "no-store"
    return response


# ---- many campaigns ---------------------------------------------------------------------------


@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """What the workspace has sent of late, campaign by campaign, and all together."""
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, REPORT, workspace)
    mine = access.list_for(actor, workspace)
    days = overview.days_of(request.GET.get("days", ""))
    told = overview.of_workspace(mine, days=days, now=timezone.now())
    page = {
        "overview": told,
        "page": Paginator(told.lines, PAGE).get_page(request.GET.get("page")),
        "days": days,
        "choices": overview.DAYS,
        "meanings": MEANINGS,
    }
    return render(request, "campaigns/reports.html", page)


@login_required
@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, REPORT, workspace)
    mine = access.list_for(actor, workspace)
    given = [whole_number(one) for one in request.GET.getlist("campaign")]
    wanted = [pk for pk in given if pk is not None][: overview.MOST_COMPARED]
    page = {
        "lines": overview.compared(mine, wanted),
        "meanings": MEANINGS,
        "codes": overview.COMPARED,
        "choices": mine.exclude(runs=None).order_by("-changed_at").distinct()[:200],
        "wanted": wanted,
    }
    return render(request, "campaigns/compare.html", page)
