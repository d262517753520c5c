"""Approvals: who is asked, and what they said.

A request is bound to the SHA-256 of a frozen version. `lifecycle.apply` calls the effects here under the
campaign's row lock; whether a version may be sent is asked in `clearance.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, people_who_may, require
from accounts.models import AuditEntry, Role, User, Workspace
from campaigns import alerts, policies
from campaigns.models import (
    ApprovalDecision,
    ApprovalPolicy,
    ApprovalRequest,
    Campaign,
    StandIn,
    Status,
)
from common.errors import IllegalTransition, Invalid, PermissionMissing, Problem

APPROVE = "campaigns.approve_campaign"
State, Verdict = ApprovalRequest.State, ApprovalDecision.Verdict


# ---- is anybody asked -------------------------------------------------------------------------


def asks(workspace: Workspace) -> bool:
    """Whether a campaign of the workspace needs an approval at all: always, or by some active policy."""
    return (
        workspace.approval_required
        or ApprovalPolicy.objects.filter(workspace=workspace, is_active=True).exists()
    )


def policy_for(campaign: Campaign, requester: User | None) -> ApprovalPolicy | None:
    """The active policy that applies: the highest priority, then the latest activated, then the default."""
    active = ApprovalPolicy.objects.filter(workspace=campaign.workspace_id, is_active=True)
    facts = policies.Facts(campaign, requester)
    for policy in active.filter(is_default=False).order_by("-priority", "-activated_at", "-pk"):
        if policies.applies(policy.conditions, facts):
            return policy
    return active.filter(is_default=True).order_by("-priority", "-activated_at", "-pk").first()


def is_free(campaign: Campaign, requester: User | None) -> bool:
    """Approvals are asked for here, but no policy asks for one of this campaign: it is approved by itself."""
    workspace = campaign.workspace
    return asks(workspace) and not workspace.approval_required and policy_for(campaign, requester) is None


# ---- the request ------------------------------------------------------------------------------


def request(
    campaign: Campaign, *, by: User | None, message: str, due_at: datetime | None, actor: Actor, now: datetime
) -> ApprovalRequest:
    """Opens a request for `campaign.version`; one that no policy asks for is approved at once.

    Raises Invalid where nobody could ever satisfy the policy, so that nothing waits for ever, and where the
    time to decide by is over.
    """
    if due_at is not None and due_at <= now:
        raise Invalid(Problem("due_is_over", _("The day to decide by must lie in the future."), "/dueAt"))
    policy = policy_for(campaign, by)
    row = ApprovalRequest(
        campaign=campaign,
        version=campaign.version,
        fingerprint=campaign.version.fingerprint if campaign.version else "",
        policy=policy,
        approvers=policy.approvers if policy else {},
        requested_by=by,
        message=message,
        due_at=due_at,
        requested_at=now,
    )
    if is_free(campaign, by):
        row.state, row.closed_at = State.APPROVED, now
        row.save()
        return row
    asked = people_asked(row, now=now)
    if policy and policies.missing(policy.approvers, _words(campaign, asked, now)):
        detail = _("Nobody could approve it: the policy “%(policy)s” asks people who may not.")
        raise Invalid(Problem("no_approver", detail % {"policy": policy.name}, "approvers"))
    row.save()
    alerts.tell("approval_requested", asked, campaign, actor=actor, now=now, comment=message)
    return row


def open_request(campaign: Campaign, *, now: datetime) -> ApprovalRequest:
    """The one that waits. A campaign in review from before requests were kept gets its own here."""
    found = ApprovalRequest.objects.filter(campaign=campaign, state=State.OPEN).first()
    if found is not None:
        return found
    if campaign.version is None:
        raise IllegalTransition(_("Nothing was submitted."), state=campaign.status)
    return ApprovalRequest.objects.create(
        campaign=campaign,
        version=campaign.version,
        fingerprint=campaign.version.fingerprint,
        requested_by=campaign.submitted_by,
        requested_at=now,
    )


def own_people(campaign: Campaign) -> set[int]:
    """Who created it, edited it last or submitted it. A save by an API credential hides nobody's own edit."""
    edits = AuditEntry.objects.filter(
        object_type=campaign._meta.label_lower, object_key=str(campaign.pk), verb="save"
    )
    last = edits.filter(actor_key__startswith="user:").order_by("-pk").values_list("actor_key", flat=True)
    own = {campaign.created_by_id, campaign.edited_by_id, campaign.submitted_by_id}
    return {pk for pk in own if pk} | {int(key.removeprefix("user:")) for key in last[:1]}


def people_asked(row: ApprovalRequest, *, now: datetime) -> list[User]:
    """Who may decide: those whom the request names and their stand-ins, if it is not their own."""
    campaign = row.campaign
    able = people_who_may(APPROVE, campaign).exclude(pk__in=own_people(campaign))
    named = list(policies.leaves(row.approvers))
    words = {word.by: word for word in _words(campaign, able, now)}
    return [one for one in able if not named or any(words[one.pk].fits(leaf) for leaf in named)]


def _words(campaign: Campaign, people: Iterable[User], now: datetime) -> list[policies.Word]:
    """What each of them could say now: for themselves and for those who named them as their stand-in."""
    everybody = list(people)
    own = own_people(campaign)
    speaks: dict[int, set[int]] = {one.pk: {one.pk} for one in everybody}
    period = Q(begins_at__lte=now, ends_at__gt=now, workspace=campaign.workspace_id)
    for row in StandIn.objects.filter(period, stand_in__in=everybody).exclude(person__in=own):
        speaks[row.stand_in_id].add(row.person_id)
    return _with_roles(campaign, speaks)


