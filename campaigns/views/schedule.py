"""The next ten sends of a schedule, as it stands in the form or in the draft."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.doors.callers import actor_of
from campaigns import access, planning, schedule, sentences, waves
from campaigns.forms.schedule import ScheduleForm
from campaigns.models import Campaign
from campaigns.schedule import Timetable
from campaigns.views.common import campaign_of
from common.errors import Invalid


@login_required
@require_safe
def upcoming(request: HttpRequest, pk: int) -> HttpResponse:
    """A piece of the Schedule tab: what the form's fields, given in the address, come to."""
    campaign = campaign_of(request, pk, access.MANAGE)
    if "zone" not in request.GET:
        return render(request, "campaigns/_upcoming.html", coming(campaign))
    form = ScheduleForm(
        {**request.GET.dict(), **_lists(request), "revision": campaign.revision},
        campaign=campaign,
        actor=actor_of(request),
    )
    page: dict[str, Any] = {"campaign": campaign, "faulty": True}
    if form.is_valid():
        try:
            page = coming(campaign, form.timetable(), form.cleaned().get("waves", {}))
        except Invalid as error:
            page["faults"] = [problem.detail for problem in error.problems]
    return render(request, "campaigns/_upcoming.html", page)


def _lists(request: HttpRequest) -> dict[str, Any]:
    """Several boxes of one name."""
    return {key: values for key, values in request.GET.lists() if key.endswith("-weekdays")}


def coming(
    campaign: Campaign, table: Timetable | None = None, waved: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The schedule in words, its next sends, and what its waves do; of the draft unless told otherwise."""
    now, table = timezone.now(), table or schedule.of_draft(campaign)
    made = planning.made(campaign)
    slots = schedule.upcoming(table, since=planning.began(campaign, now), now=now, made=made)
    waved = campaign.waves if waved is None else waved
    faults = waves.faults(
        waved, begins=table.starts_at, now=now, recurs=table.is_recurring, per_person=table.per_person
    )
    return {
        "campaign": campaign,
        "table": table,
        "words": sentences.sentence(table),
        "waves_words": sentences.waves_sentence(waved),
        "sends": sentences.sends(table, slots),
        "faults": [text for _code, text in faults] if waved else [],
    }
