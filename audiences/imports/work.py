"""One stretch of work on an import by one worker: claim it, check or merge, say why where it cannot go on."""

from __future__ import annotations

import time

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import orders
from audiences.access import MANAGE
from audiences.imports import eventsteps, merge, stage, staging
from audiences.imports.claims import MOST_ATTEMPTS, Claim, Lost, claim
from audiences.models import Import
from common.errors import Invalid, PermissionMissing

log = structlog.get_logger(__name__)
STRETCH = 240.0  # seconds; far below a task's limit, so that other work has its turn


def advance(job_id: int, *, stretch: float = STRETCH) -> bool:
    """Works on the import; True when it should be rung for again. Run twice, the second does nothing."""
    taken = claim(job_id)
    if taken is None:
        return False
    if taken.job.attempts > MOST_ATTEMPTS:
        _fail(taken, "given_up", "")
        return False
    until = time.monotonic() + stretch
    try:
        if taken.job.state == Import.State.STAGING:
            _check(taken)
            again = taken.job.is_confirmed
        elif not orders.may_still(taken.job.ordered_by, MANAGE, taken.job.workspace):
            _hold(taken)
            return False
        else:
            again = not _bring_in(taken, until)
    except Lost:
        return False
    except (Invalid, PermissionMissing) as error:
        _fail(taken, error.code, str(error.detail))
        return False
    taken.release()
    return again


def _check(taken: Claim) -> None:
    if taken.job.content == Import.Content.EVENTS:
        eventsteps.check(taken)
    else:
        stage.stage(taken)


def _bring_in(taken: Claim, until: float) -> bool:
    if taken.job.content == Import.Content.EVENTS:
        return eventsteps.record(taken, until=until)
    return merge.merge(taken, until=until)


def _hold(taken: Claim) -> None:
    """Whoever may resumes it, and answers for it from there on."""
    who = orders.name_of(taken.job.ordered_by)
    reason = _("%(who)s, who started it, may not import people any more.") % {"who": who}
    log.warning("import held", job=taken.job.pk)
    with transaction.atomic(), taken.hold():
        held = {"state": Import.State.PAUSED, "paused_in": taken.job.state, "reason": reason[:500]}
        Import.objects.filter(pk=taken.job.pk).update(**held, lease_until=None)


def _fail(taken: Claim, code: str, detail: str) -> None:
    log.warning("import failed", job=taken.job.pk, code=code)
    try:
        with transaction.atomic(), taken.hold():
            staging.drop(taken.job.pk)
            Import.objects.filter(pk=taken.job.pk).update(
                state=Import.State.FAILED,
                reason=(detail or code)[:500],
                finished_at=timezone.now(),
                lease_until=None,
            )
    except Lost:
        return
