"""What is wrong with when a campaign goes: its start and end, its rules, its waves and its rate.

Called by `validation.py`. The numbers in front are the catalogue's, the others are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from campaigns import planning, schedule, waves
from campaigns.models import Action, Campaign
from campaigns.schedule import EARLIEST_ZONE, Timetable
from common.errors import Invalid

Found = tuple[str, bool, str, str]  # code, whether it blocks, field, sentence
LOWEST_RATE, HIGHEST_RATE = 1, 2000
LONGEST_RUN = timedelta(hours=12)
OF_ONE_PERSON = {"email", "sms", "push", "webpush", "whatsapp", "line"}  # 1.33


def findings(campaign: Campaign, actions: list[Action], now: datetime) -> Iterator[Found]:
    try:
        table = schedule.of_draft(campaign)
        waved = waves.clean(campaign.waves)
    except Invalid as error:
        for problem in error.problems:
            yield problem.code, True, "rules", str(problem.detail)
        return
    yield from _window(campaign, table, now)
    yield from _zones(table, actions, now)
    yield from _rate(campaign)
    if campaign.type == Campaign.Type.SCHEDULED:
        yield from _times(campaign, table, now)
        yield from _waves(table, waved, now)
    yield from _winner(campaign, table, now)


def _window(campaign: Campaign, table: Timetable, now: datetime) -> Iterator[Found]:
    starts, ends = table.starts_at, table.ends_at
    sends_once = campaign.type == Campaign.Type.SCHEDULED and not table.is_recurring
    if starts and sends_once and campaign.draft_state and starts < now:
        yield "start_past", True, "starts_at", _("The start lies in the past.")
    if ends and (ends <= now or (starts and ends <= starts)):
        message = _("The end must lie after the start and in the future.")
        yield "end_too_early", True, "ends_at", message


def _times(campaign: Campaign, table: Timetable, now: datetime) -> Iterator[Found]:
    if not table.is_recurring or not campaign.draft_state or (table.ends_at and table.ends_at <= now):
        return
    coming = schedule.upcoming(
        table, since=planning.began(campaign, now), now=now, made=planning.made(campaign), most=1
    )
    if not coming:
        yield "schedule_empty", True, "rules", _("Its schedule has no time left to send at.")


def _zones(table: Timetable, actions: list[Action], now: datetime) -> Iterator[Found]:
    if not table.per_person:
        return
    if not table.is_recurring and table.starts_at is None:
        message = _("“Everybody at that hour” needs a start or a frequency to take the hour from.")
        yield "zones_need_an_hour", True, "per_person", message
    if any(action.channel not in OF_ONE_PERSON for action in actions):
        message = _("Only messages to a person's own device can go by their time zone.")
        yield "zones_channel", True, "per_person", message
    if not table.is_recurring and table.starts_at and table.starts_at > now:
        local = table.starts_at.astimezone(table.zone).replace(tzinfo=EARLIEST_ZONE)
        if local < now:
            message = _("In some time zones that hour is over already; people there get it at once.")
            yield "zones_over", False, "per_person", message


def _rate(campaign: Campaign) -> Iterator[Found]:
    rate = campaign.rate
    if rate is None:
        return
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        limits = {"least": LOWEST_RATE, "most": HIGHEST_RATE}
        message = _("The delivery rate must lie from %(least)s to %(most)s a second.")
        yield "rate_range", True, "rate", message % limits
        return
    people = campaign.audience.counted if campaign.audience else None
    if people and timedelta(seconds=people / rate) > LONGEST_RUN:
        named = {"people": people, "rate": rate, "rest": people - int(LONGEST_RUN.total_seconds()) * rate}
        message = _(
            "At %(rate)s a second, %(people)s people take more than 12 hours; the last %(rest)s would be left"
            " out."
        )
        yield "rate_slow", False, "rate", message % named


def _waves(table: Timetable, waved: dict[str, Any], now: datetime) -> Iterator[Found]:
    if not waved:
        return
    begins = table.starts_at
    for code, message in waves.faults(
        waved, begins=begins, now=now, recurs=table.is_recurring, per_person=table.per_person
    ):
        yield code, True, "waves", message
    last = max(waves.offsets(waved, begins or now), default=timedelta(0))
    if table.ends_at and not table.is_recurring and (begins or now) + last > table.ends_at:
        yield "waves_past_end", False, "waves", _("The last wave starts after the end.")


def _winner(campaign: Campaign, table: Timetable, now: datetime) -> Iterator[Found]:
    """2.65: an experiment must have its winner while there is still somebody to send it to."""
    sends_once = campaign.type == Campaign.Type.SCHEDULED and not table.is_recurring
    if campaign.experiment.get("mode") == "bandit" and sends_once:
        message = _("It sends once, so it cannot learn. Let a part try the treatments, or compare them all.")
        yield "bandit_once", True, "experiment", message
    if campaign.experiment.get("mode") == "winner" and campaign.type != Campaign.Type.SCHEDULED:
        message = _("Calls come one by one, so nobody can wait for a winner. Give everybody a treatment.")
        yield "winner_of_calls", True, "experiment", message
    hours = (campaign.experiment.get("winner") or {}).get("after_hours")
    if campaign.experiment.get("mode") != "winner" or not isinstance(hours, int | float) or not table.ends_at:
        return
    if (table.starts_at or now) + timedelta(hours=hours) > table.ends_at:
        message = _("The winner would be known only after the end.")
        yield "winner_too_late", True, "ends_at", message
