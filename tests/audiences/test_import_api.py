"""Imports over REST: by a credential, strict, and never more than was said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import Role, Workspace
from audiences.imports import work
from audiences.models import Import, Profile
from tests import builders
from tests.audiences.imported import NOW, uploaded

pytestmark = pytest.mark.django_db


def caller(where: Workspace, role: str = "manager") -> Client:
    held = Role.objects.get(workspace=where, builtin=role)
    _credential, secret = credentials.issue(workspace=where, role=held, name=role, actor=SYSTEM, now=NOW)
    return Client(headers={"authorization": f"Bearer {secret}"})


def send(client: Client, raw: bytes, **fields: Any) -> Any:
    return client.post("/api/imports/", {"file": SimpleUploadedFile("p.csv", raw), **fields})


def test_a_file_is_sent_checked_started_and_read() -> None:
    where = builders.workspace()
    client = caller(where)
    columns = [
        {"name": "mail", "to": "email"},
        {"name": "n", "to": "attribute", "key": "n", "type": "number"},
    ]
    answer = send(
        client, b"mail,n\na@x.tw,1\nbad,2\n", mapping=json.dumps({"columns": columns}), newAudience="A"
    )
    assert answer.status_code == 201, answer.content
    address = f"/api/imports/{answer.json()['id']}/"
    assert answer.json()["state"] == "staging"
    work.advance(answer.json()["id"])
    told = client.get(address).json()
    assert (told["state"], told["forecast"]) == ("ready", {"new": 1, "changed": 0, "unchanged": 0})
    assert told["actions"] == ["start", "remap", "cancel"] and not Profile.objects.exists()
    assert client.post(f"{address}start/").json()["state"] == "merging"
    assert client.post(f"{address}pause/").json()["state"] == "paused"
    assert client.post(f"{address}resume/").json()["state"] == "merging"
    work.advance(told["id"])
    told = client.get(address).json()
    assert (told["state"], told["counts"]["new"], told["counts"]["rejected"]) == ("completed", 1, 1)
    assert told["audienceId"] and Profile.objects.get().attributes == {"n": 1}
    rejected = b"".join(client.get(f"{address}rejected.csv").streaming_content).decode()
    assert "3,mail,bad," in rejected
    assert [one["id"] for one in client.get("/api/imports/").json()["results"]] == [told["id"]]
    again = client.post(f"{address}cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")


def test_the_columns_are_matched_anew_after_a_look_at_what_would_come_of_them() -> None:
    """As the page lets one: sent and looked at, checked, taken back, checked with another mapping."""
    where = builders.workspace()
    client = caller(where)
    told = send(client, b"mail;n\na@x.tw;1\n", check="false").json()
    address = f"/api/imports/{told['id']}/"
    assert (told["state"], told["actions"]) == ("uploaded", ["check", "cancel"])
    wrong = {"mapping": {"columns": [{"name": "mail", "to": "email"}, {"name": "n", "to": "ignore"}]}}
    checked = client.post(f"{address}check/", wrong, content_type="application/json")
    assert (checked.status_code, checked.json()["state"]) == (200, "staging"), checked.content
    work.advance(told["id"])
    assert client.get(address).json()["forecast"] == {"new": 1, "changed": 0, "unchanged": 0}
    again = client.post(f"{address}remap/")
    assert (again.json()["state"], again.json()["forecast"]) == ("uploaded", None)
    keep = {"name": "n", "to": "attribute", "key": "n", "type": "number"}
    right = {"mapping": {"columns": [{"name": "mail", "to": "email"}, keep]}, "newAudience": "Anew"}
    assert client.post(f"{address}check/", right, content_type="application/json").status_code == 200
    work.advance(told["id"])
    assert client.post(f"{address}start/").status_code == 200
    work.advance(told["id"])
    assert Profile.objects.get().attributes == {"n": 1}
    late = client.post(f"{address}remap/")
    assert (late.status_code, late.json()["code"]) == (409, "illegal_transition")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"mapping": []}, "not_a_dict", "/mapping"),
        ({"mapping": {}}, "", "/mapping/columns"),
        (
            {"mapping": {"columns": [{"name": "more", "to": "email"}]}},
            "unknown_column",
            "/mapping/columns/0/name",
        ),
        ({"encoding": "rot13"}, "invalid_choice", "/encoding"),
        ({"audienceId": 7}, "unknown_audience", "/audienceId"),
        ({"file": "x"}, "unknown_field", "/file"),
    ],
)
def test_a_wrong_mapping_is_told_with_its_place_and_the_import_stays(
    body: dict[str, Any], code: str, pointer: str
) -> None:
    where = builders.workspace()
    job = uploaded(b"email\na@x.tw\n", where)
    answer = caller(where).post(f"/api/imports/{job.pk}/check/", body, content_type="application/json")
    assert answer.status_code == 400
    found = {(one["code"], one["pointer"]) for one in answer.json()["errors"]}
    assert any(one == (code or one[0], pointer) for one in found), found
    job.refresh_from_db()
    assert job.state == "uploaded"


@pytest.mark.parametrize(
    ("raw", "fields", "code", "pointer"),
    [
        (b"", {}, "csv_empty", "/file"),
        (b"name\nAna\n", {}, "csv_no_email_column", "/mapping/match"),
        (b"email\na@x.tw\n", {"mapping": "["}, "bad_json", "/mapping"),
        (b"email\na@x.tw\n", {"mapping": "{}"}, "", "/mapping/columns"),
        (b"email\na@x.tw\n", {"audienceId": 7}, "unknown_audience", "/audienceId"),
        (b"email\na@x.tw\n", {"audienceId": "x"}, "invalid", "/audienceId"),
        (b"email\na@x.tw\n", {"state": "completed"}, "unknown_field", "/state"),
        (b"email\na@x.tw\n", {"encoding": "rot13"}, "invalid_choice", "/encoding"),
    ],
)
def test_a_wrong_call_is_told_with_its_place_and_leaves_nothing(
    raw: bytes, fields: dict[str, Any], code: str, pointer: str
) -> None:
    answer = send(caller(builders.workspace()), raw, **fields)
    assert answer.status_code == 400
    found = {(one["code"], one["pointer"]) for one in answer.json()["errors"]}
    assert any(one == (code or one[0], pointer) for one in found), found
    assert not Import.objects.exists()


def test_who_may_not_manage_people_imports_nothing_and_sees_nothing() -> None:
    where = builders.workspace()
    job = uploaded(b"email\na@x.tw\n", where)
    assert send(caller(where, "viewer"), b"email\na@x.tw\n").status_code == 403
    stranger = caller(builders.workspace("other"))
    for verb in ("check/", "remap/"):
        assert caller(where, "viewer").post(f"/api/imports/{job.pk}/{verb}").status_code == 404
    for verb in ("", "check/", "remap/", "start/", "cancel/", "rejected.csv"):
        ask = stranger.get if verb in ("", "rejected.csv") else stranger.post
        assert ask(f"/api/imports/{job.pk}/{verb}").status_code == 404
    assert Import.objects.get().state == "uploaded"
    assert caller(where).post("/api/imports/", "{}", content_type="application/json").status_code == 415
