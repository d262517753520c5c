"""What nobody pressed: reminders of approvals that wait, and word of campaigns that do not
move, do not arrive, or are marked as junk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from accounts.access import SYSTEM
from campaigns import alerts, approvals
from campaigns.models import ApprovalRequest, Batch, Run, Status
from campaigns.reports import figures, outcomes
from campaigns.reports.figures import Figures
from campaigns.reports.numbers import Number, all_time, last_day

SILENCE = timedelta(minutes=15)  # of a run that has work due and nobody touching it
DEFAULT_HOURS = 24
# Too many do not arrive: more than so many percent of those tried, once enough were.
LOW_DELIVERY, ENOUGH_TRIED = 10.0, 100
# Gmail and Yahoo ask bulk senders to stay below 0.3 percent of complaints, and best below 0.1
# (support.google.com/a/answer/81126, since February 2024); one or two in a small run say nothing.
COMPLAINTS, ENOUGH_COMPLAINTS = 0.3, 3
WATCHED = timedelta(days=3)  # after a run began; complaints come late
MOST_WATCHED = 200
SOON = timedelta(hours=4)  # before a due date, one more reminder leaves


def look_after(*, now: datetime) -> None:
    remind(now=now)
    tell_of_stalled(now=now)
    tell_of_results(now=now)


def remind(*, now: datetime) -> int:
    """Reminds who has not decided yet, as often as the policy says and once before the due date."""
    waiting = ApprovalRequest.objects.filter(state=ApprovalRequest.State.OPEN)
    rows = waiting.select_related("campaign__workspace", "policy", "requested_by")
    return sum(_remind(row, now) for row in rows.iterator(chunk_size=200))


def _remind(row: ApprovalRequest, now: datetime) -> bool:
    last = row.reminded_at or row.requested_at
    hours = row.policy.remind_hours if row.policy else DEFAULT_HOURS
    is_time = bool(hours) and now - last >= timedelta(hours=hours)
    is_due = row.due_at is not None and last < row.due_at - SOON <= now
    if not (is_time or is_due):
        return False
    # Guarded by what was read: a second clock in this moment reminds nobody twice.
    same = ApprovalRequest.objects.filter(pk=row.pk, state=row.state, reminded_at=row.reminded_at)
    if not same.update(reminded_at=now):
        return False
    agreed = {word.by for word in approvals.words_given(row)}
    people = [one for one in approvals.people_asked(row, now=now) if one.pk not in agreed]
    alerts.tell("approval_reminder", people, row.campaign, actor=SYSTEM, now=now, comment=row.message)
    return True


def tell_of_stalled(*, now: datetime) -> None:
    """A live run whose batches are due for a while and that no worker has touched since; told once a day."""
    before = now - SILENCE
    of_run = Batch.objects.filter(run=OuterRef("pk"))
    stalled = Run.objects.filter(
        Exists(of_run.filter(state=Batch.State.READY, send_after__lte=before)),
        ~Exists(of_run.filter(claimed_at__gt=before)),
        state=Run.State.SENDING,
        campaign__status=Status.LIVE,
    )
    for run in stalled.select_related("campaign__workspace"):
        why = _("Messages are due, and no worker has taken them for a quarter of an hour.")
        once = f"stalled:{run.pk}:{now:%Y%m%d}"
        alerts.tell_followers("campaign_stalled", run.campaign, now=now, comment=why, once=once)


def tell_of_results(*, now: datetime) -> None:
    """Runs of the last days whose messages do not arrive, or are marked as junk: told once for each run, and
    once a day where calls are taken. Four queries, however many runs.
    """
    for run, numbers in _watched(now):
        once = f"{run.pk}:{now:%Y%m%d}" if run.kind == Run.Kind.STANDING else f"{run.pk}"
        lost = numbers["failed"].value + numbers["bounced"].value
        sent = numbers["sent"].value
        if sent >= ENOUGH_TRIED and 100 * lost > LOW_DELIVERY * sent:
            why = _("%(lost)s of %(sent)s messages failed or came back.") % {"lost": lost, "sent": sent}
            name = "campaign_low_delivery"
            alerts.tell_followers(name, run.campaign, now=now, comment=why, once=f"lost:{once}")
        junk, rate = numbers["complained"].value, numbers["complained"].rate
        if junk >= ENOUGH_COMPLAINTS and (rate or 0) >= COMPLAINTS:
            told = {"junk": junk, "delivered": numbers["delivered"].value}
            why = _("%(junk)s of %(delivered)s messages that arrived were marked as junk.") % told
            alerts.tell_followers(
                "campaign_complaints", run.campaign, now=now, comment=why, once=f"junk:{once}"
            )


def _watched(now: datetime) -> Iterator[tuple[Run, dict[str, Number]]]:
    rows = Run.objects.exclude(kind=Run.Kind.PROOF).select_related("campaign__workspace")
    recent = rows.exclude(kind=Run.Kind.STANDING).filter(started_at__gte=now - WATCHED)
    standing = rows.filter(kind=Run.Kind.STANDING, state=Run.State.SENDING)
    found = list(recent.order_by("-started_at")[:MOST_WATCHED])
    books = outcomes.of_runs([run.pk for run in found])
    parts = _by_run(figures.read([run.pk for run in found]))
    for run in found:
        yield run, all_time(parts[run.pk], books[run.pk])
    open_ones = list(standing.order_by("-pk")[:MOST_WATCHED])
    day = timedelta(days=1)
    today = _by_run(figures.read([run.pk for run in open_ones], since=now - day)) if open_ones else {}
    for run in open_ones:
        yield run, last_day(today[run.pk])


def _by_run(read: Figures) -> dict[int, Figures]:
    found: dict[int, list[figures.Row]] = defaultdict(list)
    for row in read.rows:
        if row.facet == "":
            found[row.run].append(row)
    return defaultdict(lambda: Figures([]), {run: Figures(rows) for run, rows in found.items()})
