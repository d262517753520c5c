"""Accepts a call to a whole audience, now or at a time, and tells and cancels it.

It leaves a run of its own behind, which the clock starts like any other: from there on it is fan-out and
delivery. The audience is frozen when the call is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.orders import key_of
from audiences import evaluate
from audiences.models import Audience
from campaigns.access import PUBLISH
from campaigns.delivery import calls, ring
from campaigns.delivery.triggered import Accepted, Call, execution_of, once, open_campaign
from campaigns.models import Campaign, Execution, Run
from common.errors import IllegalTransition, Invalid, Problem

FARTHEST = timedelta(days=366)
SUCCEEDED, IN_PROGRESS, FAILED = "Succeeded", "InProgress", "Failed"
SCHEDULED, TRIGGERED, CANCELLED = "Scheduled", "Triggered", "Cancelled"
ENDED_WELL = (Run.State.COMPLETED,)
ENDED_BADLY = (Run.State.STOPPED, Run.State.FAILED, Run.State.MISSED)


@dataclass(frozen=True)
class Order:
    """`audience` stands in place of the campaign's own; `execute_at` None means now."""

    audience: Audience | None
    context: dict[str, Any]
    execute_at: datetime | None


def accept(campaign_id: int, order: Order, call: Call) -> Accepted:
    """Raises what `triggered.accept` raises."""
    return once(campaign_id, call, lambda: _write(campaign_id, order, call))


@transaction.atomic
def _write(campaign_id: int, order: Order, call: Call) -> Execution:
    campaign = open_campaign(campaign_id, call, holds=True).campaign
    version = campaign.live_version
    assert version is not None  # it is live
    audience = _audience(campaign, order)
    problems = list(calls.missing(calls.needs(version.pk), {"context": order.context}, ""))
    if order.execute_at is not None:
        problems += _when(campaign, order.execute_at, call.at)
    if audience is None and version.definition["audience"] is None:
        detail = _("The campaign has no audience of its own; name one.")
        problems.append(Problem("audience_missing", detail, "/audience/id"))
    problems += calls.unkept(version.pk, audience, "/audience/id")
    if problems:
        raise Invalid(problems)
    run = Run.objects.create(
        campaign=campaign,
        version=version,
        kind=Run.Kind.AUDIENCE,
        due_at=order.execute_at or call.at,
        audience=audience,
        context=order.context,
        ordered_by=key_of(call.credential),
        created_at=call.at,
    )
    execution = execution_of(campaign, run.pk, call, size=0)
    execution.save(force_insert=True)
    ring.due_runs()
    return execution


def _audience(campaign: Campaign, order: Order) -> dict[str, Any] | None:
    chosen = order.audience
    if chosen is None:
        return None
    if chosen.workspace_id != campaign.workspace_id or chosen.state != Audience.State.PUBLISHED:
        detail = _("The audience is not published, or it is not of this campaign's workspace.")
        raise Invalid(Problem("audience_not_published", detail, "/audience/id"))
    return evaluate.definition(chosen)


def _when(campaign: Campaign, execute_at: datetime, now: datetime) -> list[Problem]:
    pointer = "/schedule/executeAt"
    if execute_at <= now or execute_at > now + FARTHEST:
        return [Problem("bad_execute_at", _("Give a time within the next twelve months."), pointer)]
    if campaign.ends_at and execute_at >= campaign.ends_at:
        return [Problem("outside_window", _("The campaign has ended by then."), pointer)]
    return []


def status_of(run: Run) -> str:
    if run.state in ENDED_WELL:
        return SUCCEEDED
    return FAILED if run.state in ENDED_BADLY else IN_PROGRESS


def schedule_status_of(run: Run) -> str:
    if run.state == Run.State.DUE:
        return SCHEDULED
    return CANCELLED if run.state == Run.State.STOPPED and run.started_at is None else TRIGGERED


@transaction.atomic
def cancel(execution: Execution, *, actor: Actor, now: datetime) -> None:
    """Only what has not begun. Raises IllegalTransition, naming the state."""
    campaign = (
        Campaign.objects.select_for_update(of=("self",))
        .select_related("workspace")
        .get(pk=execution.campaign_id)
    )
    require(actor, PUBLISH, campaign)
    waiting = Run.objects.filter(pk=execution.run_id, state=Run.State.DUE)
    reason = _("Cancelled before its time.")
    if not waiting.update(state=Run.State.STOPPED, finished_at=now, reason=reason):
        state = schedule_status_of(Run.objects.get(pk=execution.run_id))
        detail = _("It cannot be cancelled: it is “%(state)s”.") % {"state": state}
        raise IllegalTransition(detail, code="not_scheduled", state=state)
    audit.record(
        actor=actor,
        verb="cancel_execution",
        obj=campaign,
        workspace=campaign.workspace,
        now=now,
        execution=str(execution.pk),
    )
