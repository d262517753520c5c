"""Templates of a workspace's own by their pages and by REST: kept, begun with, followed by nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AccessLabel, AuditEntry, Role, Workspace
from campaigns import assets, fragments, templates
from campaigns.models import Campaign, ContentTemplate
from common.errors import IllegalTransition
from tests import builders
from tests.api import Caller, pointers
from tests.builders import as_, who

pytestmark = pytest.mark.django_db
DESIGN = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>Hi {{ profile.name }}"
    ' <a href="{{ unsubscribe_url }}">x</a>'
    "</mj-text></mj-column></mj-section></mj-body></mjml>"
)


@pytest.fixture
def where() -> Workspace:
    return builders.staffed(1, mia="manager", ana="approver", vera="viewer")


def made(where: Workspace, **fields: Any) -> ContentTemplate:
    given = {"name": "Monthly", "channel": "email", "content": {"subject": "Hello", "mjml": DESIGN}, **fields}
    return templates.create(where, **given, actor=who("mia"), now=timezone.now())


def said(campaign: Campaign) -> dict[str, Any]:
    campaign.refresh_from_db()
    return dict(campaign.actions.get().content)


def test_a_content_is_kept_as_a_template_and_another_campaign_begins_with_it(where: Workspace) -> None:
    client = as_("mia")
    first, second = builders.draft(where, who("mia")), builders.draft(where, who("mia"), subject="Mine")
    client.post(f"/campaigns/{first.pk}/edit/content/template/", {"name": "Winter"})
    row = ContentTemplate.objects.get()
    assert row.content["html"] == said(first)["html"] and "links" not in row.content
    page = client.get(f"/campaigns/{second.pk}/edit/content/begin/")
    assert "Winter" in page.text
    begun = client.post(
        f"/campaigns/{second.pk}/edit/content/begin/", {"template": row.pk, "revision": second.revision}
    )
    assert begun.status_code == 302
    assert said(second)["html"] == said(first)["html"] and said(second)["subject"] == "Mine"
    # Neither follows the other.
    form = {"name": "Winter", "subject": "New", "html": "<p>Other</p>", "mjml": "", "revision": row.revision}
    assert client.post(f"/campaigns/templates/{row.pk}/", form).status_code == 302
    assert "Other" not in said(second)["html"]
    # Under the same name it becomes the next version.
    client.post(f"/campaigns/{first.pk}/edit/content/template/", {"name": "Winter"})
    row.refresh_from_db()
    assert row.revision == 3 and row.content["html"] == said(first)["html"]
    assert list(row.versions.values_list("number", flat=True)) == [3, 2, 1]
    client.post(f"/campaigns/templates/{row.pk}/act/restore/", {"version": "2"})
    row.refresh_from_db()
    assert row.content["html"] == "<p>Other</p>" and row.revision == 4
    assert "Other" in client.get(f"/campaigns/templates/{row.pk}/preview/").text
    assert "Shop" in client.get(f"/campaigns/templates/{row.pk}/preview/?version=1").text
    assert client.get(f"/campaigns/templates/{row.pk}/preview/?version=9").status_code == 404
    verbs = AuditEntry.objects.filter(object_type="campaigns.contenttemplate").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == ["create", "save", "save", "restore"]


def test_a_new_campaign_begins_with_one_on_any_channel(where: Workspace) -> None:
    client = as_("mia")
    row = made(where, name="Code", channel="sms", content={"text": "Your code, {{ profile.name }}"})
    assert "Your code" in client.get(f"/campaigns/templates/{row.pk}/preview/").text
    form = {"name": "Codes", "type": "api_triggered", "category": "transactional"}
    answer = client.post(f"/campaigns/templates/{row.pk}/begin/", form)
    campaign = Campaign.objects.get(name="Codes")
    assert answer.headers["Location"] == f"/campaigns/{campaign.pk}/edit/content/"
    action = campaign.actions.get()
    assert (action.channel, action.content["text"]) == ("sms", "Your code, {{ profile.name }}")
    assert campaign.type == "api_triggered" and campaign.created_by == who("mia")
    client.post(f"/campaigns/templates/{row.pk}/begin/", {**form, "name": "", "type": "x"})
    assert Campaign.objects.count() == 1
    other = client.get(f"/campaigns/{campaign.pk}/edit/content/begin/")
    assert other.status_code == 200 and "Code" in other.text
    email = made(where)
    assert email.content["html"].count("Hi {{ profile.name }}") == 1  # made from its design
    wrong = {"template": email.pk, "revision": campaign.revision}
    assert client.post(f"/campaigns/{campaign.pk}/edit/content/begin/", wrong).status_code == 404


def test_what_a_template_names_stays_and_is_found(where: Workspace, settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    by: dict[str, Any] = {"actor": who("mia"), "now": timezone.now()}
    asset = assets.upload(where, name="t.pdf", octets=b"%PDF-", **by)
    piece = fragments.create(where, key="foot", name="Foot", kind="text", source="x", **by)
    content = {"subject": '{{ fragment("foot") }}', "html": f'<img src="{assets.address(asset)}">'}
    row = made(where, content=content)
    assert fragments.uses(piece, who("mia")).templates == [row]
    with pytest.raises(IllegalTransition, match="Monthly"):
        assets.delete(asset, **by)
    as_("mia").post(f"/campaigns/templates/{row.pk}/act/delete/")
    assert not ContentTemplate.objects.exists() and fragments.uses(piece, who("mia")).count == 0
    assets.delete(asset, **by)


def test_labels_rights_and_workspaces_keep_templates_apart(where: Workspace) -> None:
    row = made(where)
    viewer = as_("vera")
    assert "Monthly" in viewer.get("/campaigns/templates/").text
    assert viewer.get(f"/campaigns/templates/{row.pk}/").status_code == 200
    for tail, form in (("", {"name": "X", "revision": 1}), ("act/delete/", {}), ("begin/", {"name": "x"})):
        assert viewer.post(f"/campaigns/templates/{row.pk}/{tail}", form).status_code == 403
    campaign = builders.draft(where, who("mia"))
    assert viewer.post(f"/campaigns/{campaign.pk}/edit/content/template/", {"name": "V"}).status_code == 403
    elsewhere = builders.workspace("other")
    builders.person(elsewhere, "administrator", "zoe")
    assert as_("zoe").get(f"/campaigns/templates/{row.pk}/").status_code == 404
    foreign = builders.draft(elsewhere, who("zoe"))
    body = {"template": row.pk, "revision": foreign.revision}
    assert as_("zoe").post(f"/campaigns/{foreign.pk}/edit/content/begin/", body).status_code == 404
    label = AccessLabel.objects.create(workspace=where, name="Board")
    label.roles.add(Role.objects.get(workspace=where, builtin="approver"))
    as_("ana").post(f"/campaigns/templates/{row.pk}/act/place/", {"label": label.pk})
    mia = as_("mia")
    assert mia.get(f"/campaigns/templates/{row.pk}/preview/").status_code == 404
    assert "Monthly" not in mia.get("/campaigns/templates/").text
    assert "Monthly" not in mia.get(f"/campaigns/{campaign.pk}/edit/content/begin/").text
    body = {"template": row.pk, "revision": campaign.revision}
    assert mia.post(f"/campaigns/{campaign.pk}/edit/content/begin/", body).status_code == 404
    row.refresh_from_db()
    assert (row.name, row.revision) == ("Monthly", 1)


def test_the_second_editor_is_told_and_a_taken_name_too(where: Workspace) -> None:
    row, other = made(where), made(where, name="Weekly")
    client = as_("mia")
    form = {"name": "Monthly", "subject": "A", "html": "<p>a</p>", "mjml": "", "revision": 1}
    client.post(f"/campaigns/templates/{row.pk}/", form)
    page = client.post(f"/campaigns/templates/{row.pk}/", {**form, "subject": "Mine"})
    assert page.status_code == 409 and "Mine" in page.text
    taken = client.post(f"/campaigns/templates/{other.pk}/", {**form, "name": "Monthly"})
    assert taken.status_code in (400, 409) and "called “Monthly” already" in taken.text
    other.refresh_from_db()
    assert (other.name, other.revision) == ("Weekly", 1)


def test_templates_by_rest(where: Workspace) -> None:
    api = Caller(where, "manager")
    given = {"name": "Monthly", "channel": "email", "content": {"subject": "Hi", "mjml": DESIGN}}
    first = api.post("/api/content-templates/", given)
    assert first.status_code == 201 and first.json()["version"] == 1
    here = f"/api/content-templates/{first.json()['id']}/"
    assert pointers(api.post("/api/content-templates/", given)) == [("name_taken", "/name")]
    bad = {**given, "name": "B", "content": {"nonsense": 1}}
    assert pointers(api.post("/api/content-templates/", bad)) == [("unknown_field", "/content/nonsense")]
    lost = {**given, "name": "C", "content": {"html": '{{ fragment("no") }}'}}
    assert pointers(api.post("/api/content-templates/", lost)) == [("fragment_unknown", "/content/html")]
    assert api("PATCH", here, {"name": "X"}, headers=api.headers).status_code == 428
    match = {**api.headers, "If-Match": first.headers["ETag"]}
    changed = api("PATCH", here, {"content": {"subject": "Hello"}}, headers=match)
    assert changed.json()["content"]["subject"] == "Hello" and "mjml" in changed.json()["content"]
    assert api("PATCH", here, {"name": "Late"}, headers=match).status_code == 412
    versions = api.get(here + "versions/").json()["results"]
    assert [one["content"]["subject"] for one in versions] == ["Hello", "Hi"]
    assert len(api.get("/api/content-templates/?channel=email").json()["results"]) == 1
    assert api.get("/api/content-templates/?channel=sms").json()["results"] == []
    assert Caller(where, "viewer").delete(here).status_code == 403
    assert api.delete(here).status_code == 204 and api.get(here).status_code == 404
