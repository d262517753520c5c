"""Warm-up plans by their pages and over REST: made, changed, started, completed, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from channels.forms.warmup import table_of, usual_days
from channels.models import ChannelConfiguration, WarmupPlan
from tests import builders
from tests.api import Caller, pointers

pytestmark = pytest.mark.django_db
TABLE = "gmail\tothers\n50\t100\n100\t200\n"
DAYS = [{"gmail": 50, "others": 100}, {"gmail": 100, "others": 200}]


@pytest.fixture
def warm() -> ChannelConfiguration:
    return builders.configuration(builders.workspace())


@pytest.fixture
def page(client: Client, warm: ChannelConfiguration) -> Client:
    client.force_login(builders.person(warm.workspace, "administrator"))
    return client


def given(warm: ChannelConfiguration, **changes: Any) -> dict[str, Any]:
    return {"name": "New address", "configuration": warm.pk, "days": TABLE, **changes}


def test_a_plan_is_made_from_a_pasted_table_started_and_completed(
    page: Client, warm: ChannelConfiguration
) -> None:
    assert table_of(usual_days()) in page.get("/channels/warm-up/new/").content.decode()
    answer = page.post("/channels/warm-up/new/", given(warm, own_groups="bank.example partners"))
    made = WarmupPlan.objects.get()
    assert answer["Location"] == f"/channels/warm-up/{made.pk}/"
    assert (made.days, made.own_groups, made.state) == (DAYS, {"bank.example": "partners"}, "not_started")
    page.post(f"/channels/warm-up/{made.pk}/start/", {"on": ""})
    made.refresh_from_db()
    assert made.state == "live" and made.starts_on is not None
    shown = page.get(f"/channels/warm-up/{made.pk}/").content.decode()
    assert "0 of 50 sent" in shown and "day 1 of 2" in shown
    assert "New address" in page.get("/channels/warm-up/").content.decode()
    page.post(f"/channels/warm-up/{made.pk}/edit/", given(warm, days="others\n7"))
    made.refresh_from_db()
    assert made.days == [{"others": 7}]
    assert page.post(f"/channels/warm-up/{made.pk}/delete/").status_code == 409
    page.post(f"/channels/warm-up/{made.pk}/complete/")
    assert page.post(f"/channels/warm-up/{made.pk}/start/").status_code == 409
    verbs = AuditEntry.objects.filter(object_type="channels.warmupplan").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == ["create", "start", "change", "complete"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"days": "gmail\n5"}, "Name the group “others” too"),
        ({"days": "nonsense, others\n1, 2"}, "There is no group “nonsense”"),
        ({"days": "gmail, others\n1"}, "Day 1 has 1 numbers, but the first line names 2 groups"),
        ({"days": "gmail, others\n1, many"}, "Day 1, others: “many” is not a whole number"),
        ({"days": "gmail, gmail\n1, 1"}, "names a group twice"),
        ({"days": "gmail, others"}, "Give the volumes of 1 to 180 days"),
        ({"days": "others\n" + "1\n" * 181}, "At most 180 days"),
        ({"own_groups": "not-a-domain partners"}, "is not a domain"),
        ({"own_groups": "one.example"}, "a domain and its group"),
        ({"name": "a\x07b"}, "character"),
        ({"configuration": "999999"}, "valid choice"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    page: Client, warm: ChannelConfiguration, changes: dict[str, str], said: str
) -> None:
    answer = page.post("/channels/warm-up/new/", given(warm, **changes))
    assert answer.status_code == 400 and said in answer.content.decode()
    assert not WarmupPlan.objects.exists()


def test_numbers_may_be_grouped_as_a_spreadsheet_writes_them(
    page: Client, warm: ChannelConfiguration
) -> None:
    page.post("/channels/warm-up/new/", given(warm, days="gmail;others\n1,000;12 500"))
    assert WarmupPlan.objects.get().days == [{"gmail": 1000, "others": 12500}]


def test_a_first_day_in_the_past_is_refused_and_one_to_come_is_kept(
    page: Client, warm: ChannelConfiguration
) -> None:
    page.post("/channels/warm-up/new/", given(warm))
    made = WarmupPlan.objects.get()
    for wrong in ("2020-01-01", "2026-02-30", "tomorrow"):
        answer = page.post(f"/channels/warm-up/{made.pk}/start/", {"on": wrong})
        assert answer.status_code == 400 and 'id="f-on-fault"' in answer.content.decode()
    day = (timezone.now() + timedelta(days=3)).date()
    page.post(f"/channels/warm-up/{made.pk}/start/", {"on": day.isoformat()})
    made.refresh_from_db()
    assert (made.state, made.starts_on) == ("live", day)


def test_a_configuration_has_one_live_plan_and_only_marketing_email_may_have_one(
    page: Client, warm: ChannelConfiguration
) -> None:
    for name in ("one", "two"):
        page.post("/channels/warm-up/new/", given(warm, name=name))
    first, second = WarmupPlan.objects.order_by("pk")
    page.post(f"/channels/warm-up/{first.pk}/start/")
    answer = page.post(f"/channels/warm-up/{second.pk}/start/")
    assert answer.status_code == 409 and "“one” is live" in answer.content.decode()
    WarmupPlan.objects.filter(pk=first.pk).update(starts_on=timezone.now().date() - timedelta(days=9))
    page.post(f"/channels/warm-up/{second.pk}/start/")  # the days of the first are over
    assert dict(WarmupPlan.objects.values_list("name", "state")) == {"one": "completed", "two": "live"}
    other = builders.configuration(warm.workspace, name="Receipts", kind="transactional")
    assert page.post("/channels/warm-up/new/", given(other, name="three")).status_code == 400


def test_who_may_not_see_or_manage_it(client: Client, warm: ChannelConfiguration) -> None:
    made = WarmupPlan.objects.create(
        workspace=warm.workspace, configuration=warm, name="Plan", days=DAYS, created_at=timezone.now()
    )
    client.force_login(builders.person(warm.workspace, "manager"))
    assert client.get(f"/channels/warm-up/{made.pk}/").status_code == 200
    for path in ("start/", "edit/", "delete/"):
        assert client.post(f"/channels/warm-up/{made.pk}/{path}").status_code == 403
    client.force_login(builders.person(builders.workspace("other"), "administrator"))
    assert client.get(f"/channels/warm-up/{made.pk}/").status_code == 404
    made.refresh_from_db()
    assert made.state == "not_started"


def test_the_same_over_rest(warm: ChannelConfiguration) -> None:
    api = Caller(warm.workspace, "administrator")
    body = {"name": "Plan", "configurationId": warm.pk, "days": DAYS, "ownGroups": {"bank.example": "banks"}}
    wrong = api.post("/api/warm-up-plans/", {**body, "days": [{"gmail": 1}]})
    assert pointers(wrong) == [("others_missing", "/days")]
    other = builders.configuration(builders.workspace("other"))
    wrong = api.post("/api/warm-up-plans/", {**body, "configurationId": other.pk})
    assert pointers(wrong) == [("unknown", "/configurationId")]
    made = api.post("/api/warm-up-plans/", body).json()
    assert (made["state"], made["actions"], made["today"]) == (
        "not_started",
        ["change", "start", "delete"],
        None,
    )
    own = f"/api/warm-up-plans/{made['id']}/"
    assert api.post(own + "start/", {"startsOn": "2020-01-01"}).status_code == 400
    started = api.post(own + "start/", {}).json()
    assert started["today"] == {"number": 1, "volume": {"gmail": 50, "others": 100}, "sent": {}}
    changed = api.put(own, {**body, "name": "Slower"}).json()
    assert (changed["name"], api.get(own).json()["name"]) == ("Slower", "Slower")
    assert [row["id"] for row in api.get("/api/warm-up-plans/").json()["results"]] == [made["id"]]
    assert api.delete(own).status_code == 409
    assert api.post(own + "complete/", {}).json()["state"] == "completed"
    assert Caller(warm.workspace, "viewer").get(own).status_code in (403, 404)
