"""Nobody approves their own work or changes what is in review: by page, API, many at once, admin, command."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from accounts import roles
from accounts.models import User, Workspace
from campaigns import drafts, lifecycle, shelf, versions
from campaigns.models import ApprovalDecision, Campaign, Status
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace(approval_required=True)
    builders.profiles(made, 1)
    return made


def signed_in(person: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


def submitted(where: Workspace, part: str, own: User) -> Campaign:
    """In review; the person did just this one part of the work."""
    manager = builders.person(where, "manager", "mia")
    by = {name: own if name == part else manager for name in ("created", "edited", "submitted")}
    campaign = builders.draft(where, by["created"])
    given: dict[str, Any] = {"actor": by["edited"], "now": timezone.now()}
    campaign = drafts.save(campaign, revision=campaign.revision, subject="Theirs", **given)
    return lifecycle.apply(campaign, "request_approval", actor=by["submitted"], now=timezone.now())


@pytest.mark.sampled(3)
@pytest.mark.parametrize("part", ["created", "edited", "submitted"])
def test_nobody_approves_their_own_by_any_door(where: Workspace, part: str) -> None:
    own = builders.person(where, "administrator", "ana")
    roles.open_or_close_the_admin_site(own)
    campaign, client = submitted(where, part, own), signed_in(own)
    other, now = builders.person(where, "approver", "bo"), timezone.now()
    campaign = shelf.set_owner(campaign, other, actor=own, now=now)
    tries = {
        "page": client.post(f"/campaigns/{campaign.pk}/act/approve/"),
        "api": Caller(where, "administrator").post(f"/api/campaigns/{campaign.pk}/actions/approve/", {}),
        "admin": client.post(f"/admin/campaigns/campaign/{campaign.pk}/change/", {"status": "approved"}),
    }
    assert {door: answer.status_code for door, answer in tries.items()} == dict.fromkeys(tries, 403)
    told = client.post("/campaigns/many/", {"verb": "approve", "pick": [campaign.pk]}, follow=True)
    assert "Nobody approves a campaign they created" in told.content.decode()
    assert 'act/approve/"' not in client.get(f"/campaigns/{campaign.pk}/review/").content.decode()
    campaign.refresh_from_db()
    assert (campaign.status, ApprovalDecision.objects.count()) == (Status.IN_REVIEW, 0)
    assert lifecycle.apply(campaign, "approve", actor=other, now=now).status == Status.APPROVED


def test_nothing_in_review_is_edited_by_any_door(where: Workspace, tmp_path: Any) -> None:
    admin = builders.person(where, "administrator", "ana")
    roles.open_or_close_the_admin_site(admin)
    campaign, client, call = (
        submitted(where, "created", admin),
        signed_in(admin),
        Caller(where, "administrator"),
    )
    base, door = f"/campaigns/{campaign.pk}", f"/api/campaigns/{campaign.pk}"
    code = call.get(f"{door}/code/").content.decode().replace("Theirs", "Changed")
    before = versions.fingerprint(versions.definition(campaign))
    form = {"revision": campaign.revision, "subject": "Changed", "name": "Changed", "html": "<p>Changed</p>"}
    for tab in ("properties", "audience", "schedule"):
        assert client.post(f"{base}/edit/{tab}/", form).status_code in (302, 400, 409), tab
    for part in ("channels", "content", "content/languages", "content/links"):
        assert client.post(f"{base}/edit/{part}/", form).status_code in (302, 400, 409), part
    assert client.post(f"/admin/campaigns/campaign/{campaign.pk}/change/", form).status_code == 403
    seen = {"HTTP_IF_MATCH": call.get(f"{door}/").headers.get("ETag", "")}
    for method, address, body in (
        ("PATCH", f"{door}/", {"name": "Changed"}),
        ("PATCH", f"{door}/contents/0/content/", {"subject": "Changed"}),
        ("DELETE", f"{door}/contents/0/", None),
        ("DELETE", f"{door}/", None),
    ):
        answer = call(method, address, body)
        assert answer.status_code in (409, 412, 428), (method, address, answer.content, seen)
    file = tmp_path / "campaign.yaml"
    file.write_text(code)
    with pytest.raises(CommandError, match="cannot be edited now"):
        call_command(
            "campaign_import", str(file), workspace=where.slug, campaign=campaign.pk, who=admin.email
        )
    told = client.post("/campaigns/many/", {"verb": "delete", "pick": [campaign.pk]}, follow=True)
    assert "not possible" in told.content.decode()
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert (campaign.status, campaign.name) == (Status.IN_REVIEW, "Winter layers")
    assert versions.fingerprint(versions.definition(campaign)) == before
