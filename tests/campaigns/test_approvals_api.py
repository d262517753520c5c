"""Approvals over REST: the queue, the comments and the policies, with the rights of their pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AccessLabel, AuditEntry, Workspace
from campaigns import comments, lifecycle
from campaigns.models import ApprovalPolicy, Campaign, Status
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db
ADDRESS = "/api/approval-policies/"


@pytest.fixture
def where() -> Workspace:
    return builders.workspace(approval_required=True)


def submitted(where: Workspace) -> Campaign:
    author = builders.person(where, "manager", "mia")
    builders.person(where, "approver", "ana")
    builders.profiles(where, 1)
    campaign = builders.draft(where, author)
    return lifecycle.apply(campaign, "request_approval", actor=author, now=timezone.now(), comment="Look")


def body(where: Workspace, **changes: Any) -> dict[str, Any]:
    approver = where.roles.get(builtin="approver")
    return {"name": "Large", "approvers": {"match": "any", "of": [{"role": approver.pk}]}, **changes}


def test_what_waits_is_listed_for_who_may_see_it_and_nothing_behind_a_label(where: Workspace) -> None:
    campaign = submitted(where)
    (row,) = Caller(where, "viewer").get("/api/approvals/").json()["results"]
    assert (row["campaign"], row["message"], row["decisions"]) == (campaign.pk, "Look", [])
    assert campaign.version and row["fingerprint"] == campaign.version.fingerprint
    assert Caller(builders.workspace("there")).get("/api/approvals/").json() == {"results": []}
    campaign.labels.add(AccessLabel.objects.create(workspace=where, name="Board"))
    assert Caller(where, "administrator").get("/api/approvals/").json() == {"results": []}


def test_a_credential_approves_nothing(where: Workspace) -> None:
    campaign = submitted(where)
    answer = Caller(where, "administrator").post(f"/api/campaigns/{campaign.pk}/actions/approve/", {})
    assert answer.status_code in (403, 428)
    campaign.refresh_from_db()
    assert campaign.draft_state == Status.IN_REVIEW


def test_comments_are_read_by_who_may_see_the_campaign(where: Workspace) -> None:
    campaign = submitted(where)
    author = campaign.created_by
    assert author
    comments.add(campaign, text="Nice", actor=author, now=timezone.now())
    address = f"/api/campaigns/{campaign.pk}/comments/"
    (row,) = Caller(where, "viewer").get(address).json()["results"]
    assert (row["author"], row["text"]) == (author.pk, "Nice")
    assert Caller(builders.workspace("there")).get(address).status_code == 404


def test_a_policy_is_made_switched_on_and_read_only_while_it_is_on(where: Workspace) -> None:
    call = Caller(where, "administrator")
    conditions = {"match": "any", "rows": [{"field": "audience_size", "value": 1000}]}
    made = call.post(ADDRESS, body(where, conditions=conditions, priority=5))
    assert made.status_code == 201 and made.json()["conditions"] == conditions
    one = f"{ADDRESS}{made.json()['id']}/"
    assert not made.json()["isActive"] and call.get(one).json() == made.json()
    assert call.post(f"{one}actions/activate/", {}).json()["isActive"]
    assert call("PUT", one, body(where, name="Other")).status_code == 409
    assert call("DELETE", one).status_code == 409 and ApprovalPolicy.objects.get().name == "Large"
    assert not call.post(f"{one}actions/deactivate/", {}).json()["isActive"]
    assert call("PUT", one, body(where, name="Other")).json()["name"] == "Other"
    assert call.post(f"{one}actions/explode/", {}).status_code == 404
    assert call("DELETE", one).status_code == 204 and not ApprovalPolicy.objects.exists()
    verbs = AuditEntry.objects.filter(object_type="campaigns.approvalpolicy").order_by("pk")
    told = list(verbs.values_list("verb", flat=True))
    assert told == ["create", "activate", "deactivate", "change", "delete"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "changes",
    [
        {"approvers": {}},
        {"approvers": {"match": "any", "of": []}},
        {"approvers": {"match": "any", "of": [{}]}},
        {"approvers": {"match": "any", "of": [{"user": 1, "role": 1}]}},
        {"approvers": {"match": "any", "of": [{"match": "all"}]}},
        {"approvers": {"match": "any", "of": [{"user": 987654321}]}},
        {"approvers": {"match": "any", "of": [{"of": [{"of": [{"user": 1}]}], "match": "all"}]}},
        {"approvers": [1]},
        {"conditions": {"rows": [{"field": "weather", "value": "fine"}]}},
        {"conditions": {"rows": [{"field": "tag", "value": {"a": [1]}}]}},
        {"conditions": {"rows": [{"field": "type", "value": None}]}},
        {"conditions": {"rows": 3}},
        {"priority": 10**9},
        {"isActive": True},
        {"name": " "},
    ],
)
def test_a_policy_that_cannot_be_is_refused_and_not_kept(where: Workspace, changes: dict[str, Any]) -> None:
    answer = Caller(where, "administrator").post(ADDRESS, body(where, **changes))
    assert answer.status_code == 400 and not ApprovalPolicy.objects.exists()


def test_policies_are_for_who_manages_the_workspace(where: Workspace) -> None:
    for role in ("approver", "manager", "viewer"):
        call = Caller(where, role)
        assert call.get(ADDRESS).status_code == call.post(ADDRESS, body(where)).status_code == 403
    made = Caller(where, "administrator").post(ADDRESS, body(where)).json()["id"]
    stranger = Caller(builders.workspace("there"), "administrator")
    assert stranger.get(f"{ADDRESS}{made}/").status_code == 404
    assert stranger.get(ADDRESS).json()["results"] == []
