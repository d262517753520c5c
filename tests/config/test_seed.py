"""The demo's data is made once, whole."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.access import may, workspaces_of
from accounts.models import AuditEntry, User, Workspace
from audiences.models import Profile
from campaigns.models import Campaign
from campaigns.prerequisites import first_steps
from campaigns.validation import validate


@pytest.mark.django_db
def test_seeding_twice_makes_one_workspace_with_four_people_and_an_empty_one() -> None:
    call_command("seed_demo")
    call_command("seed_demo")
    workspace, empty = Workspace.objects.get(slug="fernhill"), Workspace.objects.get(slug="start")
    assert Workspace.objects.count() == 2
    assert (User.objects.count(), Profile.objects.count(), Campaign.objects.count()) == (4, 200, 2)
    made = AuditEntry.objects.filter(workspace=workspace, object_type="accounts.workspace", verb="create")
    assert made.count() == 1
    assert may(User.objects.get(email="yijun@fernhill.example"), "campaigns.approve_campaign", workspace)
    for campaign in Campaign.objects.all():
        assert not [one for one in validate(campaign, now=timezone.now()) if one.is_error]
    assert not may(User.objects.get(email="marcus@fernhill.example"), "campaigns.manage_campaign", workspace)
    marcus = User.objects.get(email="marcus@fernhill.example")
    assert may(marcus, "campaigns.view_campaign", empty)
    assert not any(step.is_done for step in first_steps(empty))
    assert workspaces_of(marcus).first() == workspace
