"""State × verb and role × verb, from the table itself; and that a refusal changes nothing."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import AuditEntry, User, Workspace
from campaigns import access, drafts, lifecycle, revision, versions
from campaigns.lifecycle import CLOCK, TRANSITIONS
from campaigns.models import WRITTEN, Campaign, Run, Status, Version
from common.errors import CarillonError, IllegalTransition, Invalid, PermissionMissing
from tests import builders

pytestmark = pytest.mark.django_db
WEEKLY = {"zone": "Asia/Taipei", "rules": [{"every": "week", "at": "09:00", "weekdays": ["mon"]}]}
WRITING = ("draft", "in_review", "approved")
STATES = [
    *((status, "") for status in Status.values),
    *((status, writing) for status in ("scheduled", "live", "paused") for writing in WRITING),
]
OF_A_DRAFT = {
    "request_approval": ["draft"],
    "cancel_request": ["in_review"],
    "request_changes": ["in_review"],
    "approve": ["in_review"],
    "edit": ["approved"],
    "activate": ["draft", "approved"],
}
OF_A_CAMPAIGN = {
    "start": ["scheduled"],
    "pause": ["scheduled", "live"],
    "resume": ["paused"],
    "stop": ["scheduled", "live", "paused"],
    "complete": ["live"],
    "fail": ["scheduled", "live", "paused"],
    "archive": ["completed", "stopped", "failed"],
    "unarchive": ["archived"],
}
ROLES = ("administrator", "approver", "manager", "viewer")
MAY = {
    access.MANAGE: ("administrator", "approver", "manager"),
    access.PUBLISH: ("administrator", "approver"),
    access.APPROVE: ("administrator", "approver"),
}


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 2)
    return made


def campaign_in(where: Workspace, status: str, new_version: str = "") -> Campaign:
    """A complete campaign, sent every week, that somebody else drafted and submitted, put into the state."""
    author = User.objects.filter(name="Author").first() or builders.person(where, "manager", "author")
    campaign = builders.draft(where, author, schedule=WEEKLY)
    campaign.version = versions.freeze(campaign, actor=author, now=timezone.now())
    campaign.submitted_by = author
    if status not in (*WRITTEN, Status.ARCHIVED):
        campaign.live_version = campaign.version
    campaign.status, campaign.draft_status = status, new_version
    campaign.before_draft = revision.remember(campaign) if new_version else {}
    campaign.paused_from = Status.LIVE if status == Status.PAUSED else ""
    campaign.archived_from = Status.COMPLETED if status == Status.ARCHIVED else ""
    campaign.save()
    return campaign


def press(campaign: Campaign, verb: str, actor: object) -> Campaign:
    return lifecycle.apply(campaign, verb, actor=actor, now=timezone.now(), comment="why")  # type: ignore[arg-type]


def is_possible(verb: str, status: str, new_version: str) -> bool:
    """By the table of the architecture's section 5, not by the code's."""
    is_going = status in (Status.SCHEDULED, Status.LIVE, Status.PAUSED)
    if verb == "modify":
        return status in (Status.SCHEDULED, Status.LIVE) and not new_version
    if verb == "discard":
        return bool(new_version)
    if verb in OF_A_DRAFT:
        return (new_version if is_going else status) in OF_A_DRAFT[verb]
    return status in OF_A_CAMPAIGN[verb]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("status", "new_version"), STATES)
def test_a_verb_works_in_its_own_states_only(where: Workspace, status: str, new_version: str) -> None:
    campaign, administrator = campaign_in(where, status, new_version), builders.person(where, "administrator")
    for verb, row in TRANSITIONS.items():
        actor = SYSTEM if row.permission == CLOCK else administrator
        undo = transaction.savepoint()
        if is_possible(verb, status, new_version):
            moved = press(campaign, verb, actor)
            assert row.target is None or row.state_of(moved) == row.target, verb
            assert AuditEntry.objects.filter(verb=verb, object_key=str(campaign.pk)).count() == 1
            assert Run.objects.filter(state=Run.State.DUE).count() <= 1
        else:
            with pytest.raises(IllegalTransition) as caught:
                press(campaign, verb, actor)
            assert campaign.get_status_display() in caught.value.detail or new_version, verb
            campaign.refresh_from_db()
            assert (campaign.status, campaign.draft_status) == (status, new_version)
            assert not AuditEntry.objects.filter(verb=verb).exists()
        transaction.savepoint_rollback(undo)


@pytest.mark.parametrize("role", ROLES)
def test_a_verb_asks_for_its_own_right(where: Workspace, role: str) -> None:
    actor = builders.person(where, role)
    for verb, row in TRANSITIONS.items():
        undo = transaction.savepoint()
        new_version = "draft" if verb == "discard" else ""
        campaign = campaign_in(where, Status.LIVE if new_version else row.sources[0], new_version)
        may = row.permission != CLOCK and role in MAY[row.permission]
        if may and (verb != "cancel_request" or role != "manager"):
            press(campaign, verb, actor)
        else:
            with pytest.raises(PermissionMissing):
                press(campaign, verb, actor)
            campaign.refresh_from_db()
            assert campaign.draft_status == new_version
            assert campaign.status == (Status.LIVE if new_version else row.sources[0])
            assert not Run.objects.exists()
        transaction.savepoint_rollback(undo)


def test_the_loser_is_told_who_was_faster_and_when(where: Workspace) -> None:
    campaign = campaign_in(where, Status.LIVE)
    first, second = builders.person(where, "approver", "lin"), builders.person(where, "administrator")
    press(campaign, "stop", first)
    with pytest.raises(IllegalTransition, match="Last: “Stop” by Lin at 20") as caught:
        press(campaign, "pause", second)
    assert caught.value.extra["last"]["by"] == "Lin"
    assert caught.value.extra["possible"] == ["archive", "duplicate"]


@pytest.mark.parametrize("part", ["created_by", "edited_by", "submitted_by"])
def test_nobody_approves_their_own(where: Workspace, part: str) -> None:
    campaign = campaign_in(where, Status.IN_REVIEW)
    approver = builders.person(where, "administrator")
    approver.is_superuser = True
    approver.save()
    Campaign.objects.filter(pk=campaign.pk).update(**{part: approver})
    with pytest.raises(PermissionMissing, match="Nobody approves"):
        press(campaign, "approve", approver)


def test_a_change_to_what_was_submitted_voids_the_approval(where: Workspace) -> None:
    approver = builders.person(where, "approver")
    campaign = press(campaign_in(where, Status.IN_REVIEW), "approve", approver)
    campaign.audience.rule = {"field": "email", "op": "is_empty"}
    campaign.audience.save()
    with pytest.raises(IllegalTransition, match="has changed since"):
        press(campaign, "activate", approver)
    assert not Run.objects.exists()


def test_a_workspace_may_ask_for_an_approval_first(where: Workspace) -> None:
    Workspace.objects.update(approval_required=True)
    campaign = campaign_in(where, Status.DRAFT)
    approver = builders.person(where, "approver")
    with pytest.raises(IllegalTransition, match="asks for an approval"):
        press(campaign, "activate", approver)
    press(campaign, "request_approval", User.objects.get(name="Author"))
    press(campaign, "approve", approver)
    assert press(campaign, "activate", approver).status == Status.SCHEDULED


def test_an_unfinished_draft_cannot_be_submitted_or_activated(where: Workspace) -> None:
    manager, approver = builders.person(where, "manager"), builders.person(where, "approver")
    draft = drafts.create(
        where, name="Empty", type="scheduled", category="marketing", actor=manager, now=timezone.now()
    )
    for verb, actor in (("request_approval", manager), ("activate", approver)):
        with pytest.raises(Invalid) as caught:
            press(draft, verb, actor)
        codes = {problem.code for problem in caught.value.problems}
        assert codes == {"audience_missing", "configuration_missing", "subject_missing", "body_missing"}
    assert not Version.objects.exists()


def test_changes_are_requested_with_a_word(where: Workspace) -> None:
    campaign = campaign_in(where, Status.IN_REVIEW)
    approver = builders.person(where, "approver")
    with pytest.raises(Invalid, match="Say what should change"):
        lifecycle.apply(campaign, "request_changes", actor=approver, now=timezone.now())
    assert press(campaign, "request_changes", approver).status == Status.DRAFT


def test_only_a_draft_that_was_never_active_is_deleted(where: Workspace) -> None:
    manager = builders.person(where, "manager")
    for status in Status.values:
        campaign = campaign_in(where, status) if status == "draft" else None
        if campaign:
            lifecycle.delete(campaign, actor=manager, now=timezone.now())
    assert not Campaign.objects.exists()
    live = builders.draft(where, manager)
    Campaign.objects.update(status=Status.LIVE)
    with pytest.raises(IllegalTransition):
        lifecycle.delete(live, actor=manager, now=timezone.now())


def test_a_duplicate_is_a_new_draft_of_whoever_made_it(where: Workspace) -> None:
    campaign = campaign_in(where, Status.STOPPED)
    manager = builders.person(where, "manager")
    copy = lifecycle.duplicate(campaign, actor=manager, now=timezone.now())
    assert (copy.status, copy.created_by, copy.audience) == (Status.DRAFT, manager, campaign.audience)
    assert copy.actions.get().content == campaign.actions.get().content


@pytest.mark.parametrize("role", ROLES)
def test_every_button_says_whether_it_works_and_why_not(where: Workspace, role: str) -> None:
    actor = builders.person(where, role)
    campaign = campaign_in(where, Status.IN_REVIEW)
    for action in lifecycle.available(campaign, actor, now=timezone.now()):
        if action.allowed and action.verb in TRANSITIONS:
            continue
        if not action.allowed:
            assert action.reason
            if action.verb in TRANSITIONS:
                with pytest.raises(CarillonError):
                    press(campaign, action.verb, actor)
