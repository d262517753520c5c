"""What no page ever offered, put into the fields that every form has."""

from __future__ import annotations

import pytest

from accounts.middleware import HERE
from accounts.models import AccessLabel, User, Workspace
from campaigns.models import Folder
from tests import builders

pytestmark = pytest.mark.django_db
NEVER = ("\0", "a\0b", "\ud800", "\u202eereh", "x" * 300_000, "👍" * 1_000, "' OR 1=1 --", "../x")


@pytest.fixture
def where() -> Workspace:
    return builders.staffed(0, ana="administrator")


@pytest.mark.parametrize("slug", NEVER, ids=ascii)
def test_a_form_of_a_workspace_that_cannot_be_changes_nothing(where: Workspace, slug: str) -> None:
    client = builders.as_("ana")
    client.raise_request_exception = False
    said = slug.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    made = client.post("/campaigns/folders/", {HERE: said, "name": "Spring"})
    assert made.status_code == 404 and not Folder.objects.exists()
    assert client.post("/accounts/workspace/", {"workspace": said}).status_code == 404
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("channel", NEVER[:2] + NEVER[3:], ids=ascii)
def test_a_message_over_a_channel_that_cannot_be_is_not_added(where: Workspace, channel: str) -> None:
    campaign, client = builders.draft(where, builders.who("ana")), builders.as_("ana")
    client.raise_request_exception = False
    form = {"revision": campaign.revision, "reach": "all", "add": "1", "channel": channel}
    answer = client.post(f"/campaigns/{campaign.pk}/edit/channels/", form)
    assert answer.status_code == 400 and campaign.actions.count() == 1


@pytest.mark.parametrize("picked", ["x", "\0", "-1", "9" * 30, "１", ""], ids=ascii)
def test_an_action_of_the_admin_site_on_no_row_is_not_found(where: Workspace, picked: str) -> None:
    ana, client = builders.who("ana"), builders.as_("ana")
    User.objects.filter(pk=ana.pk).update(is_superuser=True, is_staff=True)
    client.raise_request_exception = False
    before = AccessLabel.objects.create(workspace=where, name="Board")
    for kind in ("accesslabel", "role", "user", "workspace", "apicredential"):
        form = {"action": "delete_selected", "_selected_action": [picked], "post": "yes"}
        assert client.post(f"/admin/accounts/{kind}/", form).status_code == 404, kind
    assert AccessLabel.objects.get() == before
