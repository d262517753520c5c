"""Seed lists: one copy of every variant to each address, beside the ledger; their pages and REST doors."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import suppression
from audiences.models import Profile
from campaigns import seedlists
from campaigns.delivery import seeds
from campaigns.models import Event, Run, SeedCopy, SeedRound
from campaigns.reports.metrics import ledger
from campaigns.tracking import events, tokens
from campaigns.tracking.tokens import SEEDS, MessageKey
from channels import allowed
from channels.models import ChannelConfiguration, SeedList, SeedUse
from common.errors import IllegalTransition, Invalid
from tests import builders
from tests.api import Caller, pointers
from tests.builders import NOW
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
BY = {"actor": SYSTEM, "now": NOW}


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def seed_list(where: Workspace, *configurations: ChannelConfiguration, **changes: Any) -> SeedList:
    given = {"name": "Ours", "addresses": ["s1@seeds.example", "s2@seeds.example"], "test_profile": None}
    return seedlists.save(None, workspace=where, **{**given, **changes}, configurations=configurations, **BY)


def test_each_seed_gets_one_copy_filled_with_the_test_profiles_data_and_no_report_knows(
    where: Workspace,
) -> None:
    builders.profiles(where, 3)
    tester = Profile.objects.create(
        workspace=where, email="t@example.com", is_test=True, attributes={"name": "Tester 測試"}
    )
    with FakeSmtp() as server:
        configuration = builders.smtp(where, server.port)
        seed_list(where, configuration, test_profile=tester.pk)
        campaign = builders.live(where, now=timezone.now(), configuration=configuration)
        call_command("deliver")
        seeds.send_due(now=timezone.now())
        got = [one.recipients[0] for one in server.accepted]
        copies = [one for one in server.accepted if one.recipients[0].endswith("@seeds.example")]
    assert {"s1@seeds.example", "s2@seeds.example"} <= set(got)
    assert len(got) == len(set(got)) == 6 and "Tester 測試" in copies[0].parsed["Subject"]
    run = Run.objects.get(campaign=campaign)
    assert (ledger(run).targeted, ledger(run).accepted, run.state) == (4, 4, "completed")
    assert set(SeedCopy.objects.values_list("state", flat=True)) == {"sent"}
    key = MessageKey(run.pk, 0, SEEDS + copies_pk())
    assert events.click(tokens.sign(tokens.CLICK, key), 0, now=NOW, agent="x")
    events.opened(tokens.sign(tokens.OPEN, key), now=NOW, agent="x")
    assert not Event.objects.exists() and events.message_of(key) is None


def test_a_seed_gets_whatever_a_template_links_to_and_the_list_tells_what_failed(
    where: Workspace, client: Client
) -> None:
    builders.profiles(where, 1)
    links = "".join(
        f'<a href="{{{{ {name} }}}}">x</a>' for name in ("unsubscribe_url", "preferences_url", "mirror_url")
    )
    with FakeSmtp() as server:
        configuration = builders.smtp(where, server.port)
        found = seed_list(where, configuration, addresses=["s1@seeds.example", "refuse@seeds.example"])
        builders.live(where, now=timezone.now(), configuration=configuration, html=f"<p>Hi {links}</p>")
        call_command("deliver")
        seeds.send_due(now=timezone.now())
    copy = SeedCopy.objects.get(address="s1@seeds.example")
    assert (copy.state, copy.detail[:3]) == ("sent", "250")
    assert server.accepted[-1].recipients == ["s1@seeds.example"]
    mail = server.accepted[-1].parsed.get_body(("html",)).get_content()
    (as_page,) = re.findall(r'"[^"]*(/t/m/[^"]+)"', mail)
    assert "Hi " in client.get(as_page).text
    client.force_login(builders.person(where, "administrator"))
    page = client.get(f"/campaigns/seed-lists/{found.pk}/").content.decode()
    assert "550 5.1.1" in page and "Winter layers" in page and "s1@seeds.example" in page
    assert re.findall(r'href="([^"]+)" aria-current="page"', page) == ["/channels/"]
    copy.delete()
    assert client.get(as_page).status_code == 404


def copies_pk() -> int:
    return SeedCopy.objects.earliest("pk").pk


def test_suppression_and_allowed_list_hold_for_seeds_and_trouble_uses_up_no_try(where: Workspace) -> None:
    builders.profiles(where, 1)
    configuration = builders.smtp(where, 1)  # nobody listens there
    seed_list(where, configuration)
    suppression.suppress(
        workspace_id=where.pk, channel="email", address="s1@seeds.example", reason="x", now=NOW
    )
    builders.live(where, now=timezone.now(), configuration=configuration)
    call_command("deliver")
    Run.objects.update(expanded_at=timezone.now())
    ChannelConfiguration.objects.get().breaker.delete()
    assert seeds.send_due(now=timezone.now()) == 0
    states = dict(SeedCopy.objects.values_list("address", "state"))
    assert states == {"s1@seeds.example": "failed", "s2@seeds.example": "due"}
    assert SeedCopy.objects.get(state="failed").detail == "050102"
    assert SeedCopy.objects.get(state="due").tries == 0
    ChannelConfiguration.objects.get().breaker.delete()
    allowed.switch(where, is_active=True, **BY)
    SeedCopy.objects.update(due_at=timezone.now())
    seeds.send_due(now=timezone.now())
    assert SeedCopy.objects.get(address="s2@seeds.example").detail == "050103"
    assert SeedRound.objects.count() == 1 and SeedCopy.objects.count() == 2


def test_a_configuration_has_one_list_and_a_running_campaign_keeps_it(where: Workspace) -> None:
    configuration = builders.configuration(where)
    first = seed_list(where, configuration)
    second = seed_list(where, configuration, name="Other")
    assert SeedUse.objects.get().seed_list == second
    seedlists.delete(first, **BY)
    builders.live(where, now=timezone.now(), configuration=configuration)
    with pytest.raises(IllegalTransition):
        seedlists.delete(second, **BY)
    assert SeedList.objects.get() == second


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": " "}, "name"),
        ({"addresses": []}, "addresses"),
        ({"addresses": ["no address"]}, "addresses"),
        ({"addresses": [f"a{n}@x.example" for n in range(301)]}, "addresses"),
        ({"test_profile": 99}, "test_profile"),
    ],
)
def test_what_makes_no_seed_list_is_refused(where: Workspace, changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        seed_list(where, **changes)
    assert refused.value.problems[0].pointer == pointer and not SeedList.objects.exists()


def test_an_administrator_keeps_seed_lists_on_their_pages_and_a_manager_only_sees_them(
    where: Workspace, client: Client
) -> None:
    client.force_login(builders.person(where, "administrator"))
    configuration = builders.configuration(where)
    file = SimpleUploadedFile("seeds.csv", b"name,email\nAna,ana@seeds.example\n")
    body: dict[str, Any] = {
        "name": "Ours",
        "addresses": "bo@seeds.example",
        "file": file,
        "configurations": [configuration.pk],
    }
    assert client.post(reverse("campaigns:seed_list_create"), body).status_code == 302
    made = SeedList.objects.get()
    assert made.addresses == ["bo@seeds.example", "ana@seeds.example"]
    page = reverse("campaigns:seed_list", args=[made.pk])
    assert "ana@seeds.example" in client.get(page).text
    assert client.post(page, {"name": "Ours", "addresses": "nonsense"}).status_code == 400
    assert "Ours" in client.get(reverse("channels:detail", args=[configuration.pk])).text
    manager = Client()
    manager.force_login(builders.person(where, "manager"))
    assert "Ours" in manager.get(reverse("campaigns:seed_lists")).text
    assert manager.post(page, body).status_code == 403
    assert manager.post(reverse("campaigns:seed_list_delete", args=[made.pk])).status_code == 403
    stranger = Client()
    stranger.force_login(builders.person(builders.workspace("other"), "administrator"))
    assert stranger.get(page).status_code == 404 and SeedList.objects.get().name == "Ours"
    assert client.post(reverse("campaigns:seed_list_delete", args=[made.pk])).status_code == 302


def test_seed_lists_by_rest(where: Workspace) -> None:
    call, configuration = Caller(where, "administrator"), builders.configuration(where)
    given = {"name": "Ours", "addresses": ["A@seeds.example"], "configurations": [configuration.pk]}
    made = call.post("/api/seed-lists/", given)
    assert (made.status_code, made.json()["addresses"]) == (201, ["a@seeds.example"])
    here = f"/api/seed-lists/{made.json()['id']}/"
    assert call.put(here, {**given, "name": "Other", "configurations": []}).json()["configurations"] == []
    assert pointers(call.put(here, {**given, "configurations": [99]})) == [
        ("unknown_configuration", "/configurations/0")
    ]
    assert pointers(call.put(here, {**given, "testProfile": 5})) == [("unknown_profile", "/testProfile")]
    assert [one["name"] for one in call.get("/api/seed-lists/").json()["results"]] == ["Other"]
    assert Caller(where).delete(here).status_code == 403
    assert Caller(builders.workspace("other"), "administrator").get(here).status_code == 404
    assert call.delete(here).status_code == 204
