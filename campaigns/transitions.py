"""What a row of TRANSITIONS asks before it moves a campaign (guards) and what it does (effects).

A guard raises from `common.errors` and changes nothing. An effect changes the locked campaign in memory and
writes the rows that go with the move; `lifecycle.apply` saves and audits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.access import Actor, require
from accounts.models import User
from campaigns import approvals, clearance, schedule, validation, versions
from campaigns.delivery import ring
from campaigns.models import Campaign, Run, Status
from common.errors import IllegalTransition, Invalid, Problem

MANAGE, PUBLISH, APPROVE = (
    "campaigns.manage_campaign",
    "campaigns.publish_campaign",
    "campaigns.approve_campaign",
)


@dataclass(frozen=True)
class Move:
    """One verb being applied: who, when, and what they gave along."""

    campaign: Campaign
    actor: Actor
    now: datetime
    details: dict[str, Any]

    @property
    def person(self) -> User | None:
        return self.actor if isinstance(self.actor, User) else None


Guard = Callable[[Move], None]
Effect = Callable[[Move], None]


# ---- guards -----------------------------------------------------------------------------------


def nothing_blocks(move: Move) -> None:
    errors = [finding for finding in validation.validate(move.campaign, now=move.now) if finding.is_error]
    if errors:
        raise Invalid([Problem(one.code, one.message, one.field) for one in errors])


def is_approved_where_required(move: Move) -> None:
    if move.campaign.status == Status.APPROVED:
        is_what_was_frozen(move)
        clearance.require_approval(move.campaign)
    elif approvals.asks(move.campaign.workspace):
        raise IllegalTransition(
            _("This workspace asks for an approval first. Request approval."), code="approval_required"
        )


def is_what_was_frozen(move: Move) -> None:
    frozen = move.campaign.version
    current = versions.fingerprint(versions.definition(move.campaign))
    if frozen is None or frozen.fingerprint != current:
        raise IllegalTransition(
            _("Something it uses has changed since it was submitted. Send it back to draft and ask again."),
            code="fingerprint_differs",
        )


def is_asked_and_no_owner(move: Move) -> None:
    approvals.may_decide(move.campaign, move.person, now=move.now)


def still_stands(move: Move) -> None:
    """What was approved is still what would be sent; who resumes it answers for it from here on."""
    clearance.require_unchanged(move.campaign)


def is_requester_or_approver(move: Move) -> None:
    if move.person and move.person.pk == move.campaign.submitted_by_id:
        return
    require(move.actor, APPROVE, move.campaign)


def has_comment(move: Move) -> None:
    if not str(move.details.get("comment", "")).strip():
        raise Invalid(Problem("comment_missing", _("Say what should change."), "comment"))


def was_never_active(move: Move) -> None:
    if move.campaign.runs.exists():
        raise IllegalTransition(_("It has been active, so its history is kept. Archive it instead."))


# ---- effects ----------------------------------------------------------------------------------


def submit(move: Move) -> None:
    campaign, details = move.campaign, move.details
    campaign.submitted_by = move.person
    campaign.version = versions.freeze(campaign, actor=move.actor, now=move.now)
    row = approvals.request(
        campaign,
        by=move.person,
        message=str(details.get("comment", "")),
        due_at=details.get("due_at"),
        actor=move.actor,
        now=move.now,
    )
    campaign.status = Status.IN_REVIEW if row.state == row.State.OPEN else Status.APPROVED


def approve(move: Move) -> None:
    """It stays in review until all who are asked have agreed."""
    assert move.person is not None  # the guard has looked
    comment = str(move.details.get("comment", ""))
    if approvals.agree(move.campaign, move.person, comment=comment, now=move.now):
        move.campaign.status, move.campaign.approved_by = Status.APPROVED, move.person


def cancel(move: Move) -> None:
    approvals.cancel(move.campaign, actor=move.actor, now=move.now)
    lapse(move)


def send_back(move: Move) -> None:
    comment = str(move.details.get("comment", ""))
    approvals.send_back(move.campaign, move.person, comment=comment, actor=move.actor, now=move.now)
    lapse(move)


def lapse(move: Move) -> None:
    approvals.lapse(move.campaign, now=move.now)
    move.campaign.submitted_by = move.campaign.approved_by = None


def activate(move: Move) -> None:
    campaign = move.campaign
    campaign.version = versions.freeze(campaign, actor=move.actor, now=move.now)
    clearance.grant(campaign, campaign.version, now=move.now)
    campaign.activated_at, campaign.activated_by = move.now, move.person
    run = schedule.plan_run(campaign, campaign.version, move.now)
    is_later = run.kind == Run.Kind.SCHEDULED and run.due_at > move.now
    campaign.status = Status.SCHEDULED if is_later else Status.LIVE
    if not is_later:
        ring.due_runs()


def pause(move: Move) -> None:
    move.campaign.paused_from = move.campaign.status
    move.campaign.status = Status.PAUSED


def resume(move: Move) -> None:
    move.campaign.activated_by = move.person
    move.campaign.status = move.campaign.paused_from or Status.LIVE
    move.campaign.paused_from = ""
    ring.due_runs()


def stop(move: Move) -> None:
    """What is queued is recalled: runs under way are settled by the sweep, later ones never begin."""
    runs = Run.objects.filter(campaign=move.campaign)
    runs.filter(state=Run.State.DUE).update(state=Run.State.STOPPED, finished_at=move.now)
    runs.filter(state__in=[Run.State.EXPANDING, Run.State.SENDING]).update(state=Run.State.STOPPING)


def complete(move: Move) -> None:
    move.campaign.completed_at = move.now


def archive(move: Move) -> None:
    move.campaign.archived_from = move.campaign.status


def unarchive(move: Move) -> None:
    move.campaign.status = move.campaign.archived_from or Status.STOPPED
    move.campaign.archived_from = ""
