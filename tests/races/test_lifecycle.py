"""Two people and the clock at once, over connections of their own: one legal outcome, the other is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import customroles, roles
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Role, User, Workspace
from campaigns import drafts, lifecycle, versions
from campaigns.delivery import clock
from campaigns.models import Campaign, Run, Status
from common.errors import CarillonError, Conflict, IllegalTransition
from tests import builders
from tests.api import Caller
from tests.races.test_activation import at_once

pytestmark = pytest.mark.django_db(transaction=True)
DAILY = {"zone": "Asia/Taipei", "rules": [{"every": "day", "at": "09:00"}]}


def one_by_one(*works: Any) -> Any:
    """Each call takes the next of the works, whichever thread comes first."""
    left = list(works)
    return lambda: left.pop()()


def test_an_approval_and_an_edit_at_once_have_one_legal_outcome() -> None:
    where = builders.workspace()
    manager, approver = builders.person(where, "manager"), builders.person(where, "approver")
    campaign = builders.draft(where, manager)
    campaign = lifecycle.apply(campaign, "request_approval", actor=manager, now=timezone.now())

    def edit() -> Any:
        taken = lifecycle.apply(campaign, "cancel_request", actor=manager, now=timezone.now())
        changes = {"subject": "Changed"}
        return drafts.save(taken, revision=taken.revision, actor=manager, now=timezone.now(), **changes)

    def approve() -> Any:
        return lifecycle.apply(campaign, "approve", actor=approver, now=timezone.now())

    results = at_once(one_by_one(edit, approve), times=2)
    assert sum(isinstance(result, IllegalTransition) for result in results) == 1
    campaign.refresh_from_db()
    if campaign.status == Status.APPROVED:
        assert campaign.version is not None
        assert campaign.version.fingerprint == versions.fingerprint(versions.definition(campaign))
    else:
        assert (campaign.status, campaign.approved_by) == (Status.DRAFT, None)


def take_role(approver: User, where: Workspace) -> None:
    role = Role.objects.get(workspace=where, builtin="approver")
    roles.revoke(role, user=approver, actor=SYSTEM, now=timezone.now())


def take_right(approver: User, where: Workspace) -> None:
    role = Role.objects.get(workspace=where, builtin="approver")
    left = {"campaigns.view_campaign"}
    customroles.save(
        role, workspace=where, title=role.title, permissions=left, actor=SYSTEM, now=timezone.now()
    )


def leave(approver: User, where: Workspace) -> None:
    User.objects.filter(pk=approver.pk).update(is_active=False)


@pytest.mark.parametrize("take_away", [take_role, take_right, leave])
def test_an_approval_races_with_the_approvers_right(take_away: Callable[[User, Workspace], None]) -> None:
    where = builders.workspace()
    builders.person(where, "administrator")
    manager, approver = builders.person(where, "manager"), builders.person(where, "approver")
    campaign = builders.draft(where, manager)
    campaign = lifecycle.apply(campaign, "request_approval", actor=manager, now=timezone.now())
    approving = User.objects.get(pk=approver.pk)
    results = at_once(
        one_by_one(
            lambda: take_away(approver, where),
            lambda: lifecycle.apply(campaign, "approve", actor=approving, now=timezone.now()),
        ),
        times=2,
    )
    campaign.refresh_from_db()
    refused = [result for result in results if isinstance(result, CarillonError)]
    assert not [one for one in results if isinstance(one, Exception) and one not in refused]
    assert campaign.status == (Status.IN_REVIEW if refused else Status.APPROVED)
    assert AuditEntry.objects.filter(verb="approve").count() == (0 if refused else 1)
    with pytest.raises(CarillonError):
        again = User.objects.get(pk=approver.pk)
        lifecycle.apply(campaign, "activate", actor=again, now=timezone.now())


def test_four_clients_change_what_they_read_and_three_are_told() -> None:
    where = builders.workspace()
    campaign = builders.draft(where, builders.person(where, "manager"))
    callers, door = [Caller(where, "manager") for _each in range(4)], f"/api/campaigns/{campaign.pk}/"
    tag = callers[0].get(door).headers["ETag"]
    answers = at_once(
        one_by_one(
            *(
                lambda call=call, number=number: (
                    call(
                        "PATCH",
                        door,
                        {"name": f"By {number}"},
                        headers={**call.headers, "If-Match": tag},
                    ).status_code
                )
                for number, call in enumerate(callers)
            )
        ),
        times=4,
    )
    assert sorted(answers) == [200, 412, 412, 412]
    assert AuditEntry.objects.filter(verb="save", object_key=str(campaign.pk)).count() == 2


def test_a_new_version_and_the_clock_at_the_due_second_make_one_run_of_that_day() -> None:
    where = builders.workspace()
    builders.profiles(where, 1)
    campaign = builders.live(where, now=timezone.now(), schedule=DAILY)
    approver = builders.User.objects.get(name="Approver")
    due = campaign.runs.get().due_at
    campaign = lifecycle.apply(campaign, "modify", actor=approver, now=timezone.now())
    later = {"schedule": {**DAILY, "rules": [{"every": "day", "at": "10:00"}]}}
    campaign = drafts.save(campaign, revision=campaign.revision, actor=approver, now=timezone.now(), **later)
    results = at_once(
        one_by_one(
            lambda: lifecycle.apply(campaign, "activate", actor=approver, now=due),
            lambda: clock.start_due_runs(now=due),
            lambda: clock.start_due_runs(now=due),
        ),
        times=3,
    )
    assert not [result for result in results if isinstance(result, Exception)]
    clock.start_due_runs(now=due + timedelta(hours=1))
    assert Run.objects.filter(state=Run.State.EXPANDING).count() == 1
    assert Run.objects.get(state=Run.State.DUE).due_at == due + timedelta(hours=25)


def test_stop_pause_and_a_second_activation_at_once_leave_one_entry_each() -> None:
    where = builders.workspace()
    campaign = builders.live(where, now=timezone.now(), schedule=DAILY)
    approver = builders.User.objects.get(name="Approver")
    results = at_once(
        one_by_one(
            *(
                lambda verb=verb: lifecycle.apply(campaign, verb, actor=approver, now=timezone.now())
                for verb in ("stop", "stop", "stop", "activate")
            )
        ),
        times=4,
    )
    assert sum(isinstance(result, Campaign) for result in results) == 1
    told = [result for result in results if isinstance(result, IllegalTransition)]
    assert len(told) == 3
    assert all("Approver" in error.detail for error in told)
    assert AuditEntry.objects.filter(verb="stop").count() == 1


def test_two_editors_of_a_new_version_lose_nothing() -> None:
    where = builders.workspace()
    campaign = builders.live(where, now=timezone.now(), schedule=DAILY)
    approver = builders.User.objects.get(name="Approver")
    campaign = lifecycle.apply(campaign, "modify", actor=approver, now=timezone.now())
    results = at_once(
        lambda: drafts.save(campaign, revision=campaign.revision, actor=approver, now=timezone.now(), rate=5),
        times=4,
    )
    assert sum(isinstance(result, Campaign) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 3
