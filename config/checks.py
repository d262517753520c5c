"""What must hold before anything starts, checked by `manage.py check`."""

from __future__ import annotations

from typing import Any

from django.core.checks import Error, register

from config import celery


@register
def limits_stand_in_order(**_: Any) -> list[Error]:
    """A task must end before the broker hands it out again, or two workers would hold it."""
    if celery.SOFT_LIMIT < celery.HARD_LIMIT < celery.VISIBILITY:
        return []
    return [
        Error("SOFT_LIMIT < HARD_LIMIT < VISIBILITY does not hold in config/celery.py", id="carillon.E001")
    ]
