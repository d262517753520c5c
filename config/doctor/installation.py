"""What the machine, the settings and the two servers are like."""

from __future__ import annotations

import ctypes
import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import gettempdir

from django.conf import settings
from django.core import checks
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from kombu import Connection

from accounts import heartbeat, twosteps
from accounts.models import Workspace
from audiences import months
from campaigns.delivery import retention
from channels import sealing
from channels.models import Credential
from channels.sealing import Seal
from config import durability, upgrades
from config.doctor.finding import Finding, Severity

CLOCK_OFF, CLOCK_WRONG = 2.0, 30.0  # seconds
LEAST_FREE, TOO_LITTLE = 0.10, 0.02  # of a disk
DROPPING = timedelta(hours=3)  # the clock rings for it every hour
PATIENCE = 2  # seconds for the broker
NOT_KEPT = 5  # TIME_ERROR of adjtimex(2)


def of_the_host() -> Iterator[Finding]:
    """What is found without the database."""
    yield from _mode()
    yield from _clock_kept()
    yield from _settings()
    yield from _disks()
    yield from _broker()


def findings(*, workspace: Workspace | None, now: datetime) -> Iterator[Finding]:
    yield from _clocks(now)
    yield from _durability()
    yield from _secrets(workspace)
    yield from _partitions(now)


def database() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        yield Finding(
            "database_unreachable",
            Severity.ERROR,
            _("PostgreSQL does not answer: %(error)s") % {"error": str(error).strip().partition("\n")[0]},
            "DATABASE_URL",
            _("Start it, or mend the address. Nothing else can be looked at before."),
        )


def _mode() -> Iterator[Finding]:
    if not settings.PRODUCTION:
        yield Finding(
            "not_production",
            Severity.INFO,
            _("This is not a production installation: its keys are known to everybody."),
            f"CARILLON_MODE={settings.MODE}",
            _("Leave it as it is on your own machine; elsewhere unset CARILLON_MODE and give the settings."),
        )


# ---- clocks -------------------------------------------------------------------------------------
def _clocks(now: datetime) -> Iterator[Finding]:
    here = offset()
    if abs(here) > CLOCK_OFF:
        yield _clock_off(_("this process"), here)
    drifts = heartbeat.drifts(now=now)
    hosts = {part.partition("@")[0] for part in drifts if "@" in part}
    for part, drift in drifts.items():
        if abs(drift) > CLOCK_OFF and part not in hosts:  # each host of a lane stands for itself
            yield _clock_off(part, drift)


def _clock_kept() -> Iterator[Finding]:
    if is_kept() is False:
        yield Finding(
            "clock_not_kept",
            Severity.WARNING,
            _("The system says that nothing keeps its clock right."),
            _("this machine"),
            _("Install chrony or switch systemd-timesyncd on; `timedatectl` shows what is there."),
        )


def _clock_off(part: str, seconds: float) -> Finding:
    ahead = _("Its clock is %(seconds)s seconds ahead of the database’s.")
    behind = _("Its clock is %(seconds)s seconds behind the database’s.")
    return Finding(
        "clock_off",
        Severity.ERROR if abs(seconds) > CLOCK_WRONG else Severity.WARNING,
        (ahead if seconds > 0 else behind) % {"seconds": f"{abs(seconds):.1f}"},
        part,
        _("Let NTP keep the clocks of all hosts: times of sending and quiet hours follow them."),
    )


def offset() -> float:
    """Seconds that this process is ahead of the database, to within the time of one query."""
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        (there,) = cursor.fetchone()
    return (before + time.time()) / 2 - float(there)


def is_kept() -> bool | None:
    """Whether the kernel knows that its clock is kept by NTP; None where it does not tell."""
    try:
        told = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(256))
    except (OSError, AttributeError):
        return None
    return None if told < 0 else told != NOT_KEPT


def _durability() -> Iterator[Finding]:
    if settings.PRODUCTION and (names := durability.forgetful()):
        yield Finding(
            "database_forgets",
            Severity.ERROR,
            _(
                "PostgreSQL may lose what it has committed when its power is cut: people could get a "
                "message twice."
            ),
            ", ".join(names),
            _("Set them to on in postgresql.conf; workers do not start before."),
        )


# ---- settings and secrets -----------------------------------------------------------------------
def _settings() -> Iterator[Finding]:
    if not settings.PRODUCTION:
        return
    for one in checks.run_checks(include_deployment_checks=True):
        if one.level >= checks.WARNING and not one.is_silenced():
            yield Finding(
                "settings_unsafe",
                Severity.ERROR if one.level >= checks.ERROR else Severity.WARNING,
                str(one.msg),
                one.id or "",
                one.hint or _("Change the setting; `manage.py check --deploy` shows the same line."),
            )


