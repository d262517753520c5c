"""A message as one person would get it, locked away from the application by its own policy."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from accounts.doors.callers import actor_of
from campaigns import access, actions, likeness, samplerows, samples, sentences, versions
from campaigns.views.common import campaign_of
from campaigns.views.contents import place_of
from campaigns.views.editor import SAMPLE_ROWS, sample_people, sample_rows
from channels.messages import Rendered
from channels.models import ChannelConfiguration
from channels.sandbox import RenderError
from channels.segments import segment
from common.errors import Invalid

PREVIEW_POLICY = (
    "sandbox; default-src 'none'; img-src 'self' data: https:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)
PREFERS_DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)", re.IGNORECASE)


def preview_page(request: HttpRequest, page: dict[str, Any]) -> HttpResponse:
    """A message as a page that stands in a frame of ours and can do nothing. `page` as its template asks."""
    response = render(request, "campaigns/preview.html", page)
    response["Content-Security-Policy"] = PREVIEW_POLICY
    return response


@login_required
@require_safe
@xframe_options_sameorigin
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """`?profile=` one of the sample people or `row-1` of the reader's sample rows, `?sample=` values in JSON,
    `?dark=1` as at night.
    """
    campaign = campaign_of(request, pk)
    place = place_of(request, campaign)
    people = {str(one.pk): one for one in sample_people(campaign, actor_of(request))}
    asked = request.GET.get("profile", "")
    row = dict(sample_rows(request, campaign)).get(asked)
    person = None if row else people.get(asked) or next(iter(people.values()), None)
    page: dict[str, Any] = {"person": person, "channel": place.action.channel}
    try:
        message = samples.rendered(
            place.action,
            samples.titled(
                actions.kept_of(place.action, place.treatment, place.language),
                place.action.channel,
                _("(no subject yet)"),
            ),
            person=person,
            audience=access.shown_audience(actor_of(request), campaign),
            sample={**(row or {}), **samples.read(request.GET.get("sample", ""))},
            workspace=campaign.workspace,
            pinned=versions.pins(campaign),
        )
        page |= {
            "message": message,
            **look(
                message,
                place.action.channel,
                bool(request.GET.get("dark")),
                configuration=place.action.configuration,
            ),
        }
    except (Invalid, RenderError) as error:
        page["error"] = error.detail
    return preview_page(request, page)


@login_required
@require_POST
def rows(request: HttpRequest, pk: int) -> HttpResponse:
    """Takes sample rows from a CSV file, for this session; without a file forgets them."""
    campaign = campaign_of(request, pk, access.MANAGE)
    place, file = place_of(request, campaign), request.FILES.get("file")
    kept = dict(request.session.get(SAMPLE_ROWS, {}))
    try:
        taken = samplerows.rows_of(file.read(samplerows.MOST_BYTES + 1)) if file else []
    except Invalid as error:
        messages.error(request, error.detail)
    else:
        request.session[SAMPLE_ROWS] = {**kept, str(campaign.workspace_id): taken}
    first = "row-1" if file else ""
    query = urlencode({"view": "preview", "profile": first})
    return redirect(f"{reverse('campaigns:content', args=[pk])}?{query}&{place.query}")


def look(
    message: Rendered, channel: str, is_dark: bool, *, configuration: ChannelConfiguration | None = None
) -> dict[str, Any]:
    look: dict[str, Any] = {"is_dark": is_dark, "html": message.html}
    if is_dark and channel == "email":
        # Who wrote rules for the night sees those; else it is turned around, as some mail programs do it.
        look["html"] = PREFERS_DARK.sub("(min-width: 0)", message.html)
        look["is_inverted"] = look["html"] == message.html
    if channel == "sms":
        look["segments"] = sentences.sms(segment(message.text))
    if channel == "line":
        look["bubbles"] = likeness.bubbles(message)
    if channel == "webhook":
        look["body"] = likeness.body_of(message.text)
    if channel == "direct_mail":
        look["file"] = likeness.file_lines(message, configuration)
    return look
