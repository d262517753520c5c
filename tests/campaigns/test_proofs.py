"""Proofs: the draft as it stands to our own addresses, over the one delivery, beside every report and cap."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import AuditEntry, User, Workspace
from audiences import erasure, suppression
from audiences.models import Profile
from campaigns import lifecycle
from campaigns.delivery import proofs
from campaigns.models import Campaign, Event, MessageContext, Run, Version
from common.errors import Invalid, PermissionMissing, TooMany
from tests import builders
from tests.api import Caller, pointers
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def author(where: Workspace) -> User:
    return builders.person(where, "manager")


@pytest.fixture
def tester(where: Workspace) -> Profile:
    attributes = {"name": "Tester 測試"}
    return Profile.objects.create(workspace=where, email="t@example.com", is_test=True, attributes=attributes)


def proof(campaign: Campaign, author: User, *addresses: str, **asked: Any) -> Run:
    return proofs.send(
        campaign, **{"action": 0, "addresses": addresses, "actor": author, "now": timezone.now(), **asked}
    )


def test_a_proof_of_a_draft_leaves_as_the_test_profile_and_nothing_counts_it(
    where: Workspace, author: User, tester: Profile, client: Client
) -> None:
    builders.profiles(where, 3)
    with FakeSmtp() as server:
        campaign = builders.draft(where, author, configuration=builders.smtp(where, server.port))
        run = proof(campaign, author, "a@house.example", "B@house.example", "a@house.example", person=tester)
        call_command("deliver")
        got = {one.recipients[0]: one for one in server.accepted}
    assert set(got) == {"a@house.example", "b@house.example"}
    assert got["a@house.example"].parsed["Subject"] == "[Proof] News for Tester 測試"
    campaign.refresh_from_db()
    assert (campaign.status, campaign.version, campaign.live_version) == ("draft", None, None)
    run.refresh_from_db()
    assert run.state == "completed" and not MessageContext.objects.filter(run=run).exists()
    part = got["a@house.example"].parsed.get_body(("html",))
    assert part is not None
    html = part.get_content()
    [link] = re.findall(r'href="(?:https?://[^/"]+)(/t/c/[^"]+/0)/[^"]+"', html)
    [leave] = re.findall(r'href="(?:https?://[^/"]+)(/u/[^"]+)"', html)
    assert client.get(link).headers["Location"] == "https://shop.example/a?x=1&y=2"
    client.post(leave)
    assert not Event.objects.exists()
    call = Caller(where, "approver")
    assert call.get(f"/api/campaigns/{campaign.pk}/runs/").json()["results"] == []
    assert call.get(f"/api/campaigns/{campaign.pk}/versions/").json()["results"] == []
    assert AuditEntry.objects.get(verb="proof").details == {"run": run.pk, "action": 0, "messages": 2}


def test_a_draft_with_proofs_is_activated_as_version_one_and_a_deleted_one_takes_them_with_it(
    where: Workspace, author: User
) -> None:
    builders.profiles(where, 2)
    with FakeSmtp() as server:
        campaign = builders.draft(where, author, configuration=builders.smtp(where, server.port))
        proof(campaign, author, "a@house.example")
        campaign = lifecycle.apply(
            campaign, "activate", actor=builders.person(where, "approver"), now=timezone.now()
        )
        call_command("deliver")
        assert len(server.accepted) == 3
    assert campaign.live_version is not None and campaign.live_version.number == 1
    other = builders.draft(where, author, configuration=builders.configuration(where, name="Other"))
    proof(other, author, "a@house.example")
    lifecycle.delete(other, actor=author, now=timezone.now())
    assert Run.objects.filter(kind=Run.Kind.PROOF).count() == Version.objects.filter(number=0).count() == 1


def test_suppression_and_the_providers_refusal_are_told_in_words(where: Workspace, author: User) -> None:
    suppression.suppress(
        workspace_id=where.pk, channel="email", address="s@house.example", reason="x", now=timezone.now()
    )
    with FakeSmtp() as server:
        campaign = builders.draft(where, author, configuration=builders.smtp(where, server.port))
        run = proof(campaign, author, "s@house.example", "ok@house.example", "refuse@house.example")
        call_command("deliver")
    [told] = proofs.of_campaign(campaign, run_id=run.pk)
    by = {one.address: one for one in told.messages}
    assert by["s@house.example"].outcome == "excluded" and by["s@house.example"].words
    assert by["ok@house.example"].outcome == "accepted"
    assert by["refuse@house.example"].outcome == "failed"
    assert "User unknown" in by["refuse@house.example"].words


def test_each_content_chosen_is_sent_with_the_values_given(where: Workspace, author: User) -> None:
    with FakeSmtp() as server:
        campaign = builders.draft(where, author, configuration=builders.smtp(where, server.port))
        campaign.languages = {"default": "en", "others": ["zh-Hant"], "when_missing": "default"}
        campaign.save()
        action = campaign.actions.get()
        spring = {**builders.CONTENT, "subject": "給 {{ profile.name }} 的消息"}
        action.variants = [{"treatment": "", "language": "zh-Hant", "content": spring}]
        action.save()
        sample = {"profile": {"name": "林"}}
        proof(campaign, author, "a@house.example", sample=sample)
        proof(campaign, author, "b@house.example", sample=sample, places=[("", "zh-Hant")], prefix="(try-1)")
        call_command("deliver")
        subjects = sorted((one.recipients[0], str(one.parsed["Subject"])) for one in server.accepted)
    assert subjects == [
        ("a@house.example", "[Proof] News for 林"),
        ("a@house.example", "[Proof] 給 林 的消息"),
        ("b@house.example", "(try-1) 給 林 的消息"),
    ]


def test_an_sms_goes_to_the_test_profiles_own_number(where: Workspace, author: User) -> None:
    tester = Profile.objects.create(workspace=where, phone="+886912345678", is_test=True)
    sms = builders.configuration(where, channel="sms", name="SMS")
    campaign = builders.draft_over(sms, author, text="Hi")
    run = proof(campaign, author, action=campaign.actions.get().position, person=tester)
    assert [one.address for one in run.messages.all()] == ["+886912345678"]


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"addresses": []}, "addresses"),
        ({"addresses": [f"a{n}@house.example" for n in range(11)]}, "addresses"),
        ({"addresses": ["ok@house.example", "nonsense"]}, "addresses/1"),
        ({"action": 7}, "action"),
        ({"places": [("B", "")]}, "contents"),
        ({"places": []}, "contents"),
        ({"prefix": "<b>"}, "prefix"),
        ({"sample": {"profile": 5}}, "profile"),
    ],
)
def test_what_makes_no_proof_is_refused_and_writes_nothing(
    where: Workspace, author: User, asked: dict[str, Any], pointer: str
) -> None:
    campaign = builders.draft(where, author)
    with pytest.raises(Invalid) as refused:
        proof(campaign, author, "a@house.example", **asked)
    assert refused.value.problems[0].pointer == pointer and not Run.objects.exists()


def test_real_people_are_no_test_profiles_and_a_viewer_sends_none(where: Workspace, author: User) -> None:
    [person] = builders.profiles(where, 1)
    campaign = builders.draft(where, author)
    with pytest.raises(Invalid):
        proof(campaign, author, "a@house.example", person=person)
    with pytest.raises(PermissionMissing):
        proof(campaign, builders.person(where, "viewer"), "a@house.example")
    assert not Run.objects.exists()


def test_a_person_sends_so_many_an_hour(where: Workspace, author: User) -> None:
    campaign, now = builders.draft(where, author), timezone.now()
    ten = [f"a{n}@house.example" for n in range(10)]
    for _turn in range(10):
        proof(campaign, author, *ten, now=now)
    with pytest.raises(TooMany):
        proof(campaign, author, "one@house.example", now=now)
    proof(campaign, builders.person(where, "approver"), "one@house.example", now=now)
    proof(campaign, author, "one@house.example", now=now + timedelta(minutes=61))


def test_a_manager_sends_one_on_the_page_and_sees_what_became_of_it(
    where: Workspace, author: User, tester: Profile, client: Client
) -> None:
    client.force_login(author)
    with FakeSmtp() as server:
        campaign = builders.draft(where, author, configuration=builders.smtp(where, server.port))
        address = reverse("campaigns:proofs", args=[campaign.pk])
        assert author.email in client.get(address).text
        body = {"profile": tester.pk, "addresses": "a@house.example", "subject_prefix": "[Proof]"}
        assert client.post(address, {**body, "addresses": "nonsense"}).status_code == 400
        assert client.post(address, {**body, "sample": "{"}).status_code == 400
        assert client.post(address, {**body, "subject_prefix": "<b>"}).status_code == 400
        assert client.post(address, body).status_code == 302
        waits = client.get(address, headers={"HX-Request": "true"}).text
        assert "<html" not in waits and "a@house.example" in waits and "every 2s" in waits
        call_command("deliver")
    after = client.get(address, headers={"HX-Request": "true"}).text
    assert "Accepted" in after and "every 2s" not in after
    viewer = Client()
    viewer.force_login(builders.person(where, "viewer"))
    assert viewer.get(address).status_code == 403
    stranger = Client()
    stranger.force_login(builders.person(builders.workspace("other"), "administrator"))
    assert stranger.get(address).status_code == 404


def test_proofs_by_rest(where: Workspace, author: User, tester: Profile) -> None:
    with FakeSmtp() as server:
        campaign = builders.draft(where, author, configuration=builders.smtp(where, server.port))
        call, address = Caller(where), f"/api/campaigns/{campaign.pk}/proofs/"
        made = call.post(address, {"addresses": ["a@house.example"], "profile": tester.pk})
        assert made.status_code == 202, made.content
        assert made.json()["messages"][0]["outcome"] == "" and not made.json()["isOver"]
        call_command("deliver")
    read = call.get(f"{address}{made.json()['id']}/").json()
    assert read["isOver"] and read["messages"][0]["outcome"] == "accepted"
    assert [one["id"] for one in call.get(address).json()["results"]] == [made.json()["id"]]
    wrong = call.post(address, {"addresses": ["a@house.example"], "subjectPrefix": "<b>"})
    assert pointers(wrong) == [("bad_prefix", "/subjectPrefix")]
    assert pointers(call.post(address, {"profile": 999})) == [("unknown_profile", "/profile")]
    assert call.get(f"{address}99999999/").status_code == 404
    assert Caller(where, "viewer").get(address).status_code == 403
    assert Caller(builders.workspace("other"), "administrator").get(address).status_code == 404


def test_an_erasure_takes_the_address_out_of_a_proof(where: Workspace, author: User) -> None:
    person = Profile.objects.create(workspace=where, email="gone@example.com")
    run = proof(builders.draft(where, author), author, "gone@example.com")
    erasure.erase(person, actor=SYSTEM, now=timezone.now())
    assert [one.address for one in run.messages.all()] == [""]