def _secrets(workspace: Workspace | None) -> Iterator[Finding]:
    rows = Credential.objects.select_related("workspace").order_by("pk")
    older = 0
    for row in rows if workspace is None else rows.filter(workspace=workspace):
        stands = sealing.stands(row)
        where = f"{row.workspace}: {row.name} (#{row.pk})"
        if stands == Seal.KEY_MISSING:
            yield Finding(
                "secret_key_missing",
                Severity.ERROR,
                _("A stored secret cannot be read: the key %(key)s that sealed it is not here.")
                % {"key": sealing.key_id(row.sealed)},
                where,
                _(
                    "Put the old key into SEALING_KEY_FALLBACKS, or enter the secret again. The keys of a "
                    "sending domain are made anew by removing it and adding it."
                ),
            )
        elif stands in (Seal.BROKEN, Seal.EMPTY):
            yield Finding(
                "secret_unreadable",
                Severity.ERROR,
                _("A stored secret cannot be read: it is empty, was changed, or is another row’s."),
                where,
                _("Enter the secret again, and look who writes to the database besides Carillon."),
            )
        older += stands == Seal.OLDER
    if workspace is None:
        older += twosteps.sealed_before()
    if older:
        yield Finding(
            "secret_old_key",
            Severity.WARNING,
            ngettext(
                "%(num)s secret is still sealed with an older key.",
                "%(num)s secrets are still sealed with an older key.",
                older,
            )
            % {"num": older},
            "SEALING_KEY_FALLBACKS",
            _("Run `manage.py reseal_credentials`, then drop the fallback."),
        )


# ---- disk and tables ----------------------------------------------------------------------------
def disks() -> dict[str, tuple[int, int]]:
    """`{path: (bytes, free bytes)}` of each disk this process writes to."""
    found: dict[int, tuple[str, tuple[int, int]]] = {}
    for place in (settings.VAR, settings.MEDIA_ROOT, gettempdir()):
        path = Path(place)
        while not path.exists():
            path = path.parent
        size = shutil.disk_usage(path)
        found.setdefault(path.stat().st_dev, (str(path), (size.total, size.free)))
    return dict(found.values())


def _disks() -> Iterator[Finding]:
    for path, (size, free) in disks().items():
        if free < size * LEAST_FREE:
            yield Finding(
                "disk_full",
                Severity.ERROR if free < size * TOO_LITTLE else Severity.WARNING,
                _("%(free)s MB of %(size)s MB are free.") % {"free": free // 2**20, "size": size // 2**20},
                path,
                _("Make room: pictures, imports and exports are written here."),
            )


def _partitions(now: datetime) -> Iterator[Finding]:
    """What the clock should have dropped hours ago, and did not."""
    before = now - DROPPING
    waiting = [f"campaigns_message_p{number}" for number, *_range in retention.old_partitions(before)]
    waiting += [months.EVENTS.name(month) for month in months.old(before)]
    waiting += [retention.EVENTS.name(month) for month in retention.old_months(before)]
    if waiting:
        yield Finding(
            "partitions_to_drop",
            Severity.WARNING,
            ngettext(
                "%(num)s table is older than this installation keeps messages and events.",
                "%(num)s tables are older than this installation keeps messages and events.",
                len(waiting),
            )
            % {"num": len(waiting)},
            ", ".join(waiting[:5]),
            _("Look for a long query or an open transaction that keeps the clock from dropping them."),
        )


def pending() -> dict[str, list[str]]:
    """The migrations that this code knows and the database does not have yet, each with what keeps processes
    of the older version from going on meanwhile.
    """
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    states = executor.loader.project_state
    return {
        str(one): upgrades.obstacles(one, states((one.app_label, one.name), at_end=False))
        for one, _back in plan
    }


def migrations() -> Iterator[Finding]:
    if waiting := pending():
        stops = sorted(name for name, obstacles in waiting.items() if obstacles)
        go_on = _("Run `manage.py migrate`; processes of the older version can go on meanwhile.")
        stop = _(
            "Stop web, clock and workers, then run `manage.py migrate`: %(names)s cannot run beside them."
        )
        yield Finding(
            "migrations_pending",
            Severity.ERROR,
            ngettext(
                "The database lacks %(num)s migration of this version.",
                "The database lacks %(num)s migrations of this version.",
                len(waiting),
            )
            % {"num": len(waiting)},
            ", ".join(list(waiting)[:5]),
            stop % {"names": ", ".join(stops[:5])} if stops else go_on,
        )


def _broker() -> Iterator[Finding]:
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=PATIENCE) as broker:
            broker.transport_options = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
    except Exception as error:  # each kind of broker has errors of its own
        yield Finding(
            "broker_unreachable",
            Severity.ERROR,
            _("The broker does not answer (%(error)s). Nothing is lost; nothing leaves either.")
            % {"error": type(error).__name__},
            "BROKER_URL",
            _("Start it, or mend the address. The sweep finds what is due once it answers."),
        )
