"""Rule sets, the allowed list and limits through their pages and their REST doors."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Workspace
from channels import breaker, limits
from channels.messages import Fact, Outcome
from channels.models import AllowedEntry, AllowedList, ChannelConfiguration, PaceLimit, Rule, RuleSet
from tests import builders
from tests.api import Caller, pointers
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def admin(where: Workspace, client: Client) -> Client:
    client.force_login(builders.person(where, "administrator"))
    return client


@pytest.fixture
def manager(where: Workspace) -> Client:
    client = Client()
    client.force_login(builders.person(where, "manager"))
    return client


# ---- pages --------------------------------------------------------------------------------------
def test_an_administrator_builds_a_rule_set_on_its_pages(admin: Client, manager: Client) -> None:
    assert "Global default" in admin.get(reverse("channels:rule_sets")).text
    answer = admin.post(reverse("channels:rule_set_create"), {"name": "Gentle", "description": "For all"})
    made = RuleSet.objects.get(name="Gentle")
    assert answer.headers["Location"] == reverse("channels:rule_set", args=[made.pk])
    cap = {"name": "Five", "channels": ["email", "sms"], "count": 5, "every": 1, "unit": "week"}
    admin.post(reverse("channels:rule_add", args=[made.pk, "cap"]), cap)
    night = {"name": "Night", "channels": ["email"], "handling": "queue", "zone": "", "default_zone": ""}
    night |= {"days_0": ["0", "1"], "start_0": "21:00", "end_0": "09:00", "dates_1": "2026-12-24, 2026-12-25"}
    admin.post(reverse("channels:rule_add", args=[made.pk, "quiet"]), night)
    first, second = made.rules.all()
    assert (first.count, first.unit, first.channels) == (5, "week", ["email", "sms"])
    assert second.periods == [
        {"days": [0, 1], "start": "21:00", "end": "09:00"},
        {"dates": ["2026-12-24", "2026-12-25"]},
    ]
    for rule in (first, second):
        admin.post(reverse("channels:rule_act", args=[made.pk, rule.pk, "activate"]))
    admin.post(reverse("channels:rule_set_act", args=[made.pk, "activate"]))
    page = manager.get(reverse("channels:rule_set", args=[made.pk])).text
    assert "At most 5 in one week over Email, SMS" in page and "21:00–09:00" in page
    assert "Deactivate" not in page
    again = admin.get(reverse("channels:rule_edit", args=[made.pk, second.pk])).text
    assert 'value="2026-12-24, 2026-12-25"' in again and 'value="21:00"' in again
    campaign = builders.draft(made.workspace, builders.person(made.workspace, "approver"))
    assert "Gentle" in manager.get(reverse("campaigns:edit", args=[campaign.pk, "properties"])).text


def test_a_fault_in_a_rule_stands_beside_its_field_and_nothing_is_saved(admin: Client) -> None:
    admin.post(reverse("channels:rule_set_create"), {"name": "Gentle"})
    made = RuleSet.objects.get(name="Gentle")
    cap = {"name": "Five", "channels": ["email"], "count": 5, "every": 9, "unit": "month"}
    answer = admin.post(reverse("channels:rule_add", args=[made.pk, "cap"]), cap)
    assert answer.status_code == 400 and "Give a whole number from 1 to 3." in answer.text
    quiet = {"name": "Night", "channels": ["email"], "handling": "queue"}
    answer = admin.post(reverse("channels:rule_add", args=[made.pk, "quiet"]), quiet)
    assert answer.status_code == 400 and "Give 1 to 5 periods." in answer.text
    assert not Rule.objects.exists()


def test_a_manager_sees_and_changes_nothing(manager: Client, where: Workspace) -> None:
    assert manager.get(reverse("channels:rule_sets")).status_code == 200
    assert manager.get(reverse("channels:allowed")).status_code == 200
    made = RuleSet.objects.get()
    configuration = builders.configuration(where)
    for address, body in (
        (reverse("channels:rule_set_create"), {"name": "X"}),
        (reverse("channels:rule_set_act", args=[made.pk, "deactivate"]), {}),
        (reverse("channels:rule_add", args=[made.pk, "cap"]), {}),
        (reverse("channels:allowed"), {"entries": "a@example.com"}),
        (reverse("channels:allowed_switch"), {"active": "1"}),
        (reverse("channels:limits", args=[configuration.pk]), {"rate": 5}),
    ):
        assert manager.post(address, body).status_code == 403, address
    made.refresh_from_db()
    assert (made.state, RuleSet.objects.count(), AllowedEntry.objects.count()) == ("active", 1, 0)
    assert not PaceLimit.objects.exists() and not AllowedList.objects.filter(is_active=True).exists()


def test_another_workspace_finds_nothing(where: Workspace, admin: Client) -> None:
    admin.get(reverse("channels:rule_sets"))
    made, other = RuleSet.objects.get(), builders.workspace("other")
    stranger = Client()
    stranger.force_login(builders.person(other, "administrator"))
    assert stranger.get(reverse("channels:rule_set", args=[made.pk])).status_code == 404
    call = Caller(other, "administrator")
    assert call.get(f"/api/rule-sets/{made.pk}/").status_code == 404
    assert call.post(f"/api/rule-sets/{made.pk}/deactivate/", None).status_code == 404


def test_the_allowed_list_is_filled_switched_and_emptied_on_its_page(admin: Client, where: Workspace) -> None:
    page = reverse("channels:allowed")
    answer = admin.post(page, {"entries": "Ana@Example.com\n@shop.example\nnonsense"})
    assert answer.status_code == 400 and "nonsense" in answer.text
    assert set(AllowedEntry.objects.values_list("address", flat=True)) == {"ana@example.com", "@shop.example"}
    admin.post(reverse("channels:allowed_switch"), {"active": "1"})
    for entry in AllowedEntry.objects.all():
        admin.post(reverse("channels:allowed_remove", args=[entry.pk]))
    assert "no email leaves this workspace" in admin.get(page).text


def test_limits_are_set_on_a_page_and_an_open_breaker_shows(admin: Client, where: Workspace) -> None:
    configuration = builders.configuration(where)
    page = reverse("channels:limits", args=[configuration.pk])
    admin.post(page, {"rate": "12.5", "urgent_share": "20", "domains": "gmail 5\nexample.com 1"})
    found = limits.of(configuration)
    assert (found.rate, found.urgent_share, found.domains) == (12.5, 20, {"gmail": 5.0, "example.com": 1.0})
    for body in ({"rate": "5000"}, {"rate": "1", "domains": "gmail"}, {"domains": "pigeon 1"}, {"rate": "x"}):
        assert admin.post(page, body).status_code == 400, body
    assert limits.of(configuration) == found
    breaker.tell(configuration, [Outcome(Fact.UNREACHABLE, "", "Connection refused")], now=NOW)
    shown = admin.get(reverse("channels:detail", args=[configuration.pk])).text
    assert "12.5" in shown and "Connection refused" in shown


# ---- REST ---------------------------------------------------------------------------------------
def test_rule_sets_by_rest(where: Workspace) -> None:
    call = Caller(where, "administrator")
    made = call.post("/api/rule-sets/", {"name": "Gentle"})
    assert (made.status_code, made.json()["actions"]) == (201, ["change", "activate", "delete"])
    here = f"/api/rule-sets/{made.json()['id']}/"
    cap: dict[str, Any] = {"name": "Five", "kind": "cap", "channels": ["email"], "count": 5, "unit": "week"}
    rule = call.post(f"{here}rules/", cap)
    assert rule.status_code == 201, rule.content
    inner = f"{here}rules/{rule.json()['id']}/"
    assert call.put(inner, {**cap, "count": 3}).json()["count"] == 3
    assert call.post(f"{inner}activate/", None).json()["state"] == "active"
    assert call.post(f"{here}activate/", None).json()["state"] == "active"
    assert call.delete(here).status_code == 409 and call.delete(inner).status_code == 409
    assert call.post(f"{here}activate/", None).status_code == 409
    assert call.post(f"{inner}deactivate/", None).json()["state"] == "inactive"
    night = {"name": "N", "kind": "quiet", "channels": ["sms"], "periods": [{"days": [0], "start": "21:00"}]}
    refused = call.post(f"{here}rules/", night)
    assert pointers(refused) == [("bad_period", "/periods/0")]
    assert pointers(call.post(f"{here}rules/", {**cap, "name": "Five"})) == [("name_taken", "/name")]
    assert pointers(call.post("/api/rule-sets/", {"name": "a\u0000"}))[0][1] == "/name"
    listed = call.get("/api/rule-sets/").json()["results"]
    assert {one["name"]: one["isGlobal"] for one in listed} == {"Global default": True, "Gentle": False}
    assert call.put(here, {"name": "Kind"}).json()["name"] == "Kind"
    assert Caller(where).post("/api/rule-sets/", {"name": "X"}).status_code == 403


def test_allowed_list_and_limits_by_rest(where: Workspace) -> None:
    call, configuration = Caller(where, "administrator"), builders.configuration(where)
    told = call.post("/api/allowed/", {"entries": ["a@example.com", "x y", "@shop.example"]}).json()
    assert (told["added"], told["rejected"][0]["pointer"]) == (2, "/entries/1")
    listed = call.get("/api/allowed/").json()["results"]
    assert call.delete(f"/api/allowed/{listed[0]['id']}/").status_code == 204
    assert call.put("/api/allowed/state/", {"active": True}).json() == {"active": True}
    assert call.get("/api/allowed/state/").json() == {"active": True}
    here = f"/api/channel-configurations/{configuration.pk}/limits/"
    given = {"rate": 10, "urgentShare": 10, "domains": {"gmail": 2}}
    assert call.put(here, given).json() == {**given, "rate": 10.0, "domains": {"gmail": 2.0}, "breaker": None}
    assert pointers(call.put(here, {"rate": 0}))[0][1] == "/rate"
    assert pointers(call.put(here, {"domains": {"pigeon": 1}}))[0] == ("bad_domain", "/domains")
    assert call.get(here).json()["rate"] == 10.0
    assert ChannelConfiguration.objects.get().pace.rate == 10.0
    assert Caller(where).put(here, {"rate": 1}).status_code == 403
