"""The calendar: what runs and what will run in a span of days, and the dates of other calendars beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import User, Workspace
from campaigns import access, schedule
from campaigns.access import MANAGE
from campaigns.models import CalendarEntry, Campaign, ExternalCalendar, Run, Status
from common.errors import Invalid, NotFound, Problem
from common.text import has_control

MOST_AHEAD = 1000  # sends of one campaign that are looked ahead over
MOST_CALENDARS, MOST_ENTRIES, MOST_BYTES = 3, 2000, 1024 * 1024
PLANNED = (Status.SCHEDULED, Status.LIVE, Status.PAUSED)
PAST = (Status.COMPLETED, Status.STOPPED)
DATES = ("%Y-%m-%d", "%m/%d/%y", "%m/%d/%Y", "%Y/%m/%d")


@dataclass(frozen=True)
class Slot:
    """One sending at a moment; without a run it is one that the schedule asks for later."""

    campaign: Campaign
    at: datetime
    run: Run | None = None


@dataclass(frozen=True)
class Day:
    date: date
    slots: list[Slot]
    entries: list[CalendarEntry]


def days(
    actor: User, workspace: Workspace, *, first: date, count: int, past: bool, channel: str = ""
) -> list[Day]:
    """`count` days from `first` where the reader is, of what the gate lets them see."""
    last = first + timedelta(days=count)
    begin, end = _midnight(first), _midnight(last)
    found_slots = slots(actor, workspace, begin, end, past=past, channel=channel)
    entries = CalendarEntry.objects.filter(calendar__workspace=workspace, first__lt=last, last__gte=first)
    found = list(entries.select_related("calendar"))
    by_day: dict[date, list[Slot]] = {}
    for slot in sorted(found_slots, key=lambda one: one.at):
        by_day.setdefault(timezone.localtime(slot.at).date(), []).append(slot)
    return [
        Day(day, by_day.get(day, []), [one for one in found if one.first <= day <= one.last])
        for day in (first + timedelta(days=number) for number in range(count))
    ]


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def slots(
    actor: User, workspace: Workspace, begin: datetime, end: datetime, *, past: bool, channel: str = ""
) -> list[Slot]:
    """What has a run, and what the schedules ask for between now and the end, of what the gate shows."""
    mine = access.list_for(actor, workspace).filter(status__in=(*PLANNED, *PAST) if past else PLANNED)
    if channel:
        mine = mine.filter(actions__channel=channel).distinct()
    runs = Run.objects.filter(
        Q(due_at__gte=begin, due_at__lt=end) | Q(kind=Run.Kind.STANDING, due_at__lt=end, finished_at=None),
        campaign__in=mine,
    ).exclude(kind=Run.Kind.PROOF)
    planned = [
        Slot(run.campaign, max(run.due_at, begin), run)
        for run in runs.select_related("campaign__workspace", "campaign__audience", "version")
    ]
    return [*planned, *_expected(access.list_for(actor, workspace), begin, end, channel)]


def _expected(seen: QuerySet[Campaign], begin: datetime, end: datetime, channel: str) -> Iterable[Slot]:
    """The later times of recurring campaigns, and those of what is approved and not activated yet. A run is
    written for one time ahead only, so these are read from the schedules.
    """
    now = timezone.now()
    if end <= now:
        return
    rows = seen.filter(status__in=(*PLANNED, Status.APPROVED), type=Campaign.Type.SCHEDULED)
    if channel:
        rows = rows.filter(actions__channel=channel).distinct()
    is_begun = Q(runs__kind=Run.Kind.SCHEDULED) & ~Q(runs__state=Run.State.DUE)
    waiting = Run.objects.filter(campaign__in=rows, kind=Run.Kind.SCHEDULED, state=Run.State.DUE)
    taken = set(waiting.values_list("campaign", "due_at"))
    rows = rows.annotate(made=Count("runs", filter=is_begun, distinct=True))
    for campaign in rows.select_related("version", "live_version", "workspace"):
        for slot in takewhile(lambda one: one.due_at < end, _coming(campaign, campaign.made, now)):
            if slot.due_at >= begin and (campaign.pk, slot.due_at) not in taken:
                yield Slot(campaign, slot.due_at)


def _coming(campaign: Campaign, made: int, now: datetime) -> Iterable[schedule.Slot]:
    version = campaign.live_version or campaign.version
    if version is None:
        return ()
    table = schedule.of_version(version.definition)
    if table.is_recurring:
        left = table.occurrences - made if table.occurrences else MOST_AHEAD
        return islice(table.after(now, since=campaign.activated_at or now), max(left, 0))
    is_ahead = campaign.status == Status.APPROVED and table.starts_at is not None and table.starts_at > now
    return table.slots(since=now) if is_ahead else ()


# ---- other calendars ----------------------------------------------------------------------------


def calendars_of(actor: Actor, workspace: Workspace) -> list[ExternalCalendar]:
    require(actor, access.VIEW, workspace)
    return list(ExternalCalendar.objects.filter(workspace=workspace).prefetch_related("entries"))


@transaction.atomic
def add(workspace: Workspace, *, name: str, content: bytes, actor: Actor, now: datetime) -> ExternalCalendar:
    """From a CSV file (name, start, end) or an iCalendar file. Raises Invalid with the row that is wrong."""
    require(actor, MANAGE, workspace)
    if ExternalCalendar.objects.filter(workspace=workspace).count() >= MOST_CALENDARS:
        raise _invalid(
            "too_many", _("At most %(most)s calendars. Remove one first.") % {"most": MOST_CALENDARS}
        )
    name = " ".join(name.replace("\0", "").split())
    if not name or len(name) > 60:
        raise _invalid("bad_name", _("Give the calendar a name of up to 60 characters."), "name")
    entries, by = read(content), actor if isinstance(actor, User) else None
    try:
        with transaction.atomic():
            row = ExternalCalendar.objects.create(
                workspace=workspace,
                name=name,
                added_by=by,
                added_at=now,
            )
    except IntegrityError as error:
        detail = _("There is a calendar called “%(name)s” already.") % {"name": name}
        raise _invalid("name_taken", detail, "name") from error
    CalendarEntry.objects.bulk_create(
        CalendarEntry(calendar=row, name=title, first=first, last=last) for title, first, last in entries
    )
    audit.record(actor=actor, verb="create", obj=row, workspace=workspace, now=now, entries=len(entries))
    return row


def calendar_for(actor: Actor, workspace: Workspace, pk: int) -> ExternalCalendar:
    """Raises NotFound, PermissionMissing."""
    require(actor, access.VIEW, workspace)
    row = ExternalCalendar.objects.filter(workspace=workspace, pk=pk).first()
    if row is None:
        raise NotFound(_("There is no such calendar."))
    return row


@transaction.atomic
def remove(workspace: Workspace, pk: int, *, actor: Actor, now: datetime) -> None:
    row = calendar_for(actor, workspace, pk)
    require(actor, MANAGE, workspace)
    audit.record(actor=actor, verb="delete", obj=row, workspace=workspace, now=now)
    row.delete()


Entry = tuple[str, date, date]


def read(content: bytes) -> list[Entry]:
    """The entries of a file; both kinds are told apart by how they begin."""
    if len(content) > MOST_BYTES:
        raise _invalid("too_large", _("The file is larger than 1 MB."))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid("bad_encoding", _("Save the file as UTF-8.")) from error
    found = list(_ics(text) if text.lstrip().startswith("BEGIN:VCALENDAR") else _csv(text))
    if not found:
        raise _invalid("no_event", _("The file holds no event."))
    if len(found) > MOST_ENTRIES:
        raise _invalid("too_many", _("At most %(most)s events in a file.") % {"most": MOST_ENTRIES})
    return found


def _csv(text: str) -> Iterable[Entry]:
    """Columns name, start, end; a first row that holds no dates is the header."""
    try:
        rows = list(csv.reader(io.StringIO(text.replace("\0", "")), strict=True))
    except csv.Error as error:
        raise _invalid("bad_csv", _("This is no CSV file: %(why)s.") % {"why": error}) from error
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and len(cells) > 1 and _day(cells[1]) is None):
            continue
        first = _day(cells[1]) if len(cells) > 1 else None
        last = _day(cells[2]) if len(cells) > 2 and cells[2] else first
        yield _entry(cells[0], first, last, number)


def _ics(text: str) -> Iterable[Entry]:
    """RFC 5545: SUMMARY, DTSTART, DTEND of each VEVENT; the end of an all-day event is the day after it."""
    lines = text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "").split("\n")
    values: dict[str, str] = {}
    number = 0
    for line in lines:
        key, _colon, value = line.partition(":")
        name = key.partition(";")[0].upper()
        if (name, value.strip().upper()) == ("BEGIN", "VEVENT"):
            values, number = {}, number + 1
        elif (name, value.strip().upper()) == ("END", "VEVENT"):
            first, last = _day(values.get("DTSTART", "")[:8]), _day(values.get("DTEND", "")[:8])
            is_whole = "T" not in values.get("DTEND", "")
            if first and last and last > first and is_whole:
                last -= timedelta(days=1)
            title = values.get("SUMMARY", "").replace("\\,", ",").replace("\\;", ";").replace("\\n", " ")
            yield _entry(title, first, last or first, number)
        elif name in ("SUMMARY", "DTSTART", "DTEND"):
            values[name] = value.strip()


def _entry(title: str, first: date | None, last: date | None, number: int) -> Entry:
    if first is None or last is None or last < first or not title or len(title) > 200 or has_control(title):
        detail = _("Event %(number)s needs a name, a start and an end that is not before it.")
        raise _invalid("bad_event", detail % {"number": number})
    return title, first, last


def _day(text: str) -> date | None:
    for form in (*DATES, "%Y%m%d"):
        try:
            found = datetime.strptime(text, form).date()
        except ValueError:
            continue
        return found if 1970 <= found.year < 2200 else None
    return None


def _invalid(code: str, detail: str, field: str = "file") -> Invalid:
    return Invalid(Problem(code, detail, field))