def _with_roles(campaign: Campaign, speaks: dict[int, set[int]]) -> list[policies.Word]:
    people = {user for users in speaks.values() for user in users}
    roles: dict[int, set[int]] = {user: set() for user in people}
    held = Role.objects.filter(workspace=campaign.workspace_id, user__in=people)
    for user, role in held.values_list("user", "pk"):
        roles[user].add(role)
    return [
        policies.Word(by, frozenset(users), frozenset(role for user in users for role in roles[user]))
        for by, users in sorted(speaks.items())
    ]


def words_given(row: ApprovalRequest) -> list[policies.Word]:
    """Who agreed and may still agree. A right that was taken away takes the word with it."""
    own = own_people(row.campaign)
    still = people_who_may(APPROVE, row.campaign).exclude(pk__in=own)
    given = row.decisions.filter(verdict=Verdict.APPROVE, by__in=still).prefetch_related("stands_for")
    return _with_roles(row.campaign, {one.by_id: {user.pk for user in one.stands_for.all()} for one in given})


def fingerprints_approved(campaign: Campaign) -> list[str]:
    """Of every version that was ever approved, also where the approval lapsed since."""
    moves = audit.history_of(campaign).filter(verb__in=("approve", "request_approval"))
    return list(moves.filter(details__after=Status.APPROVED).values_list("details__fingerprint", flat=True))


def still_missing(row: ApprovalRequest) -> list[policies.Place]:
    return policies.missing(row.approvers, words_given(row))


# ---- deciding ---------------------------------------------------------------------------------


def may_decide(campaign: Campaign, person: User | None, *, now: datetime) -> None:
    """Raises PermissionMissing for who owns it or is not asked, IllegalTransition for who has agreed."""
    if person is None or person.pk in own_people(campaign):
        detail = _("Nobody approves a campaign they created, edited last or submitted.")
        raise PermissionMissing(APPROVE, detail)
    row = ApprovalRequest.objects.filter(campaign=campaign, state=State.OPEN).first()
    if row is None:
        return
    if row.decisions.filter(by=person, verdict=Verdict.APPROVE).exists():
        raise IllegalTransition(_("You have approved it already; others are still asked."), code="approved")
    if person not in people_asked(row, now=now):
        named = row.policy.name if row.policy else _("a policy")
        detail = _("Others are asked to approve this one: %(policy)s.") % {"policy": named}
        raise PermissionMissing(APPROVE, detail)


def agree(campaign: Campaign, person: User, *, comment: str, now: datetime) -> bool:
    """Records the word; True when all who are asked have agreed. The caller holds the campaign's lock.

    The person's row is locked, as `roles.revoke` locks it: a right that is being taken away is seen here.
    """
    User.objects.select_for_update().get(pk=person.pk)
    require(person, APPROVE, campaign)
    row = open_request(campaign, now=now)
    _decide(row, person, Verdict.APPROVE, comment, now)
    if still_missing(row):
        return False
    _close(row, State.APPROVED, now)
    _tell_requester("approval_given", row, actor=person, now=now, comment=comment)
    return True


def _decide(row: ApprovalRequest, person: User, verdict: str, comment: str, now: datetime) -> None:
    (word,) = _words(row.campaign, [person], now)
    made = ApprovalDecision.objects.update_or_create(
        request=row, by=person, defaults={"verdict": verdict, "comment": comment, "at": now}
    )[0]
    made.stands_for.set(word.users)


def send_back(campaign: Campaign, person: User | None, *, comment: str, actor: Actor, now: datetime) -> None:
    """Changes are asked for: the request ends, whoever else had agreed."""
    row = open_request(campaign, now=now)
    if person is not None:
        _decide(row, person, Verdict.CHANGES, comment, now)
    _close(row, State.CHANGES, now)
    _tell_requester("changes_requested", row, actor=actor, now=now, comment=comment)


def cancel(campaign: Campaign, *, actor: Actor, now: datetime) -> None:
    row = open_request(campaign, now=now)
    asked = people_asked(row, now=now)
    _close(row, State.CANCELLED, now)
    alerts.tell("approval_cancelled", asked, campaign, actor=actor, now=now)


def lapse(campaign: Campaign, *, now: datetime) -> None:
    """The campaign is edited again: nobody is asked any more, and an approval that was not yet used is worth
    nothing. That of a version that is live stands, for what still leaves.
    """
    unused = Q(state=State.OPEN) | Q(state=State.APPROVED, version__cleared_at=None)
    rows = ApprovalRequest.objects.filter(unused, campaign=campaign)
    rows.update(state=State.LAPSED, closed_at=now)


def _close(row: ApprovalRequest, state: str, now: datetime) -> None:
    row.state, row.closed_at = state, now
    row.save(update_fields=["state", "closed_at"])


def _tell_requester(kind: str, row: ApprovalRequest, *, actor: Actor, now: datetime, comment: str) -> None:
    people = [one for one in (row.requested_by, row.campaign.edited_by, row.campaign.owner) if one]
    alerts.tell(kind, set(people), row.campaign, actor=actor, now=now, comment=comment)
