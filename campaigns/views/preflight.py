"""Starts the pre-flight look at every message, and shows how far it is and what it found."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.access import may
from accounts.doors.callers import actor_of
from accounts.models import User
from audiences.access import VIEW as VIEW_PEOPLE
from audiences.models import Profile
from campaigns import access, preflight
from campaigns.models import Campaign
from campaigns.views.common import campaign_of
from common.errors import Invalid


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def look(request: HttpRequest, pk: int) -> HttpResponse:
    """A part of the review page; a page of its own without JavaScript."""
    is_asked = request.method == "POST"
    campaign = campaign_of(request, pk, access.MANAGE if is_asked else access.VIEW)
    if is_asked:
        try:
            preflight.begin(
                campaign, links="links" in request.POST, actor=actor_of(request), now=timezone.now()
            )
        except Invalid as error:
            messages.error(request, error.detail)
        return redirect("campaigns:preflight", pk)
    page = {"campaign": campaign, **panel(campaign, actor_of(request))}
    is_fragment = bool(getattr(request, "htmx", False))
    return render(request, "campaigns/_preflight.html" if is_fragment else "campaigns/preflight.html", page)


def panel(campaign: Campaign, actor: User) -> dict[str, Any]:
    """What `_preflight.html` shows; who may not see people, or this audience, is named nobody."""
    row, is_stale = preflight.last(campaign)
    people: dict[int, Profile] = {}
    sees = may(actor, VIEW_PEOPLE, campaign.workspace) and not access.hidden_audiences(actor, [campaign])
    if row and sees:
        wanted = {pk for one in row.findings for pk in one["examples"]}
        people = Profile.objects.filter(workspace=campaign.workspace_id).in_bulk(wanted)
    return {
        "look": row,
        "look_is_stale": is_stale,
        "look_moves": bool(row and row.finished_at is None),
        "look_rows": [
            {
                **one,
                "label": preflight.LABELS[one["code"]],
                "examples": [people[pk] for pk in one["examples"] if pk in people],
            }
            for one in (row.findings if row else [])
        ],
        "look_parts": sum(one["parts"] * one["people"] for one in row.sms) if row else 0,
        "look_costs": preflight.costs(row) if row else {},
        "spam_words": preflight.SPAM_WORDS,
    }
