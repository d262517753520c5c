"""The API page of an API-triggered campaign: a ready call with its own variables, and the latest calls."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.access import may
from campaigns import codesamples, versions
from campaigns.codesamples import Request
from campaigns.delivery.calls import needs_of_definition, unused
from campaigns.models import Campaign, Execution, MessageContext
from campaigns.reports import calls
from campaigns.views.common import campaign_of
from channels.needs import Need
from common.errors import Invalid, NotFound

PAGE = 20
REPORT = "campaigns.view_report"


@login_required
@require_safe
def api(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk)
    if campaign.type != Campaign.Type.API_TRIGGERED:
        raise NotFound(_("Only API-triggered campaigns take calls."))
    needs = _needs(campaign)
    example = _example(campaign, needs)
    chosen = {name: request.GET.get(name, "").replace("\0", "").strip() for name in ("search", "state")}
    page: dict[str, Any] = {
        "campaign": campaign,
        "needs": needs,
        "samples": [(name, write(example)) for name, write in codesamples.LANGUAGES.items()],
        "may_see_calls": may(request.user, REPORT, campaign),  # type: ignore[arg-type]
        "states": calls.STATES,
        **chosen,
    }
    if page["may_see_calls"]:
        rows: QuerySet[Execution, Any] = calls.of_campaign(campaign, **chosen)
        page["calls"] = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "campaigns/api.html", page)


@login_required
@require_safe
def replay(request: HttpRequest, pk: int, execution: uuid.UUID) -> HttpResponse:
    """One call as it came, to be sent again under a request id of its own."""
    campaign = campaign_of(request, pk, REPORT)
    rows = Execution.objects.select_related("run__version", "credential")
    found = rows.filter(campaign=campaign, pk=execution).first()
    if found is None or found.kind == Execution.Kind.AUDIENCE:
        raise NotFound(_("There is no such execution, or you may not see it."))
    again = _again(found)
    brought = {key: value for one in again.body["recipients"] for key, value in one["context"].items()}
    page = {
        "campaign": campaign,
        "call": found,
        "curl": codesamples.curl(again),
        "unused": unused(needs_of_definition(found.run.version.definition), brought),
    }
    return render(request, "campaigns/replay.html", page)


def _needs(campaign: Campaign) -> list[Need]:
    """Of what is live, or of the draft; nothing while it cannot be compiled."""
    live = campaign.live_version
    try:
        return needs_of_definition(live.definition if live else versions.definition(campaign))
    except Invalid:
        return []


def _door(kind: str) -> str:
    name = "high_throughput" if kind == Execution.Kind.HIGH_THROUGHPUT else "unitary"
    return str(settings.PUBLIC_URL + reverse(f"api:{name}"))


def _example(campaign: Campaign, needs: list[Need]) -> Request:
    """A call that works once TOKEN is set, with every value the content reads."""
    person: dict[str, Any] = {"type": "aep", "userId": "ana@example.com", "namespace": "email"}
    kind = Execution.Kind.UNITARY
    if campaign.high_throughput:
        kind, person["type"] = Execution.Kind.HIGH_THROUGHPUT, "external"
        person["profile"] = codesamples.sample_values(needs, "profile")
    person["context"] = codesamples.sample_values(needs, "context")
    body = {"requestId": "a-new-id-for-each-call", "campaignId": str(campaign.pk), "recipients": [person]}
    return Request(_door(kind), body)


def _again(call: Execution) -> Request:
    """From the rows the call left. The profile's own address is not put into the call."""
    last = call.first_ref + call.size - 1
    rows = MessageContext.objects.filter(run=call.run, ref__range=(call.first_ref, last)).order_by("ref")
    beside = {row.ref: row for row in rows}
    people = []
    for message in calls.messages_of(call):
        found = beside.get(message.ref)
        who = message.address if call.kind == Execution.Kind.HIGH_THROUGHPUT else calls.user_id(message)
        person = {
            "type": "external" if call.kind == Execution.Kind.HIGH_THROUGHPUT else "aep",
            "userId": who or "",
            "namespace": "email" if "@" in (who or "") else "phone",
            "context": found.context if found else {},
        }
        people.append(
            {**person, "profile": found.profile_override} if found and found.profile_override else person
        )
    body = {
        "requestId": "a-new-id",
        "campaignId": str(call.campaign_id),
        "recipients": people,
    }
    return Request(_door(call.kind), body)
