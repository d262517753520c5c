"""The management API of campaigns: everything the pages can do to a campaign, by the same verbs."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AccessLabel, AuditEntry, Workspace
from campaigns import lifecycle
from campaigns.models import Campaign, Folder
from tests import builders
from tests.api import Caller, pointers

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def campaign(where: Workspace) -> Campaign:
    builders.profiles(where, 3)
    return builders.draft(where, builders.person(where, "manager"))


def change(call: Caller, address: str, body: Any, method: str = "PATCH") -> Any:
    """With the ETag that the campaign has now."""
    whole = "/".join(address.split("/")[:4]) + "/"
    etag = call.get(whole).headers["ETag"]
    return call(method, address, body, headers={**call.headers, "If-Match": etag})


def test_a_campaign_is_made_filled_and_activated(where: Workspace) -> None:
    builders.profiles(where, 2)
    audience, channel = builders.audience(where), builders.configuration(where)
    call = Caller(where, "approver")
    new = {"name": "By call", "type": "scheduled", "category": "marketing", "tags": ["#Spring", "spring"]}
    made = call.post("/api/campaigns/", {**new, "audience": audience.pk, "rate": 5})
    assert made.status_code == 201, made.content
    body = made.json()
    assert body["tags"] == ["Spring"] and body["status"] == "draft" and body["audience"] == audience.pk
    address = f"/api/campaigns/{body['id']}/"
    codes = {one["code"] for one in call.get(f"{address}findings/").json()["findings"]}
    assert "subject_missing" in codes
    assert change(call, f"{address}contents/0/", {"configuration": channel.pk}).status_code == 200
    same = change(call, f"{address}contents/0/", {}).json()["results"]
    assert [one["configuration"] for one in same] == [channel.pk]
    written = change(
        call, f"{address}contents/0/content/", {"subject": "Hi {{ profile.name }}", "html": builders.HTML}
    )
    assert written.status_code == 200, written.content
    states = {one["verb"]: one for one in call.get(address).json()["actions"]}
    assert states["activate"]["allowed"], states
    moved = call.post(f"{address}actions/activate/", {})
    assert moved.status_code == 200 and moved.json()["status"] == "live", moved.content
    row = Campaign.objects.get(pk=body["id"])
    assert row.runs.count() == 1 and row.rate == 5
    entry = AuditEntry.objects.get(object_key=str(row.pk), verb="activate", object_type="campaigns.campaign")
    assert entry.actor == "approver"
    assert call.post(f"{address}actions/activate/", {}).status_code == 409


def test_a_change_names_the_state_it_was_made_for(where: Workspace, campaign: Campaign) -> None:
    call, address = Caller(where), f"/api/campaigns/{campaign.pk}/"
    etag = call.get(address).headers["ETag"]
    assert call("PATCH", address, {"name": "New"}, headers=call.headers).status_code == 428
    given = {"headers": {**call.headers, "If-Match": etag}}
    assert call("PATCH", address, {"name": "New"}, **given).status_code == 200
    late = call("PATCH", address, {"name": "Newer"}, **given)
    assert late.status_code == 412 and late.json()["etag"] == call.get(address).headers["ETag"]
    campaign.refresh_from_db()
    assert campaign.name == "New"
    any_state = {"headers": {**call.headers, "If-Match": "*"}}
    assert call("PATCH", address, {"name": "Newest"}, **any_state).status_code == 200


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "body, expected",
    [
        ({"status": "live"}, ("unknown_field", "/status")),
        ({"x": 1}, ("unknown_field", "/x")),
        ({"name": ""}, ("blank", "/name")),
        ({"audience": 987654321}, ("unknown", "/audience")),
        ({"exclusions": [987654321]}, ("unknown", "/exclusions/0")),
        ({"ruleSet": 987654321}, ("unknown", "/ruleSet")),
        ({"folder": 987654321}, ("unknown", "/folder")),
        ({"owner": "nobody@example.com"}, ("unknown", "/owner")),
        ({"labels": ["Board"]}, ("label_not_held", "/labels/0")),
        ({"schedule": {"zone": "Mars"}}, ("bad_zone", "/schedule/zone")),
        ({"schedule": {"nope": 1}}, ("unknown", "/schedule/nope")),
        ({"waves": {"sizes": ["x"]}}, ("bad_sizes", "/waves/sizes")),
        ({"startsAt": "0001-01-01T00:00:00Z"}, ("bad_year", "/startsAt")),
        ({"languages": {"default": "xx"}}, ("bad_value", "/languages/default")),
        ({"languages": {"nope": 1}}, ("unknown_field", "/languages/nope")),
        ({"experiment": {"treatments": 5}}, ("bad_value", "/experiment/treatments")),
        ({"experiment": {"treatments": [{"key": "AB"}]}}, ("bad_value", "/experiment/treatments")),
        ({"experiment": {"winner": {"nope": 1}}}, ("bad_value", "/experiment/winner")),
        ({"experiment": {"holdout": 99}}, ("bad_value", "/experiment/holdout")),
        ({"highThroughput": True}, ("wrong_type", "/highThroughput")),
        ({"description": "a\x00b"}, ("null_characters_not_allowed", "/description")),
    ],
)
def test_a_wrong_body_is_refused_with_its_place(
    where: Workspace, campaign: Campaign, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    AccessLabel.objects.create(workspace=where, name="Board")
    before = Campaign.objects.values().get(pk=campaign.pk)
    answer = change(Caller(where), f"/api/campaigns/{campaign.pk}/", body)
    assert answer.status_code == 400, answer.content
    assert expected in pointers(answer)
    assert Campaign.objects.values().get(pk=campaign.pk) == before


def test_what_belongs_elsewhere_is_as_unknown_as_what_there_is_not(
    where: Workspace, campaign: Campaign
) -> None:
    there, call, address = (
        builders.workspace("there"),
        Caller(where, "manager"),
        f"/api/campaigns/{campaign.pk}/",
    )
    theirs = {"audience": builders.audience(there).pk, "configuration": builders.configuration(there).pk}
    before = Campaign.objects.values().get(pk=campaign.pk)
    for name, number in theirs.items():
        place = address if name == "audience" else f"{address}contents/0/"
        foreign, none = (change(call, place, {name: pk}) for pk in (number, 987654321))
        assert (foreign.status_code, none.status_code) == (400, 400), name
        assert foreign.json()["errors"] == none.json()["errors"], name
    assert Campaign.objects.values().get(pk=campaign.pk) == before


def test_the_list_is_filtered_ordered_paged_and_sparse(where: Workspace, campaign: Campaign) -> None:
    author = campaign.created_by
    assert author is not None
    for name in ("Alpha", "Beta"):
        builders.draft(where, author, name=name, tags=["spring"])
    call = Caller(where)
    found = call.get("/api/campaigns/?tag=spring&ordering=name&fields=name&limit=1").json()
    assert found["results"] == [{"id": found["results"][0]["id"], "name": "Alpha"}]
    following = call.get(found["next"]).json()
    assert [one["name"] for one in following["results"]] == ["Beta"] and following["next"] is None
    assert len(call.get("/api/campaigns/?status=draft&channel=email").json()["results"]) == 3
    assert call.get("/api/campaigns/?status=live").json()["results"] == []
    for wrong in ("status=x", "ordering=x", "fields=x", "folder=x", "changedSince=x"):
        assert call.get(f"/api/campaigns/?{wrong}").status_code == 400, wrong
    early = call.get("/api/campaigns/?changedSince=1899-12-31T23:59:59Z")
    assert (early.status_code, early.json()["code"]) == (400, "moment_out_of_range")
    assert len(call.get("/api/campaigns/?changedSince=1900-01-01T00:00:00Z").json()["results"]) > 0


def test_a_list_costs_the_same_for_many(
    where: Workspace, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    author = campaign.created_by
    assert author is not None
    for at in range(8):
        builders.draft(where, author, name=f"Campaign {at}")
    call = Caller(where)
    with django_assert_max_num_queries(16):
        assert len(call.get("/api/campaigns/").json()["results"]) == 9


def test_a_viewer_may_read_and_nothing_else(where: Workspace, campaign: Campaign) -> None:
    call, address = Caller(where, "viewer"), f"/api/campaigns/{campaign.pk}/"
    body = call.get(address).json()
    assert not any(one["allowed"] for one in body["actions"])
    assert change(call, address, {"name": "x"}).status_code == 403
    assert call.delete(address).status_code == 403
    assert call.post(f"{address}actions/archive/", {}).status_code in (403, 409)
    assert call.post(f"{address}actions/activate/", {}).json()["permission"] == "campaigns.publish_campaign"
    campaign.refresh_from_db()
    assert campaign.status == "draft"


def test_no_credential_is_a_second_pair_of_eyes(where: Workspace, campaign: Campaign) -> None:
    Workspace.objects.filter(pk=where.pk).update(approval_required=True)
    builders.person(where, "approver")
    call, address = Caller(where, "approver"), f"/api/campaigns/{campaign.pk}/"
    asked = call.post(f"{address}actions/request_approval/", {"comment": "Please"})
    assert asked.json()["status"] == "in_review", asked.content
    assert call.post(f"{address}actions/approve/", {}).status_code == 403
    back = call.post(f"{address}actions/request_changes/", {"comment": "No"})
    assert back.status_code == 200 and back.json()["status"] == "draft"
    assert call.post(f"{address}actions/request_changes/", {}).status_code == 409
    assert call.post(f"{address}actions/nonsense/", {}).status_code == 404


def test_messages_are_added_written_in_another_language_and_removed(
    where: Workspace, campaign: Campaign
) -> None:
    call, address = Caller(where), f"/api/campaigns/{campaign.pk}/"
    offered = change(call, address, {"languages": {"default": "en", "others": ["zh-Hant"]}})
    assert offered.json()["languages"]["others"] == ["zh-Hant"], offered.content
    here = f"{address}contents/0/content/?language=zh-Hant"
    assert change(call, here, {"subject": "您好", "text": "內容"}).status_code == 200
    assert call.get(here).json()["content"]["subject"] == "您好"
    assert call.get(f"{address}contents/0/content/?language=ja").status_code == 404
    assert change(call, f"{address}contents/", {"channel": "sms"}, "POST").status_code == 201
    wrong = change(call, f"{address}contents/1/content/", {"subject": "x", "text": 5})
    assert pointers(wrong) == [("unknown_field", "/subject"), ("not_a_text", "/text")]
    channel = builders.configuration(where, name="Mail too")
    other = change(call, f"{address}contents/1/", {"configuration": channel.pk})
    assert pointers(other) == [("wrong_channel", "/configuration")]
    stale = call("POST", f"{address}contents/1/move_up/", headers={**call.headers, "If-Match": '"older"'})
    assert stale.status_code == 412 and call("POST", f"{address}contents/1/move_up/").status_code == 428
    moved = change(call, f"{address}contents/1/move_up/", None, "POST")
    assert [one["channel"] for one in moved.json()["results"]] == ["sms", "email"]
    assert change(call, f"{address}contents/1/move_up/", None, "POST").status_code == 200
    assert change(call, f"{address}contents/0/move_up/", None, "POST").status_code == 200
    assert [one["channel"] for one in call.get(f"{address}contents/").json()["results"]] == ["email", "sms"]
    assert change(call, f"{address}contents/7/move_up/", None, "POST").status_code == 404
    assert change(call, f"{address}contents/1/", None, "DELETE").status_code == 204
    assert change(call, f"{address}contents/0/", None, "DELETE").status_code == 400


def test_versions_runs_and_messages_are_told(where: Workspace) -> None:
    builders.profiles(where, 3)
    row = builders.live(where, now=timezone.now())
    call, address = Caller(where), f"/api/campaigns/{row.pk}/"
    assert call.get(f"{address}versions/").json()["results"][0]["isLive"] is True
    compared = call.get(f"{address}versions/compare/?old=1").json()["differences"]
    assert compared and not any(one["changed"] for one in compared)
    assert call.get(f"{address}versions/compare/").status_code == 400
    assert call.get(f"{address}versions/compare/?old=9").status_code == 404
    run = call.get(f"{address}runs/").json()["results"][0]
    told = call.get(f"/api/runs/{run['id']}/").json()
    assert told["state"] == "due" and told["waitingFor"] and told["counts"]["accepted"] == 0
    assert call.get(f"/api/runs/{run['id']}/messages/?outcome=accepted").json()["results"] == []
    assert call.get(f"/api/runs/{run['id']}/messages/?outcome=x").status_code == 400
    assert call.get(f"{address}forecast/").json()["reached"] == 3
    assert len(call.get(f"{address}upcoming/").json()["sends"]) <= 1
    paused = call.post(f"{address}actions/pause/", {})
    assert paused.status_code == 403  # a manager does not publish
    assert Caller(where, "approver").post(f"{address}actions/pause/", {}).json()["status"] == "paused"


def test_folders_and_tags(where: Workspace, campaign: Campaign) -> None:
    call = Caller(where)
    made = call.post("/api/folders/", {"name": "Spring"}).json()
    assert call.post("/api/folders/", {"name": "Spring"}).status_code == 400
    inner = call.post("/api/folders/", {"name": "Mails", "parent": made["id"]}).json()
    assert change(call, f"/api/campaigns/{campaign.pk}/", {"folder": inner["id"], "tags": ["b", "a"]}).json()[
        "tags"
    ] == ["b", "a"]
    assert call.get("/api/tags/").json()["results"] == ["a", "b"]
    assert len(call.get(f"/api/campaigns/?folder={made['id']}").json()["results"]) == 1
    assert call.put(f"/api/folders/{made['id']}/", {"name": "S", "parent": inner["id"]}).status_code == 400
    assert call.delete(f"/api/folders/{inner['id']}/").status_code == 409
    assert Folder.objects.count() == 2


def test_what_a_label_hides_is_not_even_named(where: Workspace, campaign: Campaign) -> None:
    label = AccessLabel.objects.create(workspace=where, name="Board")
    assert campaign.audience is not None
    campaign.audience.labels.add(label)
    call, address = Caller(where), f"/api/campaigns/{campaign.pk}/"
    body = call.get(address).json()
    assert body["audience"] is None and body["hidesAudience"]
    campaign.labels.add(label)
    assert call.get(address).status_code == 404
    assert call.get("/api/campaigns/").json()["results"] == []


def test_a_copy_and_the_end_of_a_draft(where: Workspace, campaign: Campaign) -> None:
    call, address = Caller(where), f"/api/campaigns/{campaign.pk}/"
    copy = call.post(f"{address}actions/duplicate/", {})
    assert copy.status_code == 201 and copy.json()["id"] != campaign.pk
    assert call.delete(address).status_code == 204
    assert call.get(address).status_code == 404
    lifecycle_verbs = {one["verb"] for one in copy.json()["actions"]}
    assert lifecycle_verbs <= set(lifecycle.PRESSABLE)


@pytest.mark.parametrize("limit", ["", "0", "-1", "1001", "9" * 30, "false", "null", "1.5", "１"])
def test_a_page_of_a_size_that_cannot_be_given_is_refused(where: Workspace, limit: str) -> None:
    answer = Caller(where).get(f"/api/campaigns/?limit={limit}")
    assert (answer.status_code, pointers(answer)) == (400, [("bad_limit", "/limit")])
