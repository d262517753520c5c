"""Topics, consent and the suppression list by the REST API."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry, Workspace
from audiences import consent
from audiences.models import Consent, ConsentEntry, Profile, Suppression, Topic
from tests import builders
from tests.api import Caller
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 3)
    return made


@pytest.fixture
def call(where: Workspace) -> Caller:
    return Caller(where)


def said(who: Any, state: str = "no", **more: Any) -> dict[str, Any]:
    key = "profileId" if isinstance(who, int) else "identity"
    value = who if isinstance(who, int) else {"namespace": "email", "value": who}
    return {key: value, "channel": "email", "state": state, "source": "crm", **more}


def test_a_topic_is_made_listed_changed_and_archived(where: Workspace, call: Caller) -> None:
    answer = call.post("/api/topics/", {"key": "news", "name": "News", "isPublic": False})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["isPublic"], made["doubleOptIn"], made["subscribed"]) == (False, True, 0)
    consent.say(
        Profile.objects.first(),
        channel="email",
        topic=Topic.objects.get(),
        state="yes",
        source="x",
        actor=None,
        now=NOW,
    )
    address = f"/api/topics/{made['id']}/"
    assert call.get("/api/topics/").json()["results"] == [{**made, "subscribed": 1}]
    assert call.patch(address, {"name": "Shop news"}).json()["name"] == "Shop news"
    assert call.post(address + "archive/", {}).json()["archivedAt"]
    assert call.post(address + "archive/", {}).status_code == 409
    assert call.post(address + "reopen/", {}).json()["archivedAt"] is None
    refused = call.post("/api/topics/", {"key": "News!", "name": ""})
    assert refused.status_code == 400
    taken = call.post("/api/topics/", {"key": "news", "name": "Other"}).json()
    assert (taken["code"], taken["errors"][0]["pointer"]) == ("key_taken", "/key")
    assert call.patch(address, {"key": "other"}).json()["code"] == "unknown_field"
    assert call.get("/api/topics/999/").status_code == 404


def test_every_statement_of_a_bulk_call_has_its_own_result(where: Workspace, call: Caller) -> None:
    first, second, third = Profile.objects.order_by("pk")
    stranger = builders.profiles(builders.workspace("other"), 1)[0]
    Topic.objects.create(workspace=where, key="news", name="News")
    consent.withdraw(profile_id=third.pk, channel="email", source="link", now=NOW)
    items: list[Any] = [
        said(first.pk, "yes", topic="news", wording="News, please"),
        said("P1@Example.com", "no"),
        said(third.pk, "yes"),
        said(third.pk, "yes", wording="I want news again"),
        said(stranger.pk),
        said("nobody@example.com"),
        said(first.pk, "perhaps", topic="nothing", channel="pigeon", source=""),
        {**said(first.pk), "profileId": "1"},
        {**said(first.pk), "identity": {"namespace": "email", "value": "x"}},
        {**said(first.pk), "when": "now"},
        said(first.pk, wording="a\0"),
        7,
    ]
    answer = call.post("/api/consents/", {"consents": items}).json()
    assert (answer["written"], answer["unchanged"], answer["rejected"]) == (3, 1, 8)
    results = [
        (one["status"], [fault["pointer"].removeprefix("/consents/") for fault in one["errors"]])
        for one in answer["results"]
    ]
    assert results == [
        ("written", []),
        ("written", []),
        ("unchanged", []),  # the next one, which says the same with evidence, is taken for both
        ("written", []),
        ("rejected", ["4/profileId"]),
        ("rejected", ["5/identity"]),
        ("rejected", ["6/topic"]),
        ("rejected", ["7/profileId"]),
        ("rejected", ["8/profileId"]),
        ("rejected", ["9/when"]),
        ("rejected", ["10/wording"]),
        ("rejected", ["11"]),
    ]
    assert Consent.objects.count() == 3 and not stranger.consents.exists()
    assert Consent.objects.get(profile=second).actor
    assert AuditEntry.objects.get(verb="record consent").details == {"written": 3}


def test_a_yes_without_evidence_never_overrides_a_no(where: Workspace, call: Caller) -> None:
    person = Profile.objects.first()
    consent.withdraw(profile_id=person.pk, channel="email", source="link", now=NOW)
    answer = call.post("/api/consents/", {"consents": [said(person.pk, "yes")]}).json()
    assert answer["results"][0]["errors"][0]["code"] == "evidence_missing"
    assert answer["results"][0]["errors"][0]["pointer"] == "/consents/0/wording"
    assert (Consent.objects.get().state, ConsentEntry.objects.count()) == ("no", 1)


def test_what_a_person_said_is_read_with_its_history(where: Workspace, call: Caller) -> None:
    person = Profile.objects.first()
    for state in ("no", "yes", "no"):
        body = {"consents": [said(person.pk, state, wording="News, please")]}
        assert call.post("/api/consents/", body).json()["written"] == 1
    address = f"/api/profiles/{person.pk}/consents/"
    current = call.get(address).json()
    assert [(one["channel"], one["topic"], one["state"]) for one in current] == [("email", None, "no")]
    page = call.get(address + "history/?limit=2").json()
    assert [one["state"] for one in page["results"]] == ["no", "yes"]
    assert [one["state"] for one in call.get(page["next"]).json()["results"]] == ["no"]


@pytest.mark.parametrize("body", [[], {}, {"consents": []}, {"consents": [{}] * 5001}, {"consents": "x"}])
def test_a_bulk_call_that_is_none_is_refused(where: Workspace, body: Any) -> None:
    call = Caller(where, role="administrator")
    assert call.post("/api/consents/", body).status_code == 400
    assert call.post("/api/suppressions/", body).status_code == 400


def test_addresses_are_suppressed_found_and_taken_off(where: Workspace) -> None:
    call = Caller(where, role="administrator")
    given = [
        {"channel": "email", "address": "Ana@Example.com", "reason": "complaint"},
        {"channel": "email", "address": "@spam.example", "reason": "trap"},
        {"channel": "email", "address": "ana@example.com", "reason": "again"},
        {"channel": "email", "address": "nobody", "reason": "x"},
        {"channel": "email", "address": 7, "reason": "x"},
        {"channel": "fax", "address": "1", "reason": "x"},
    ]
    answer = call.post("/api/suppressions/", {"suppressions": given}).json()
    assert [one["status"] for one in answer["results"]] == ["added", "added", "known", *["rejected"] * 3]
    assert [one["errors"][0]["pointer"] for one in answer["results"][3:]] == [
        "/suppressions/3/address",
        "/suppressions/4/address",
        "/suppressions/5/channel",
    ]
    found = call.get("/api/suppressions/?search=ana@").json()["results"]
    assert [(one["address"], one["kind"]) for one in found] == [("ana@example.com", "address")]
    address = f"/api/suppressions/{found[0]['id']}/"
    assert call.get(address).json() == found[0]
    refused = call.delete(address)
    assert (refused.status_code, refused.json()["code"]) == (409, "confirmation_needed")
    assert call.delete(address + "?sure=true").status_code == 204
    assert Suppression.objects.get().address == "@spam.example"
    assert call.get("/api/suppressions/?search=%00").status_code == 200


def test_a_credential_without_the_right_changes_nothing(where: Workspace) -> None:
    viewer, manager = Caller(where, role="viewer"), Caller(where, role="manager")
    person = Profile.objects.first()
    entry = {"channel": "email", "address": "a@example.com", "reason": "x"}
    assert viewer.post("/api/consents/", {"consents": [said(person.pk)]}).status_code == 403
    assert viewer.post("/api/topics/", {"key": "a", "name": "A"}).status_code == 403
    assert viewer.get("/api/suppressions/").status_code == 403
    assert manager.post("/api/suppressions/", {"suppressions": [entry]}).status_code == 403
    assert manager.get("/api/suppressions/").status_code == 200
    stranger = Caller(builders.workspace("other"))
    topic = Topic.objects.create(workspace=where, key="news", name="News")
    for address in (f"/api/topics/{topic.pk}/", f"/api/profiles/{person.pk}/consents/"):
        assert stranger.get(address).status_code == 404
    assert not Consent.objects.exists() and not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/api/profiles/bulk/", {"profiles": [{"identities": [{"namespace": "\ud800", "value": "7"}]}]}),
        ("/api/events/", {"events": [{"name": "a", "identity": {"namespace": "\ud800", "value": "7"}}]}),
        (
            "/api/consents/",
            {"consents": [{"profileId": 1, "channel": "\ud800", "state": "no"}]},
        ),
        ("/api/suppressions/", {"suppressions": [{"channel": "\ud800", "address": "a@x.tw", "reason": "x"}]}),
    ],
)
def test_half_a_surrogate_pair_is_told_in_the_items_own_result(address: str, body: Any) -> None:
    answer = Caller(builders.workspace("odd"), "administrator").post(address, body)
    assert answer.status_code == 200 and answer.json()["rejected"] == 1
