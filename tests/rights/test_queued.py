"""A right that was taken away is gone at the next request, and for what waits in a queue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import credentials, customroles, roles
from accounts.access import SYSTEM
from accounts.models import ApiCredential, Role, User, Workspace
from audiences.imports import jobs, work
from audiences.models import Import, Profile
from campaigns import lifecycle
from campaigns.delivery import clock, completion, fanout, proofs, send
from campaigns.models import Attempt, Batch, MessageContext, Run, Status
from campaigns.reports.metrics import ledger
from common.errors import PermissionMissing
from tests import builders
from tests.api import Caller
from tests.audiences.imported import checked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
DAILY = {"zone": "UTC", "rules": [{"every": "day", "at": "09:00"}]}


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 2)
    return made


def role_of(where: Workspace, builtin: str) -> Role:
    return Role.objects.get(workspace=where, builtin=builtin)


def revoke(person: User) -> None:
    for role in Role.objects.filter(user=person):
        roles.revoke(role, user=person, actor=SYSTEM, now=timezone.now())


def credential(where: Workspace, name: str) -> ApiCredential:
    role = role_of(where, "approver")
    return credentials.issue(workspace=where, role=role, name=name, actor=SYSTEM, now=timezone.now())[0]


def work_off(now: datetime) -> int:
    """The clock, the fan-out, the senders and the sweep; how many messages were accepted so far."""
    for run_id in clock.start_due_runs(now=now):
        fanout.expand(run_id, now=now)
    Batch.objects.update(send_after=timezone.now())
    for batch in Batch.objects.values_list("pk", flat=True):
        send.deliver(batch)
    for run_id in Run.objects.filter(state__in=["sending", "stopping"]).values_list("pk", flat=True):
        completion.settle(run_id, now=now)
    return Attempt.objects.filter(outcome="accepted").count()


def test_the_next_request_of_a_session_and_of_a_token_is_refused(where: Workspace) -> None:
    person = builders.person(where, "approver", "ana")
    campaign = builders.draft(where, builders.person(where, "manager"))
    client, call = Client(), Caller(where, "approver")
    client.force_login(person)
    page, door = f"/campaigns/{campaign.pk}/review/", f"/api/campaigns/{campaign.pk}/"
    assert (client.get(page).status_code, call.get(door).status_code) == (200, 200)
    role = role_of(where, "approver")
    seeing = {"campaigns.view_campaign"}
    by: dict[str, Any] = {"actor": builders.person(where, "administrator"), "now": timezone.now()}
    customroles.save(role, workspace=where, title=role.title, permissions=seeing, **by)
    assert client.post(f"/campaigns/{campaign.pk}/act/activate/").status_code == 403
    assert call.post(f"{door}actions/activate/", {}).status_code == 403
    revoke(person)
    customroles.save(role, workspace=where, title=role.title, permissions=(), **by)
    assert (client.get(page).status_code, call.get(door).status_code) == (404, 404)
    campaign.refresh_from_db()
    assert campaign.status == Status.DRAFT


@pytest.mark.parametrize("moment", ["scheduled", "expanded"])
@pytest.mark.parametrize("how", ["credential revoked", "role changed"])
def test_what_a_credential_activated_is_held_once_it_may_not_publish(
    where: Workspace, how: str, moment: str
) -> None:
    key, now = credential(where, "Shop"), timezone.now()
    campaign = builders.draft(where, builders.person(where, "manager"), schedule=DAILY)
    campaign = lifecycle.apply(campaign, "activate", actor=key, now=now)
    due = campaign.runs.get().due_at
    if moment == "expanded":
        for run_id in clock.start_due_runs(now=due):
            fanout.expand(run_id, now=due)
    if how == "credential revoked":
        credentials.revoke(key, actor=SYSTEM, now=now)
    else:
        ApiCredential.objects.update(role=role_of(where, "manager"))
    assert work_off(due) == 0
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED
    lifecycle.apply(campaign, "resume", actor=builders.person(where, "approver"), now=now)
    assert work_off(due) == 2


def test_a_call_for_later_of_a_revoked_credential_ends_alone(where: Workspace) -> None:
    campaign = builders.live(where, now=timezone.now(), type="api_triggered", category="transactional")
    later = timezone.now() + timedelta(hours=1)
    callers = [Caller(where, "approver") for _each in range(2)]
    for number, call in enumerate(callers):
        body = {
            "campaignId": str(campaign.pk),
            "requestId": f"r-{number}",
            "audience": {"id": str(builders.audience(where, name=f"All {number}").pk)},
            "schedule": {"executeAt": later.isoformat()},
        }
        assert call.post("/ajo/im/executions/audience", body).status_code == 202
    first = ApiCredential.objects.order_by("pk")[0]
    credentials.revoke(first, actor=SYSTEM, now=timezone.now())
    assert work_off(later) == 2
    states = Run.objects.filter(kind="audience").order_by("pk").values_list("state", flat=True)
    assert list(states) == ["stopped", "completed"]
    campaign.refresh_from_db()
    assert campaign.status == Status.LIVE


def test_a_proof_that_waits_is_not_sent_for_who_may_not_order_it_any_more(where: Workspace) -> None:
    manager, now = builders.person(where, "manager"), timezone.now()
    campaign = builders.draft(where, manager)
    run = proofs.send(campaign, action=0, addresses=["me@fernhill.example"], actor=manager, now=now)
    revoke(manager)
    assert work_off(now) == 0
    run.refresh_from_db()
    assert (run.state, ledger(run).cancelled, MessageContext.objects.count()) == ("stopped", 1, 0)
    assert "Manager" in run.reason
    campaign.refresh_from_db()
    assert campaign.status == Status.DRAFT


def test_an_import_is_held_until_somebody_who_may_goes_on_with_it(where: Workspace) -> None:
    manager, now = builders.person(where, "manager"), timezone.now()
    job = checked(b"email\nnew@example.com\n", where)
    job = jobs.start(job, actor=manager, now=now)
    revoke(manager)
    assert not work.advance(job.pk)
    job.refresh_from_db()
    assert (job.state, job.paused_in) == (Import.State.PAUSED, Import.State.MERGING)
    assert "Manager" in job.reason and not Profile.objects.filter(email="new@example.com").exists()
    with pytest.raises(PermissionMissing):
        jobs.resume(job, actor=manager, now=now)
    jobs.resume(job, actor=builders.person(where, "administrator"), now=now)
    while work.advance(job.pk):
        pass
    job.refresh_from_db()
    assert (job.state, job.reason) == (Import.State.COMPLETED, "")
    assert Profile.objects.filter(email="new@example.com").exists()
