"""Folders, tags and labels of fragments, templates and files: one form, one verb, one shape by REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccessLabel, AuditEntry, Role, User, Workspace
from campaigns import assets, fragments, templates
from campaigns.keeping import Kept
from campaigns.models import Asset, Campaign
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db
PLACES = {
    "fragment": ("/campaigns/fragments/", "{}act/place/", "/api/fragments/"),
    "template": ("/campaigns/templates/", "{}act/place/", "/api/content-templates/"),
    "asset": ("/campaigns/assets/", "{}", "/api/assets/"),
}


@pytest.fixture
def where(settings: Any, tmp_path: Path) -> Workspace:
    settings.MEDIA_ROOT = tmp_path
    made = builders.workspace()
    for role, name in (("manager", "mia"), ("approver", "ana"), ("viewer", "vera")):
        builders.person(made, role, name)
    return made


def as_(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(name=name.title()))
    return client


def made(kind: str, where: Workspace) -> Kept:
    by: dict[str, Any] = {"actor": User.objects.get(name="Mia"), "now": timezone.now()}
    if kind == "fragment":
        return fragments.create(where, key="zqkey", name="Zqthing", kind="text", source="x", **by)
    if kind == "template":
        return templates.create(where, name="Zqthing", channel="sms", content={"text": "x"}, **by)
    return assets.upload(where, name="Zqthing.txt", octets=b"hello", **by)


def board(where: Workspace) -> AccessLabel:
    label = AccessLabel.objects.create(workspace=where, name="Board")
    label.roles.add(Role.objects.get(workspace=where, builtin="approver"))
    return label


@pytest.mark.parametrize("kind", PLACES)
def test_it_is_put_into_a_folder_tagged_and_found_there(kind: str, where: Workspace) -> None:
    row, (pages, form, _api) = made(kind, where), PLACES[kind]
    here, mia = f"{pages}{row.pk}/", as_("mia")
    before = getattr(row, "revision", None)
    body = {"folder": " 春節 🧧 ", "tags": "#winter, Winter, gift"}
    assert mia.post(form.format(here), body).status_code == 302
    row.refresh_from_db()
    assert (row.folder, row.tags) == ("春節 🧧", ["winter", "gift"])
    assert getattr(row, "revision", None) == before  # no draft and no version was opened
    entry = AuditEntry.objects.filter(verb="move").get()
    assert entry.details["after"] == {"folder": "春節 🧧", "tags": ["winter", "gift"]}
    for query, is_there in (("folder=春節 🧧", 1), ("folder=x", 0), ("tag=gift", 1), ("tag=gif", 0)):
        assert ("Zqthing" in mia.get(f"{pages}?{query}").text) == is_there, query
    mia.post(form.format(here), body)
    assert AuditEntry.objects.filter(verb="move").count() == 1
    assert as_("vera").post(form.format(here), {"folder": "x"}).status_code == 403
    for wrong in ({"folder": "x" * 101}, {"tags": "x" * 51}, {"folder": "a\x07"}, {"label": 999}):
        mia.post(form.format(here), {**body, **wrong})
        row.refresh_from_db()
        assert (row.folder, row.tags) == ("春節 🧧", ["winter", "gift"]), wrong


@pytest.mark.parametrize("kind", PLACES)
def test_behind_a_label_it_and_its_folder_are_shown_to_nobody_else(kind: str, where: Workspace) -> None:
    row, (pages, form, rest), label = made(kind, where), PLACES[kind], board(where)
    here = f"{pages}{row.pk}/"
    body = {"folder": "Zqfolder", "tags": "zqtag", "label": label.pk}
    as_("mia").post(form.format(here), body)  # a label she does not hold
    assert not row.labels.exists()
    assert as_("ana").post(form.format(here), body).status_code == 302
    assert list(row.labels.all()) == [label]
    mia, api = as_("mia"), Caller(where, "manager")
    for address in (pages, f"{pages}?search=Zqthing", "/campaigns/assets/pick/"):
        text = mia.get(address).text
        assert not any(word in text for word in ("Zqthing</", "Zqfolder", "zqtag")), address
    assert mia.get(here).status_code == api.get(f"{rest}{row.pk}/").status_code == 404
    assert api.get(rest).json()["results"] == []
    assert "Zqfolder" in as_("ana").get(pages).text


def test_a_file_behind_a_label_is_attached_by_nobody_else_and_not_named_to_them(where: Workspace) -> None:
    row, label = made("asset", where), board(where)
    campaign = builders.draft(where, User.objects.get(name="Mia"))
    edit = f"/campaigns/{campaign.pk}/edit/content/"
    as_("ana").post(f"/campaigns/assets/{row.pk}/", {"label": label.pk})
    assert isinstance(row, Asset)

    def attach(client: Client) -> list[Any]:
        campaign.refresh_from_db()
        client.post(f"{edit}files/", {"add": row.token, "revision": campaign.revision})
        action = Campaign.objects.get(pk=campaign.pk).actions.get()
        return list(action.content.get("extra", {}).get("attachments", []))

    assert "Zqthing" not in as_("mia").get(edit).text
    assert attach(as_("mia")) == []
    assert attach(as_("ana")) == [{"asset": row.token}]
    text = as_("mia").get(edit).text
    assert "Zqthing" not in text and "A file you may not see" in text


@pytest.mark.parametrize("kind", PLACES)
def test_folder_and_tags_are_read_and_changed_by_rest(kind: str, where: Workspace) -> None:
    row, rest, api = made(kind, where), PLACES[kind][2], Caller(where, "manager")

    def change(body: dict[str, Any]) -> Any:
        return api("PATCH", f"{rest}{row.pk}/", body, headers={**api.headers, "If-Match": "*"})

    found = change({"folder": "Brand", "tags": ["#a", "A", "b"]}).json()
    assert (found["folder"], found["tags"], found["labels"]) == ("Brand", ["a", "b"], [])
    assert change({"tags": []}).json()["folder"] == "Brand"
    assert change({"folder": "a\x07", "tags": ["c"]}).status_code == 400
    assert api.get(f"{rest}{row.pk}/").json()["tags"] == []
