"""People and machines in a run's opens and clicks, side by side, and by what the machines were known."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from campaigns.models import Event, Run
from campaigns.tracking.machines import LABELS

MESSAGES = """
SELECT kind, count(DISTINCT (action, ref)) FILTER (WHERE machine = ''), count(DISTINCT (action, ref))
FROM campaigns_event WHERE run_id = %s AND kind IN ('open', 'click') GROUP BY 1
"""
MACHINES = """
SELECT machine, count(*) FROM campaigns_event
WHERE run_id = %s AND kind IN ('open', 'click') AND machine <> '' GROUP BY 1 ORDER BY 2 DESC, 1
"""


@dataclass(frozen=True)
class Traffic:
    """Messages that people, and that anybody at all, opened or clicked; events of machines by rule."""

    opened: int
    opened_by_any: int
    clicked: int
    clicked_by_any: int
    machines: list[tuple[str, int]]


def traffic(run: Run) -> Traffic:
    with connection.cursor() as cursor:
        cursor.execute(MESSAGES, [run.pk])
        counts = {kind: (people, everybody) for kind, people, everybody in cursor.fetchall()}
        cursor.execute(MACHINES, [run.pk])
        machines = [(str(LABELS.get(rule, rule)), events) for rule, events in cursor.fetchall()]
    none = (0, 0)
    return Traffic(*counts.get(Event.Kind.OPEN, none), *counts.get(Event.Kind.CLICK, none), machines)
