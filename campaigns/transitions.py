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
from accounts.orders import key_of
from campaigns import approvals, clearance, planning, revision, validation, versions
from campaigns.access import APPROVE
from campaigns.delivery import bound, ring
from campaigns.models import WRITTEN, Campaign, Run, Status, Version
from common.errors import IllegalTransition, Invalid, Problem


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
    findings = validation.validate(move.campaign, now=move.now, actor=move.actor)
    if errors := [finding for finding in findings if finding.is_error]:
        raise Invalid([Problem(one.code, one.message, one.field) for one in errors])


def is_approved_where_required(move: Move) -> None:
    if move.campaign.draft_state == Status.APPROVED:
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
    if move.campaign.runs.exclude(kind=Run.Kind.PROOF).exists():
        raise IllegalTransition(_("It has been active, so its history is kept. Archive it instead."))


def can_have_a_new_version(move: Move) -> None:
    campaign = move.campaign
    if campaign.is_being_modified:
        raise IllegalTransition(_("A new version of it is being written already."), code="draft_exists")
    is_recurring = bool(campaign.schedule.get("rules"))
    if campaign.type == Campaign.Type.SCHEDULED and not is_recurring:
        detail = _("It sends once, so there is no later run for a new version. Stop it and duplicate it.")
        raise IllegalTransition(detail, code="sends_once")


def is_still_going(move: Move) -> None:
    """What is over takes no new version."""
    campaign = move.campaign
    if campaign.status not in (Status.SCHEDULED, Status.LIVE, Status.PAUSED, *WRITTEN):
        raise IllegalTransition(_("The campaign is over."), state=campaign.status)


def nothing_is_sending(move: Move) -> None:
    unfinished = Run.objects.filter(campaign=move.campaign, state__in=planning.UNFINISHED)
    if unfinished.exclude(kind=Run.Kind.PROOF).exists():
        raise IllegalTransition(_("Its last run is still sending. Wait until it has finished."))


def has_a_run_to_finish(move: Move) -> None:
    """Only a campaign that is sending now can be let finish."""
    if move.details.get("recall", True) or move.campaign.status == Status.LIVE:
        return
    raise IllegalTransition(_("It is not sending now, so there is nothing to let finish."))


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
    campaign.draft_state = Status.IN_REVIEW if row.state == row.State.OPEN else Status.APPROVED


def approve(move: Move) -> None:
    """It stays in review until all who are asked have agreed."""
    assert move.person is not None  # the guard has looked
    comment = str(move.details.get("comment", ""))
    if approvals.agree(move.campaign, move.person, comment=comment, now=move.now):
        move.campaign.draft_state, move.campaign.approved_by = Status.APPROVED, move.person


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
    campaign.activated_by, campaign.ordered_by = move.person, key_of(move.actor)
    if campaign.is_being_modified:
        _replace(move, campaign.version)
        return
    campaign.activated_at, campaign.live_version = move.now, campaign.version
    run = planning.plan_first(campaign, campaign.version, move.now)
    is_later = run.kind == Run.Kind.SCHEDULED and run.due_at > move.now
    campaign.status = Status.SCHEDULED if is_later else Status.LIVE
    if not is_later:
        ring.due_runs()


def _replace(move: Move, version: Version) -> None:
    """The new version takes over: runs under way end as they began, calls and times to come are its own."""
    campaign = move.campaign
    is_other, campaign.live_version = campaign.live_version_id != version.pk, version
    campaign.draft_status, campaign.before_draft = "", {}
    if campaign.type == Campaign.Type.SCHEDULED:
        planning.replan(campaign, version, move.now)
        ring.due_runs()
    elif is_other:
        planning.open_standing(campaign, version, move.now)


def modify(move: Move) -> None:
    campaign = move.campaign
    campaign.before_draft, campaign.draft_status = revision.remember(campaign), Status.DRAFT
    campaign.submitted_by = campaign.approved_by = None
    campaign.revision += 1


def discard(move: Move) -> None:
    campaign = move.campaign
    if campaign.is_being_modified:
        approvals.lapse(campaign, now=move.now)
        revision.bring_back(campaign)
        campaign.draft_status, campaign.before_draft = "", {}
        campaign.version = campaign.live_version
        campaign.revision += 1


def pause(move: Move) -> None:
    move.campaign.paused_from = move.campaign.status
    move.campaign.status = Status.PAUSED


def resume(move: Move) -> None:
    move.campaign.activated_by, move.campaign.ordered_by = move.person, key_of(move.actor)
    move.campaign.status = move.campaign.paused_from or Status.LIVE
    move.campaign.paused_from = ""
    planning.pass_over(move.campaign, move.now)
    ring.due_runs()


def stop(move: Move) -> None:
    """Later runs never begin. What is queued of a run under way is recalled, unless it may finish.

    The sweep settles what is recalled, and the run keeps how many could still leave.
    """
    planning.drop(move.campaign, move.now)
    if move.details.setdefault("recall", True):
        recall(move)
    discard(move)


def recall(move: Move) -> None:
    under_way = [Run.State.EXPANDING, Run.State.SENDING]
    for run in Run.objects.select_for_update().filter(campaign=move.campaign, state__in=under_way):
        run.state, run.stopped_at, run.stop_bound = Run.State.STOPPING, move.now, bound.may_leave(run)
        run.save(update_fields=["state", "stopped_at", "stop_bound"])


def complete(move: Move) -> None:
    move.campaign.completed_at = move.now


def fail(move: Move) -> None:
    planning.drop(move.campaign, move.now)
    recall(move)
    discard(move)
    move.campaign.completed_at = move.now


def archive(move: Move) -> None:
    move.campaign.archived_from = move.campaign.status


def unarchive(move: Move) -> None:
    move.campaign.status = move.campaign.archived_from or Status.STOPPED
    move.campaign.archived_from = ""
