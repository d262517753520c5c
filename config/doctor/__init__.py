"""What is wrong with this installation, who finds it where, and what to do: one list for command, page, API.

    running.py       are the clock and the workers there, and does what is due leave
    installation.py  clocks, settings, secrets, disk, partitions, migrations, database, broker
    senders.py       the main switch, configurations, breakers, sending domains

Nothing here changes anything. `numbers.py` measures; `config/metrics.py` tells the same to Prometheus.
"""

from __future__ import annotations

from datetime import datetime

from django.db import ProgrammingError, transaction

from accounts.access import SYSTEM, Actor
from accounts.models import Workspace
from config.doctor import installation, running, senders
from config.doctor.finding import ORDER, Finding

__all__ = ["Finding", "examine"]


def examine(*, actor: Actor = SYSTEM, workspace: Workspace | None = None, now: datetime) -> list[Finding]:
    """The worst first. With a workspace only what concerns the whole installation or that workspace, and of
    its configurations only those the actor may see; without what cannot be asked before a waiting migration.
    """
    found = [*installation.database(), *installation.of_the_host()]
    if not any(one.code == "database_unreachable" for one in found):
        waiting = list(installation.migrations())
        found += waiting
        try:
            with transaction.atomic():
                found += [
                    *installation.findings(workspace=workspace, now=now),
                    *running.findings(workspace=workspace, now=now),
                    *senders.findings(actor=actor, workspace=workspace),
                ]
        except ProgrammingError:
            if not waiting:
                raise
    return sorted(found, key=lambda one: ORDER.index(one.severity))
