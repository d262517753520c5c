"""Which audiences a campaign may go to: published ones that its author sees."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AccessLabel, Workspace
from audiences.models import Audience
from campaigns import lifecycle, validation
from common.errors import Invalid
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def test_the_picker_offers_published_audiences_the_author_sees_and_keeps_what_is_chosen(
    where: Workspace,
) -> None:
    chosen = builders.audience(where, name="Chosen", state="archived")
    campaign = builders.draft(where, builders.person(where, "manager"), audience=chosen)
    builders.audience(where, name="Open")
    builders.audience(where, name="Sketch", state="draft")
    builders.audience(where, name="Old", state="archived")
    builders.audience(where, name="Secret").labels.add(
        AccessLabel.objects.create(workspace=where, name="VIP")
    )
    client = Client()
    client.force_login(campaign.created_by)
    page = client.get(f"/campaigns/{campaign.pk}/edit/audience/").content.decode()
    offered = {name for name in ("Chosen", "Open", "Sketch", "Old", "Secret") if f">{name}</option>" in page}
    assert offered == {"Chosen", "Open"}
    secret = Audience.objects.get(name="Secret")
    form = {"revision": campaign.revision, "audience": secret.pk}
    assert client.post(f"/campaigns/{campaign.pk}/edit/audience/", form).status_code == 400
    campaign.refresh_from_db()
    assert campaign.audience == chosen


@pytest.mark.parametrize("state", ["draft", "archived"])
def test_an_audience_that_is_not_published_blocks_the_sending(where: Workspace, state: str) -> None:
    campaign = builders.draft(where, builders.person(where, "manager"))
    Audience.objects.update(state=state)
    campaign.refresh_from_db()
    codes = [finding.code for finding in validation.validate(campaign, now=builders.NOW) if finding.is_error]
    assert codes == ["audience_not_published"]
    with pytest.raises(Invalid):
        lifecycle.apply(campaign, "activate", actor=builders.person(where, "approver"), now=builders.NOW)
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_a_campaign_does_not_name_an_audience_its_reader_may_not_see(where: Workspace) -> None:
    secret = builders.audience(where, name="Takeover", rule={"field": "name", "op": "is", "value": "Target"})
    builders.profiles(where, 3)
    manager = builders.person(where, "manager")
    campaign = builders.draft(where, manager, audience=secret)
    builders.audience(where, name="Open")
    client = Client()
    client.force_login(manager)
    pages = ["/campaigns/", *(f"/campaigns/{campaign.pk}/{part}/" for part in ("edit/audience", "review"))]
    for address in pages:
        assert "Takeover" in client.get(address).content.decode() or address.endswith("review/")
    secret.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    for address in pages:
        page = client.get(address).content.decode()
        assert "An audience you may not see" in page, address
        assert "Takeover" not in page and "Target" not in page, address
    form = {"revision": campaign.revision, "audience": secret.pk}  # what was chosen stays when saved again
    assert client.post(f"/campaigns/{campaign.pk}/edit/audience/", form).status_code == 302
    campaign.refresh_from_db()
    assert campaign.audience == secret
