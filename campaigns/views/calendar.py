"""The calendar: a week or a month of sendings, details of one, and the dates of other calendars."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import require
from accounts.doors.callers import actor_of, workspace_of
from audiences.reachability import CHANNELS
from campaigns import access, calendar, calendarfeed
from campaigns.access import MANAGE
from common.errors import Invalid

WEEK, SIX_WEEKS = 7, 42


@login_required
@require_safe
def show_calendar(request: HttpRequest) -> HttpResponse:
    """`span` is week or month, `day` any day in it; weeks begin on Monday."""
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, access.VIEW, workspace)
    is_month = request.GET.get("span") == "month"
    today = timezone.localdate()
    day = _day(request.GET.get("day", "")) or today
    first, step = _monday(day.replace(day=1) if is_month else day), SIX_WEEKS if is_month else WEEK
    channel = request.GET.get("channel", "")
    past = request.GET.get("past") == "1"
    days = calendar.days(
        actor, workspace, first=first, count=step, past=past, channel=channel if channel in CHANNELS else ""
    )
    chosen = next(
        (
            slot
            for one in days
            for slot in one.slots
            if slot.run and str(slot.run.pk) == request.GET.get("run")
        ),
        None,
    )
    context: dict[str, Any] = {
        "days": days,
        "title": _month_title(day) if is_month else _week_title(first),
        "is_empty": not any(one.slots or one.entries for one in days),
        "today": today,
        "day": day,
        "is_month": is_month,
        "before": (day.replace(day=1) - timedelta(days=1)) if is_month else day - timedelta(days=WEEK),
        "after": (day.replace(day=28) + timedelta(days=7)).replace(day=1)
        if is_month
        else day + timedelta(days=WEEK),
        "query": {"span": "month" if is_month else "week", "channel": channel, "past": "1" if past else ""},
        "channels": CHANNELS,
        "chosen": chosen,
        "hides_audience": bool(chosen and access.hidden_audiences(actor, [chosen.campaign])),
        "calendars": calendar.calendars_of(actor, workspace),
        "feed": calendarfeed.address(actor, workspace),
    }
    return render(request, "campaigns/calendar.html", context)


@never_cache
@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar of whoever the address was made for, with what they may see at this moment."""
    content = calendarfeed.content(token, now=timezone.now())
    return HttpResponse(content, content_type="text/calendar; charset=utf-8")


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2200 else None


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _month_title(day: date) -> str:
    # Translators: Django's date format; November 2026
    return formats.date_format(day, pgettext("date", "F Y"))


def _week_title(monday: date) -> str:
    ends = (monday, monday + timedelta(days=6))
    first, last = (formats.date_format(one, pgettext("date", "j M Y")) for one in ends)
    return _("%(first)s to %(last)s") % {"first": first, "last": last}


@login_required
@require_POST
def add_calendar(request: HttpRequest) -> HttpResponse:
    actor, workspace, now = actor_of(request), workspace_of(request), timezone.now()
    require(actor, MANAGE, workspace)
    upload = request.FILES.get("file")
    content = upload.read(calendar.MOST_BYTES + 1) if upload else b""
    name = request.POST.get("name", "")
    try:
        added = calendar.add(workspace, name=name, content=content, actor=actor, now=now)
        count = added.entries.count()
        told = ngettext("%(count)s date was added.", "%(count)s dates were added.", count)
        messages.success(request, told % {"count": count})
    except Invalid as error:
        messages.error(request, str(error.detail))
    return redirect("campaigns:calendar")


@login_required
@require_POST
def remove_calendar(request: HttpRequest, pk: int) -> HttpResponse:
    calendar.remove(workspace_of(request), pk, actor=actor_of(request), now=timezone.now())
    return redirect("campaigns:calendar")
