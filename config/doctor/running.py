"""Whether the clock and the workers are there, and whether what is due leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import heartbeat
from accounts.models import Workspace
from config.celery import queue_name
from config.doctor import numbers
from config.doctor.finding import Finding, Severity

AWAY = 120  # seconds after which a part is taken for dead; before that it is late
HOST_AWAY = 1800  # the sweep comes round to every host of a lane sooner than this
RUN_LATE = 60
BATCH_LATE = {"bulk": 120, "urgent": 30}

WORKERS = {"bulk": gettext_lazy("bulk worker"), "urgent": gettext_lazy("urgent worker")}


def findings(*, workspace: Workspace | None, now: datetime) -> Iterator[Finding]:
    seen = heartbeat.parts(now=now)
    yield from _clock(seen)
    for lane in WORKERS:
        yield from _worker(lane, seen)
    yield from _hosts(seen)
    counted = numbers.measure(workspace=workspace, now=now)
    yield from _due(counted)
    if counted.uncertain:
        yield Finding(
            "uncertain_messages",
            Severity.WARNING,
            ngettext(
                "Of %(num)s message nobody knows whether it left.",
                "Of %(num)s messages nobody knows whether they left.",
                counted.uncertain,
            )
            % {"num": counted.uncertain},
            _("runs of the last %(days)s days") % {"days": numbers.RECENT},
            _("Decide them on the page of their run: they arrived, were lost, or are sent again."),
        )


def _clock(seen: dict[str, int]) -> Iterator[Finding]:
    if seen.get(heartbeat.CLOCK, AWAY + 1) > AWAY:
        yield Finding(
            "clock_not_seen",
            Severity.ERROR,
            _("The clock (beat) is not running: no campaign starts, and nothing is tried again.")
            + _since(seen.get(heartbeat.CLOCK)),
            "beat",
            _("Start one `celery -A config.celery beat`, and read its log."),
        )


def _worker(lane: str, seen: dict[str, int]) -> Iterator[Finding]:
    away, name = seen.get(lane), str(WORKERS[lane])
    if away is None or away > AWAY:
        yield Finding(
            "worker_not_seen",
            Severity.ERROR,
            _("No worker sends: the %(name)s was not seen.") % {"name": name} + _since(away),
            name,
            _(
                "Start `celery -A config.celery worker -Q %(queue)s`, and read its log. A worker is seen by "
                "the sweep that the clock rings for, so the clock and the broker must be there as well."
            )
            % {"queue": queue_name(lane)},
        )
    elif away > heartbeat.SILENT:
        yield Finding(
            "sweep_late",
            Severity.WARNING,
            _("The last sweep was %(seconds)s seconds ago.") % {"seconds": away},
            name,
            _(
                "Look whether the clock and such a worker run, or whether all are busy with something long; "
                "add one where that stays."
            ),
        )


def _hosts(seen: dict[str, int]) -> Iterator[Finding]:
    for part, away in seen.items():
        lane, _at, host = part.partition("@")
        if host and away > HOST_AWAY and seen.get(lane, AWAY + 1) <= AWAY:
            yield Finding(
                "host_not_seen",
                Severity.INFO,
                _("Others of its kind work, this one does not any more.") + _since(away),
                f"{WORKERS.get(lane, lane)}, {host}",
                _("Look at the host. Where it was taken away on purpose this line goes by itself in a day."),
            )


def _due(counted: numbers.Numbers) -> Iterator[Finding]:
    if counted.due_runs and counted.oldest_run > RUN_LATE:
        yield Finding(
            "run_late",
            Severity.ERROR,
            _("A campaign should have begun %(seconds)s seconds ago. More than an hour late it is missed.")
            % {"seconds": int(counted.oldest_run)},
            ngettext("%(num)s run", "%(num)s runs", counted.due_runs) % {"num": counted.due_runs},
            _("Start the clock and a bulk worker; `manage.py deliver` sends what is due without a broker."),
        )
    for lane, one in counted.lanes.items():
        if one.due and one.oldest > BATCH_LATE[lane] and not one.claimed:
            yield Finding(
                "messages_wait",
                Severity.ERROR,
                _("Messages have been due for %(seconds)s seconds, and no worker has any.")
                % {"seconds": int(one.oldest)},
                str(WORKERS[lane]),
                _("Start a worker for this queue; `manage.py deliver` sends what is due without a broker."),
            )
        if one.lost:
            yield Finding(
                "worker_lost",
                Severity.WARNING,
                ngettext(
                    "%(num)s batch was left by a worker that died or is cut off.",
                    "%(num)s batches were left by workers that died or are cut off.",
                    one.lost,
                )
                % {"num": one.lost},
                str(WORKERS[lane]),
                _("Wait a minute: the sweep hands them to another worker. Then look why it died."),
            )


def _since(seconds: int | None) -> str:
    if seconds is None:
        return " " + _("It was never seen here.")
    return " " + _("It was seen %(seconds)s seconds ago.") % {"seconds": seconds}
