"""Approval policies through the front door: conditions, who goes first, stand-ins, reminders, and what no
policy asks for. Policies are made by the form and over REST in turn.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts import outbox
from accounts.models import Role, Workspace
from campaigns import watch
from campaigns.models import ApprovalPolicy, ApprovalRequest, Attempt, Campaign, Folder, StandIn, Status
from tests import builders
from tests.api import Caller
from tests.rights.forms import Forms

pytestmark = pytest.mark.django_db
Row = tuple[str, Any]


class House:
    """A workspace with its people, each in a browser of their own, and credentials of an administrator."""

    def __init__(self) -> None:
        self.where = builders.workspace()
        builders.profiles(self.where, 2)
        names = {"admin": "administrator", "mia": "manager", "ana": "approver", "bo": "approver"}
        self.people = {name: builders.person(self.where, role, name) for name, role in names.items()}
        self.browsers = {name: Client() for name in names}
        for name, browser in self.browsers.items():
            browser.force_login(self.people[name])
        self.call = Caller(self.where, "administrator")
        self.turn = 0

    def role(self, builtin: str) -> int:
        return Role.objects.get(workspace=self.where, builtin=builtin).pk

    def policy(self, name: str, *rows: Row, match: str = "all", **more: Any) -> ApprovalPolicy:
        """An active one that asks Ana: made by the form and over REST in turn."""
        self.turn += 1
        who = more.pop("who", "ana")
        priority, is_default = more.pop("priority", 0), more.pop("is_default", False)
        if self.turn % 2:
            data = {"name": name, "match": match, "between": "all", "priority": priority, "remind_hours": 24}
            data |= {"is_default": "on"} if is_default else {}
            data |= {f"match{n}": "any" for n in range(3)} | {"who0": f"user:{self.people[who].pk}"} | more
            for n, (field, value) in enumerate(rows):
                is_free = field in ("tag", "name", "audience_size")
                data |= (
                    {f"field{n}": field, f"value{n}": value} if is_free else {f"field{n}": f"{field}:{value}"}
                )
            made = self.browsers["admin"].post("/campaigns/policies/new/", data)
            assert made.status_code == 302, made.text
            found = ApprovalPolicy.objects.get(name=name)
            self.browsers["admin"].post(f"/campaigns/policies/{found.pk}/activate/")
        else:
            body = {
                "name": name,
                "priority": priority,
                "isDefault": is_default,
                "conditions": {"match": match, "rows": [{"field": f, "value": v} for f, v in rows]},
                "approvers": {"match": "any", "of": [{"user": self.people[who].pk}]},
            }
            made = self.call.post("/api/approval-policies/", body)
            assert made.status_code == 201, made.text
            found = ApprovalPolicy.objects.get(name=name)
            self.call.post(f"/api/approval-policies/{found.pk}/actions/activate/", {})
        found.refresh_from_db()
        assert found.is_active
        return found

    def off(self, policy: ApprovalPolicy) -> None:
        self.browsers["admin"].post(f"/campaigns/policies/{policy.pk}/deactivate/")

    def asked(self, campaign: Campaign) -> str | None:
        """The name of the policy that asks; None where it is approved by itself. Ends in draft."""
        browser, address = self.browsers["mia"], f"/campaigns/{campaign.pk}/act/"
        assert browser.post(f"{address}request_approval/").status_code == 302
        campaign.refresh_from_db()
        request = ApprovalRequest.objects.latest("pk")
        waits = {"open": Status.IN_REVIEW, "approved": Status.APPROVED}
        assert campaign.status == waits[request.state]
        browser.post(f"{address}{'cancel_request' if request.state == 'open' else 'edit'}/")
        campaign.refresh_from_db()
        assert campaign.status == Status.DRAFT
        return request.policy.name if request.policy else None


@pytest.fixture
def house() -> House:
    return House()


def test_every_kind_of_condition_joined_by_any_and_by_all(house: House) -> None:
    inner = Folder.objects.create(
        workspace=house.where, name="Q4", parent=Folder.objects.create(workspace=house.where, name="2026")
    )
    other = Folder.objects.create(workspace=house.where, name="Other")
    campaign = builders.draft(house.where, house.people["mia"], tags=["Legal"])
    Campaign.objects.update(folder=inner)
    kinds: dict[str, tuple[Any, Any]] = {  # what is met, and what is not
        "type": ("scheduled", "api_triggered"),
        "category": ("marketing", "transactional"),
        "channel": ("email", "sms"),
        "tag": ("legal", "leg"),
        "name": ("WINTER", "summer"),
        "audience_size": (2, 3),
        "requester": (house.people["mia"].pk, house.people["ana"].pk),
        "requester_role": (house.role("manager"), house.role("approver")),
        "folder": (inner.parent_id, other.pk),
    }
    met = {kind: (kind, values[0]) for kind, values in kinds.items()}
    unmet = {kind: (kind, values[1]) for kind, values in kinds.items()}
    # Those that must not ask go before all others: one that did would be seen at every question below.
    house.policy("none of any", *unmet.values(), match="any", priority=9)
    for kind in kinds:
        house.policy(f"all but {kind}", *({**met, kind: unmet[kind]}).values(), priority=9)
    assert house.asked(campaign) is None
    for at, kind in enumerate(kinds):
        house.policy(f"any: {kind}", *({**unmet, kind: met[kind]}).values(), match="any", priority=at - 50)
    house.policy("all", *met.values(), priority=8)
    assert house.asked(campaign) == "all"
    house.off(ApprovalPolicy.objects.get(name="all"))
    for kind in reversed(kinds):
        assert house.asked(campaign) == f"any: {kind}"
        house.off(ApprovalPolicy.objects.get(name=f"any: {kind}"))


def test_the_form_of_a_policy_loses_nothing_of_one_that_was_made_over_rest(house: House) -> None:
    rows = [{"field": "tag", "value": f"t{n}"} for n in range(7)]
    people = [{"user": house.people[name].pk} for name in ("ana", "bo", "admin")]
    groups = [*people, {"match": "all", "of": [people[0], people[1]]}]
    body = {
        "name": "Large",
        "conditions": {"match": "any", "rows": rows},
        "approvers": {"match": "any", "of": groups},
    }
    made = house.call.post("/api/approval-policies/", body).json()
    # One of them may approve no more: whoever saves the form again must not drop them unseen.
    house.people["bo"].groups.set([house.role("viewer")])
    address, browser = f"/campaigns/policies/{made['id']}/", house.browsers["admin"]
    fields = dict(Forms(browser.get(address).text, address).found)[address]
    data: dict[str, list[str]] = {}
    for name, value in fields:
        data.setdefault(name, []).append(value)
    assert browser.post(address, data).status_code == 302
    kept = ApprovalPolicy.objects.get()
    assert kept.conditions == body["conditions"]
    assert kept.approvers["of"][3] == groups[3]
    assert kept.approvers["of"][:3] == [{"match": "any", "of": [one]} for one in people]


def test_a_condition_on_what_is_gone_is_shown_and_its_folder_is_not_taken_away(
    house: House,
) -> None:
    """A condition that shows blank would be dropped with the next save, and the policy would ask of all."""
    folder = Folder.objects.create(workspace=house.where, name="Spring")
    leaver = builders.person(house.where, "manager", "lea")
    policy = house.policy("Named", ("folder", folder.pk), ("requester", leaver.pk), match="any")
    page, away = f"/campaigns/policies/{policy.pk}/", {"folder_id": folder.pk, "delete": "1"}
    refused = house.browsers["admin"].post("/campaigns/folders/", away)
    assert refused.status_code == 409 and "“Named”" in refused.text
    assert house.call.delete(f"/api/folders/{folder.pk}/").status_code == 409
    assert Folder.objects.count() == 1
    assert '<fieldset class="stack" disabled>' in house.browsers["admin"].get(page).text
    house.off(policy)
    Folder.objects.all().delete()  # as it could be before
    leaver.groups.clear()
    browser = house.browsers["admin"]
    form = browser.get(page).text
    assert "Folder is what is no longer here" in form and "Requested by what is no longer here" in form
    fields: dict[str, list[str]] = {}
    for name, value in dict(Forms(form, page).found)[page]:
        fields.setdefault(name, []).append(value)
    refused = browser.post(page, fields)
    assert refused.status_code == 400 and "Condition 1 asks for what is no longer here" in refused.text
    assert browser.post(page, {**fields, "field0": "", "field1": "type:scheduled"}).status_code == 302
    policy.refresh_from_db()
    assert policy.conditions["rows"] == [{"field": "type", "value": "scheduled"}]


def test_who_goes_first_and_what_happens_where_no_policy_applies(house: House) -> None:
    campaign = builders.draft(house.where, house.people["mia"])
    tagged = ("tag", "board")
    first, second = house.policy("First", tagged), house.policy("Second", tagged)
    high = house.policy("High", tagged, priority=5)
    address, ana = f"/campaigns/{campaign.pk}/act/", house.browsers["ana"]
    assert house.asked(campaign) is None
    # Approved by itself, and still nobody activates a draft here, nor who may not publish what was approved.
    ana.post(f"{address}activate/")
    assert Campaign.objects.get().status == Status.DRAFT
    assert house.call.post(f"/api/campaigns/{campaign.pk}/actions/activate/", {}).status_code == 409
    house.call.patch(f"/api/campaigns/{campaign.pk}/", {"tags": ["Board"]})
    assert house.asked(campaign) == "High"
    house.off(high)
    assert house.asked(campaign) == "Second"  # activated last
    house.off(first)
    house.browsers["admin"].post(f"/campaigns/policies/{first.pk}/activate/")
    assert house.asked(campaign) == "First"
    house.call.patch(f"/api/campaigns/{campaign.pk}/", {"tags": []})
    house.policy("Rest", is_default=True, priority=-3)
    assert house.asked(campaign) == "Rest"
    for policy in ApprovalPolicy.objects.exclude(pk=second.pk):
        house.off(policy)
    assert house.asked(campaign) is None
    Workspace.objects.update(approval_required=True)  # the workspace asks, whatever no policy says
    house.browsers["mia"].post(f"{address}request_approval/")
    assert Campaign.objects.get().status == Status.IN_REVIEW
    house.browsers["bo"].post(f"{address}approve/")
    assert Campaign.objects.get().status == Status.APPROVED


def test_a_stand_in_is_asked_reminded_and_heard_until_they_are_no_more(house: House) -> None:
    house.policy("Ana's", remind_hours=2)
    campaign = builders.draft(house.where, house.people["mia"])
    mia, bo, ana = (house.browsers[name] for name in ("mia", "bo", "ana"))
    address, today = f"/campaigns/{campaign.pk}/act/", timezone.localdate()
    due = {"comment": "Please", "due": (today - timedelta(days=1)).isoformat()}
    assert "in the future" in mia.post(f"{address}request_approval/", due, follow=True).text
    assert "valid date" in mia.post(f"{address}request_approval/", {"due": "soon"}, follow=True).text
    assert Campaign.objects.get().status == Status.DRAFT
    mia.post(f"{address}request_approval/", {**due, "due": (today + timedelta(days=9)).isoformat()})
    due_at = timezone.localtime(ApprovalRequest.objects.get().due_at)
    assert (due_at.date(), f"{due_at:%H:%M}") == (today + timedelta(days=9), "23:59")
    away = {"stand_in": house.people["bo"].pk, "first": today.isoformat()}
    late = {**away, "last": (today - timedelta(days=3)).isoformat()}
    refused = ana.post("/campaigns/approvals/stand-in/", late)
    assert refused.status_code == 400 and "end must lie after" in refused.text
    for typed in ("selected>Bo<", f'value="{away["first"]}"', f'value="{late["last"]}"'):
        assert typed in refused.text, typed
    refused = ana.post("/campaigns/approvals/stand-in/", {**late, "last": "soon"})
    assert refused.status_code == 400 and "valid date" in refused.text and "selected>Bo<" in refused.text
    assert not StandIn.objects.exists()
    bo.post(f"{address}approve/", {"comment": "not asked"})
    assert "0 requests wait for you" in bo.get("/campaigns/approvals/").text
    ana.post("/campaigns/approvals/stand-in/", {**away, "last": (today + timedelta(days=2)).isoformat()})
    assert "1 request waits for you" in bo.get("/campaigns/approvals/").text
    outbox.send_due(now=timezone.now())  # the request itself
    mail.outbox.clear()
    assert watch.remind(now=timezone.now() + timedelta(hours=1)) == 0
    later = timezone.now() + timedelta(hours=3)
    assert watch.remind(now=later) == 1
    outbox.send_due(now=later)
    assert {letter.to[0] for letter in mail.outbox} == {house.people[name].email for name in ("ana", "bo")}
    at = {"end": StandIn.objects.get().pk}
    assert f'value="{at["end"]}" aria-label="End the stand-in of Bo"' in ana.get("/campaigns/approvals/").text
    assert bo.post("/campaigns/approvals/stand-in/", at).status_code == 404
    ana.post("/campaigns/approvals/stand-in/", at)
    bo.post(f"{address}approve/")
    assert Campaign.objects.get().status == Status.IN_REVIEW
    ana.post("/campaigns/approvals/stand-in/", {**away, "last": (today + timedelta(days=2)).isoformat()})
    bo.post(f"{address}approve_and_activate/")
    assert Campaign.objects.get().status == Status.LIVE
    call_command("deliver")
    assert "Bo" in ana.get("/campaigns/approvals/").text
    assert Attempt.objects.filter(outcome="accepted").count() == 2
