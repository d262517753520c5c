"""Approvals: who is asked, when it is enough, what voids it, who is told; and what must not happen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import access, credentials, notices, outbox, roles
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Notification, Role, User, Workspace
from campaigns import approvals, comments, drafts, lifecycle, policybook, watch
from campaigns.delivery import clock, fanout, send
from campaigns.models import ApprovalPolicy, ApprovalRequest, Attempt, Batch, Campaign, Run, Status
from channels.models import ChannelConfiguration
from common.errors import CarillonError, IllegalTransition, Invalid, PermissionMissing
from tests import builders
from tests.builders import who

pytestmark = pytest.mark.django_db
EVERYBODY = {"match": "any", "of": []}


@pytest.fixture
def where() -> Workspace:
    return builders.staffed(
        2, admin="administrator", mia="manager", ana="approver", bo="approver", cy="approver"
    )


def leaf(name: str) -> dict[str, int]:
    return {"user": who(name).pk}


def policy(where: Workspace, approvers: dict[str, object], **fields: object) -> ApprovalPolicy:
    """An active one."""
    now, admin = timezone.now(), who("admin")
    values = {"name": "Rule", "approvers": approvers, **fields}
    made = policybook.save(None, workspace=where, actor=admin, now=now, **values)
    policybook.switch(made, on=True, actor=admin, now=now)
    made.refresh_from_db()
    return made


def press(campaign: Campaign, verb: str, name: str, **details: object) -> Campaign:
    return lifecycle.apply(campaign, verb, actor=who(name), now=timezone.now(), **details)


def submitted(where: Workspace, **changes: object) -> Campaign:
    return press(builders.draft(where, who("mia"), **changes), "request_approval", "mia", comment="Please")


def test_all_of_means_that_many_different_people(where: Workspace) -> None:
    approver = {"role": Role.objects.get(workspace=where, builtin="approver").pk}
    policy(where, {"match": "all", "of": [leaf("ana"), approver]})
    campaign = press(submitted(where), "approve", "ana")
    assert campaign.status == Status.IN_REVIEW
    with pytest.raises(IllegalTransition, match="approved it already"):
        press(campaign, "approve", "ana")
    assert press(campaign, "approve", "bo").status == Status.APPROVED


def test_nested_ways_and_people_who_were_not_asked(where: Workspace) -> None:
    both = {"match": "all", "of": [leaf("ana"), leaf("bo")]}
    policy(where, {"match": "any", "of": [leaf("admin"), both]})
    campaign = submitted(where)
    with pytest.raises(PermissionMissing, match="Others are asked"):
        press(campaign, "approve", "cy")
    assert press(campaign, "approve", "bo").status == Status.IN_REVIEW
    assert press(campaign, "approve", "admin").status == Status.APPROVED
    assert not approvals.still_missing(ApprovalRequest.objects.get())


def test_a_policy_that_nobody_could_satisfy_is_told_at_once(where: Workspace) -> None:
    policy(where, {"match": "all", "of": [leaf("ana"), leaf("mia")]})
    with pytest.raises(Invalid, match="Nobody could approve"):
        submitted(where)
    assert Campaign.objects.get().status == Status.DRAFT


def test_an_active_policy_is_read_only_and_knows_its_own_workspace_only(where: Workspace) -> None:
    made, now, admin = policy(where, {"match": "any", "of": [leaf("ana")]}), timezone.now(), who("admin")
    for act in (
        lambda: policybook.save(made, workspace=where, actor=admin, now=now, name="New"),
        lambda: policybook.delete(made, actor=admin, now=now),
    ):
        with pytest.raises(IllegalTransition):
            act()
    other = builders.person(builders.workspace("other"), "approver", "zoe")
    bad = {"match": "any", "of": [{"user": other.pk}]}
    unknown = {"match": "any", "of": [{"user": 10**9}]}
    texts = set()
    for tree in (bad, unknown):
        with pytest.raises(Invalid) as caught:
            policybook.save(None, workspace=where, actor=admin, now=now, name="X", approvers=tree)
        texts.add(str(caught.value.detail))
    assert len(texts) == 1
    with pytest.raises(PermissionMissing):
        policybook.switch(made, on=False, actor=who("ana"), now=now)
    assert ApprovalPolicy.objects.get(pk=made.pk).is_active


def test_nobody_approves_their_own_by_any_way_round(where: Workspace) -> None:
    """Changing the owner, saving through a credential, or a stand-in open nothing."""
    where.approval_required = True
    where.save()
    ana, now = who("ana"), timezone.now()
    campaign = builders.draft(where, who("mia"))
    campaign = drafts.save(campaign, revision=campaign.revision, actor=ana, now=now, name="Edited by Ana")
    role = Role.objects.get(workspace=where, builtin="manager")
    key = credentials.issue(workspace=where, role=role, name="Key", actor=who("admin"), now=now)[0]
    campaign = drafts.save(campaign, revision=campaign.revision, actor=key, now=now, description="wash")
    assert campaign.edited_by is None
    Campaign.objects.update(owner=who("cy"))
    campaign = press(campaign, "request_approval", "bo")
    later = now + timedelta(days=1)
    policybook.name_stand_in(where, stand_in=who("bo"), begins_at=now, ends_at=later, actor=ana, now=now)
    for name in ("ana", "bo", "mia"):
        with pytest.raises(PermissionMissing):
            press(campaign, "approve", name)
    with pytest.raises(PermissionMissing):
        lifecycle.apply(campaign, "approve", actor=key, now=now)
    with pytest.raises(PermissionMissing, match="Nobody approves"):
        lifecycle.apply(campaign, "approve", actor=SYSTEM, now=now)
    User.objects.filter(pk=ana.pk).update(is_superuser=True)
    with pytest.raises(PermissionMissing):
        press(campaign, "approve", "ana")
    assert press(campaign, "approve", "cy").status == Status.APPROVED


def test_a_stand_in_speaks_for_who_named_them_in_their_time_only(where: Workspace) -> None:
    policy(where, {"match": "all", "of": [leaf("ana"), leaf("bo")]})
    campaign, now = submitted(where), timezone.now()
    with pytest.raises(PermissionMissing, match="Others are asked"):
        press(campaign, "approve", "cy")
    late = now + timedelta(days=2), now + timedelta(days=3)
    policybook.name_stand_in(
        where, stand_in=who("cy"), begins_at=late[0], ends_at=late[1], actor=who("ana"), now=now
    )
    with pytest.raises(PermissionMissing):
        press(campaign, "approve", "cy")
    soon = now - timedelta(hours=1), now + timedelta(hours=1)
    policybook.name_stand_in(
        where, stand_in=who("cy"), begins_at=soon[0], ends_at=soon[1], actor=who("ana"), now=now
    )
    assert press(campaign, "approve", "cy").status == Status.IN_REVIEW
    assert press(campaign, "approve", "bo").status == Status.APPROVED
    with pytest.raises(Invalid, match="somebody else"):
        policybook.name_stand_in(
            where, stand_in=who("mia"), begins_at=now, ends_at=soon[1], actor=who("ana"), now=now
        )


def test_a_right_that_is_taken_away_takes_the_word_with_it(where: Workspace) -> None:
    policy(where, {"match": "all", "of": [leaf("ana"), leaf("bo")]})
    campaign = press(submitted(where), "approve", "ana")
    role = Role.objects.get(workspace=where, builtin="approver")
    roles.revoke(role, user=who("ana"), actor=who("admin"), now=timezone.now())
    assert press(campaign, "approve", "bo").status == Status.IN_REVIEW
    with pytest.raises(CarillonError):
        press(campaign, "activate", "bo")


def test_a_new_version_like_the_last_one_can_be_given_up_in_review_and_submitted_again(
    where: Workspace,
) -> None:
    """What it asks for is bound to a version that was activated before; its request ends all the same."""
    weekly = {"zone": "UTC", "rules": [{"every": "day", "at": "09:00"}]}
    campaign = press(builders.draft(where, who("mia"), schedule=weekly), "activate", "ana")
    for _twice in range(2):
        campaign = press(press(campaign, "modify", "mia"), "request_approval", "mia")
        campaign = press(campaign, "discard", "mia")
        assert set(ApprovalRequest.objects.values_list("state", flat=True)) == {"lapsed"}


def test_a_review_shows_what_changed_since_what_was_approved_last(where: Workspace, client: Client) -> None:
    """Not since what was sent back: that nobody agreed to."""
    policy(where, {"match": "any", "of": [leaf("ana")]})
    campaign = builders.draft(where, who("mia"), subject="First")
    for subject, answer in (("First", "approve"), ("Second", "request_changes"), ("Third", "")):
        now, mia = timezone.now(), who("mia")
        if campaign.status == Status.APPROVED:
            campaign = press(campaign, "edit", "mia")
        campaign = drafts.save(campaign, revision=campaign.revision, actor=mia, now=now, subject=subject)
        campaign = press(campaign, "request_approval", "mia")
        client.force_login(who("bo"))
        page = client.get(f"/campaigns/{campaign.pk}/review/").content.decode()
        if answer:
            campaign = press(campaign, answer, "ana", comment="so")
    assert "What changed since Version 1, approved" in page
    assert "First" in page and "Third" in page and "Second" not in page


@pytest.mark.parametrize("field", ["sender_email", "sender_name", "reply_to", "provider"])
def test_another_sender_or_provider_voids_the_approval(where: Workspace, field: str) -> None:
    where.approval_required = True
    where.save()
    campaign = press(submitted(where), "approve", "ana")
    ChannelConfiguration.objects.update(**{field: "smtp" if field == "provider" else "x@fernhill.example"})
    with pytest.raises(IllegalTransition, match="has changed since"):
        press(campaign, "activate", "ana")


def run_through(now: object = None) -> int:
    """The clock, the fan-out and the senders; how many messages were accepted so far."""
    clock.start_due_runs(now=timezone.now())
    for run in Run.objects.filter(state=Run.State.EXPANDING):
        fanout.expand(run.pk, now=timezone.now())
    Batch.objects.update(send_after=timezone.now())  # one that was given back rests for some seconds
    for batch in Batch.objects.values_list("pk", flat=True):
        send.deliver(batch)
    return Attempt.objects.filter(outcome="accepted").count()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("moment", ["before the run", "before the sending"])
@pytest.mark.parametrize("fault", ["setup", "right", "request", "content", "clearance"])
def test_the_send_compares_once_more(where: Workspace, moment: str, fault: str) -> None:
    policy(where, {"match": "any", "of": [leaf("ana")]})
    campaign = press(press(submitted(where), "approve", "ana"), "activate", "bo")
    version = campaign.version
    assert version
    if moment == "before the sending":
        (run_id,) = clock.start_due_runs(now=timezone.now())
        fanout.expand(run_id, now=timezone.now())
    if fault == "setup":
        ChannelConfiguration.objects.update(sender_email="other@fernhill.example")
    elif fault == "right":
        role = Role.objects.get(workspace=where, builtin="approver")
        roles.revoke(role, user=who("bo"), actor=who("admin"), now=timezone.now())
    elif fault == "request":
        ApprovalRequest.objects.update(state="lapsed")
    elif fault == "content":
        version.definition["actions"][0]["contents"][0]["content"]["subject"] = "Other"
        version.save()
    else:
        version.cleared_at = None
        version.save()
    assert run_through() == 0
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED
    held = Notification.objects.filter(kind="campaign_held", user=who("mia")).get()
    assert notices.words(held) == "“Winter layers” is held and sends nothing."
    if fault == "right":
        assert press(campaign, "resume", "cy").status == Status.LIVE
        assert run_through() == 2
    else:
        with pytest.raises(IllegalTransition):
            press(campaign, "resume", "cy")


def test_a_request_is_told_in_the_bell_and_by_mail_as_each_wants_it(where: Workspace) -> None:
    ana, bo, mia = who("ana"), who("bo"), who("mia")
    User.objects.filter(pk=bo.pk).update(language="zh-hant")
    notices.prefer(ana, "approval_requested", bell=True, mail=False)
    policy(where, {"match": "any", "of": [leaf("ana"), leaf("bo")]})
    campaign = submitted(where)
    assert notices.unread_count(ana) == notices.unread_count(bo) == 1
    assert notices.unread_count(who("cy")) == notices.unread_count(mia) == 0
    assert outbox.send_due(now=timezone.now()) == 1
    assert outbox.send_due(now=timezone.now()) == 0
    (letter,) = mail.outbox
    assert letter.to == [bo.email]
    assert "Mia" in letter.subject and "Please" in letter.body and f"/campaigns/{campaign.pk}/" in letter.body
    assert letter.subject != "Mia asks you to approve “Winter layers”."
    press(campaign, "request_changes", "ana", comment="Shorter")
    told = notices.bell(mia)
    assert notices.words(told[0]) == "Ana asks for changes to “Winter layers”."
    notices.mark_read(mia, now=timezone.now())
    assert notices.unread_count(mia) == 0


def test_a_notice_about_what_one_may_not_see_any_more_is_gone(where: Workspace) -> None:
    policy(where, {"match": "any", "of": [leaf("ana")]})
    campaign = submitted(where)
    assert notices.unread_count(who("ana")) == 1
    campaign.labels.create(workspace=where, name="Secret")
    assert notices.unread_count(who("ana")) == 0
    assert outbox.send_due(now=timezone.now()) == 0


def test_mail_that_does_not_leave_is_tried_again(where: Workspace, settings: object) -> None:
    policy(where, {"match": "any", "of": [leaf("ana")]})
    submitted(where)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"  # type: ignore[attr-defined]
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # type: ignore[attr-defined]
    now = timezone.now()
    assert outbox.send_due(now=now) == 0
    row = Notification.objects.get()
    assert (row.mail, row.tries) == ("due", 1)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"  # type: ignore[attr-defined]
    assert outbox.send_due(now=now) == 0
    assert outbox.send_due(now=now + timedelta(minutes=2)) == 1


def test_who_has_not_decided_is_reminded_once_a_day_and_before_it_is_due(where: Workspace) -> None:
    policy(where, {"match": "all", "of": [leaf("ana"), leaf("bo")]})
    now = timezone.now()
    campaign = builders.draft(where, who("mia"))
    lifecycle.apply(campaign, "request_approval", actor=who("mia"), now=now, due_at=now + timedelta(hours=8))
    press(campaign, "approve", "ana")
    assert watch.remind(now=now + timedelta(hours=1)) == 0
    assert watch.remind(now=now + timedelta(hours=5)) == 1
    assert watch.remind(now=now + timedelta(hours=6)) == 0
    assert watch.remind(now=now + timedelta(hours=30)) == 1
    reminded = Notification.objects.filter(kind="approval_reminder").values_list("user__name", flat=True)
    assert list(reminded) == ["Bo", "Bo"]


def test_a_run_that_nobody_takes_is_told_once(where: Workspace) -> None:
    campaign = press(builders.draft(where, who("mia")), "activate", "ana")
    (run_id,) = clock.start_due_runs(now=timezone.now())
    fanout.expand(run_id, now=timezone.now())
    for minutes in (5, 20, 21):
        watch.tell_of_stalled(now=timezone.now() + timedelta(minutes=minutes))
    told = Notification.objects.filter(kind="campaign_stalled")
    assert {one.user for one in told} == {who("mia"), who("ana")}
    assert len(told) == 2 and campaign


def test_whoever_is_named_in_a_comment_and_may_see_it_is_told(where: Workspace) -> None:
    stranger = builders.person(builders.workspace("other"), "approver", "zoe")
    campaign = builders.draft(where, who("mia"))
    text = f"@Ana and @{who('bo').email}: look. @Zoe @{stranger.email}"
    comments.add(campaign, text=text, actor=who("mia"), now=timezone.now())
    told = Notification.objects.filter(kind="mention").values_list("user__name", flat=True)
    assert sorted(told) == ["Ana", "Bo"]
    assert "Ana" not in str(AuditEntry.objects.get(verb="comment").details)


def test_everybody_who_may_is_found_by_role_share_and_label(where: Workspace) -> None:
    campaign = builders.draft(where, who("mia"))
    right = "campaigns.approve_campaign"
    assert {one.name for one in access.people_who_may(right, campaign)} == {"Admin", "Ana", "Bo", "Cy"}
    access.share(campaign, who("mia"), ["view_campaign", "approve_campaign"])
    stranger = builders.person(builders.workspace("other"), "approver", "zoe")
    access.share(campaign, stranger, ["view_campaign", "approve_campaign"])
    assert who("mia") in access.people_who_may(right, campaign)
    assert stranger not in access.people_who_may(right, campaign)
    label = campaign.labels.create(workspace=where, name="Secret")
    assert not access.people_who_may(right, campaign)
    label.roles.add(Role.objects.get(workspace=where, builtin="manager"))
    assert list(access.people_who_may(right, campaign)) == [who("mia")]
    for person in User.objects.all():
        assert access.may(person, right, campaign) == (person in access.people_who_may(right, campaign))
