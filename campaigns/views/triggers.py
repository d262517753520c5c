"""The API page of an API-triggered campaign: a ready call with its own variables, and the latest calls."""

from __future__ import annotations

import json

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from campaigns import contents
from campaigns.models import Campaign
from campaigns.views.common import campaign_of
from channels import rendering
from common.errors import NotFound

LATEST = 20


@login_required
@require_safe
def api(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk)
    if campaign.type != Campaign.Type.API_TRIGGERED:
        raise NotFound("Only API-triggered campaigns take calls.")
    calls = campaign.executions.select_related("credential").order_by("-created_at")[:LATEST]
    page = {"campaign": campaign, "curl": curl(campaign), "calls": calls}
    return render(request, "campaigns/api.html", page)


def curl(campaign: Campaign) -> str:
    """A call that works once TOKEN is set, with every context variable the content uses."""
    used = [
        name
        for action in campaign.actions.all()
        for kept in (action.content, *(one["content"] for one in action.variants))
        for name in rendering.context_names(contents.content_of(kept), action.channel)
    ]
    context = {name.split(".")[1]: "…" for name in used}
    body = {
        "requestId": "a-new-id-for-each-call",
        "campaignId": str(campaign.pk),
        "recipients": [
            {"type": "aep", "userId": "ana@example.com", "namespace": "email", "context": context}
        ],
    }
    return (
        f'curl -X POST "{settings.PUBLIC_URL}{reverse("api:unitary")}" \\\n'
        '  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\\n'
        f"  -d '{json.dumps(body, indent=2, ensure_ascii=False)}'"
    )
