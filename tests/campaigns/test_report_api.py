"""The numbers of the report pages over REST: the same run, whose every figure was worked out by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccessLabel
from campaigns.models import Campaign, Event, Run
from tests import builders
from tests.api import Caller, pointers
from tests.campaigns.test_report import EXPECTED, HAPPENED, seeded

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    return seeded()


@pytest.fixture
def caller(run: Run) -> Caller:
    return Caller(run.campaign.workspace, "viewer")


def by_code(rows: list[dict[str, Any]]) -> dict[str, tuple[int, float | None]]:
    return {one["code"]: (one["value"], one["rate"]) for one in rows}


def test_a_run_and_its_campaign_tell_every_figure_with_its_definition(run: Run, caller: Caller) -> None:
    for address in (f"/api/runs/{run.pk}/report/", f"/api/campaigns/{run.campaign_id}/report/"):
        told = caller.get(address).json()
        assert by_code(told["numbers"]) == EXPECTED
        assert all(one["label"] and one["definition"] for one in told["numbers"])
        assert told["campaign"] == run.campaign_id and told["since"] is None
        assert told["balance"] == {
            "targeted": 12,
            "accepted": 7,
            "failed": 1,
            "excluded": 3,
            "cancelled": 0,
            "expired": 0,
            "uncertain": 1,
            "toGo": 0,
            "balances": True,
        }
        assert [(one["code"], one["messages"]) for one in told["excluded"]] == [("050101", 2), ("050020", 1)]
        assert [(one["code"], one["messages"]) for one in told["failed"]] == [("550", 1)]
        assert [
            (one["url"], one["people"], one["clicks"], one["machineClicks"]) for one in told["links"]
        ] == [
            ("https://shop.example/a", 2, 3, 1),
            ("https://shop.example/b", 1, 1, 1),
        ]
        domains = {one["key"]: (one["accepted"], one["opened"], one["bounced"]) for one in told["domains"]}
        assert domains == {"mail.example": (4, 3, 0), "post.example": (3, 0, 1)}
        opens = sum(one["opens"] for one in told["series"])
        assert opens == EXPECTED["opens"][0]
        assert sum(one["machineOpens"] for one in told["series"]) == 2
        assert {one["key"] for one in told["devices"]} >= {"phone", "computer"}
        assert set(told["devices"][0]) == {"key", "label", "opened", "clicked"}


def test_the_last_day_leaves_out_what_came_before(run: Run, caller: Caller) -> None:
    Event.objects.filter(run=run).update(at=timezone.now() - timedelta(days=3))
    Event.objects.filter(run=run, ref=2).update(at=timezone.now() - timedelta(minutes=5))
    told = caller.get(f"/api/runs/{run.pk}/report/?window=24h").json()
    found = by_code(told["numbers"])
    assert found["opened"][0] == 1 and found["clicked"][0] == 1 and found["unsubscribed"][0] == 0
    assert told["since"] and told["balance"] is None and told["excluded"] == []


def test_only_the_parts_asked_for_are_told(run: Run, caller: Caller) -> None:
    told = caller.get(f"/api/runs/{run.pk}/report/?fields=series,domains").json()
    assert set(told) == {"id", "series", "domains"}
    assert pointers(caller.get(f"/api/runs/{run.pk}/report/?fields=curves")) == [("unknown_field", "/fields")]


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("/api/runs/{run}/report/?window=25h", ("unknown_window", "/window")),
        ("/api/runs/{run}/report/?action=-1", ("bad_action", "/action")),
        ("/api/campaigns/{campaign}/report/?action=99999", ("bad_action", "/action")),
        ("/api/reports/?days=31", ("unknown_days", "/days")),
        ("/api/reports/compare/", ("bad_campaigns", "/campaign")),
        ("/api/reports/compare/?campaign=x", ("bad_campaigns", "/campaign")),
        (
            "/api/reports/compare/?" + "&".join(f"campaign={n}" for n in range(1, 7)),
            ("bad_campaigns", "/campaign"),
        ),
    ],
)
def test_what_nobody_can_answer_is_said_where(
    run: Run, caller: Caller, address: str, fault: tuple[str, str]
) -> None:
    answer = caller.get(address.format(run=run.pk, campaign=run.campaign_id))
    assert answer.status_code == 400 and pointers(answer) == [fault]


def test_the_workspace_and_the_comparison_tell_the_same_numbers(run: Run, caller: Caller) -> None:
    Run.objects.filter(pk=run.pk).update(due_at=timezone.now() - timedelta(days=1))
    told = caller.get("/api/reports/?days=7").json()
    assert by_code(told["numbers"]) == EXPECTED
    (mine,) = told["campaigns"]
    assert mine["name"] == run.campaign.name and mine["runs"] == 1 and mine["lastRun"] == run.pk
    assert by_code(mine["numbers"]) == EXPECTED
    (beside,) = caller.get(f"/api/reports/compare/?campaign={run.campaign_id}").json()["campaigns"]
    assert beside == mine


def test_a_label_and_a_foreign_house_hide_every_number(run: Run, caller: Caller) -> None:
    stranger = Caller(builders.workspace("elsewhere"), "administrator")
    campaign = run.campaign
    for address in (
        f"/api/runs/{run.pk}/report/",
        f"/api/campaigns/{campaign.pk}/report/",
        f"/api/reports/compare/?campaign={campaign.pk}",
    ):
        assert stranger.get(address).status_code == 404
        assert caller.get(address).status_code == 200
    assert stranger.get("/api/reports/").json()["campaigns"] == []
    campaign.labels.add(AccessLabel.objects.create(workspace=campaign.workspace, name="Board"))
    assert caller.get(f"/api/runs/{run.pk}/report/").status_code == 404
    assert caller.get(f"/api/reports/compare/?campaign={campaign.pk}").status_code == 404
    assert caller.get("/api/reports/").json()["campaigns"] == []


def test_a_report_costs_the_same_queries_whatever_there_is(run: Run, caller: Caller) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            caller.get(f"/api/campaigns/{run.campaign_id}/report/")
        return len(asked)

    cost()
    before = cost()
    campaign = Campaign.objects.get(pk=run.campaign_id)
    for days in range(1, 4):
        Run.objects.create(
            campaign=campaign,
            version=run.version,
            due_at=run.due_at + timedelta(days=days),
            state="completed",
        )
    assert len(HAPPENED) > 3 and cost() == before
