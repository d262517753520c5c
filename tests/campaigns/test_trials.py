"""An experiment in a report: who got which treatment, who did what is counted, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiences import months
from audiences.models import Profile, ProfileEvent
from campaigns.models import Attempt, Batch, Campaign, Event, Message, Run, Version
from campaigns.reports import report
from tests import builders
from tests.api import Caller
from tests.campaigns.test_report_orders import texts

pytestmark = pytest.mark.django_db
BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
TWO = [{"key": "A", "title": "As it was", "percent": 50}, {"key": "B", "title": "Shorter", "percent": 50}]


def sent(people: dict[str, int], **experiment: Any) -> Run:
    """A finished run with so many accepted messages of each treatment; "held" people were held out.

    The first treatment's people are numbered from 1001, the second's from 2001, the held out from 3001.
    """
    where = builders.workspace()
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    version = Version.objects.get(pk=run.version_id)
    (action,) = version.definition["actions"]
    action["contents"] = [
        {**action["contents"][0], "treatment": treatment, "language": ""} for treatment in ("", "B")
    ]
    version.definition["experiment"] = {"metric": "click", "window_hours": 24, "salt": "s", **experiment}
    Version.objects.filter(pk=version.pk).update(definition=version.definition)
    Run.objects.filter(pk=run.pk).update(
        state="completed", started_at=BEGAN, finished_at=BEGAN + timedelta(minutes=30)
    )
    messages, attempts = [], []
    for place, (name, count) in enumerate(people.items()):
        for ref in range(1000 * (place + 1) + 1, 1000 * (place + 1) + 1 + count):
            is_held = name == "held"
            Profile.objects.create(pk=ref, workspace=where, email=f"p{ref}@example.com")
            slot = -1 if is_held else 0
            variant = 1 if name == "B" else 0
            messages.append(
                Message(run=run, action=0, ref=ref, profile_id=ref, address="x", variant=variant, slot=slot)
            )
            outcome, code = ("excluded", "050018") if is_held else ("accepted", "")
            attempts.append(Attempt(run=run, action=0, ref=ref, n=1, outcome=outcome, code=code, at=BEGAN))
    Message.objects.bulk_create(messages)
    Attempt.objects.bulk_create(attempts)
    written = sum(count for name, count in people.items() if name != "held")
    Batch.objects.create(
        run=run,
        action=0,
        lo=1001,
        hi=2999,
        size=written,
        send_after=BEGAN,
        state="done",
        epoch=1,
        tally={"accepted": written},
    )
    run.refresh_from_db()
    return run


def happened(run: Run, first: int, count: int, kind: str = "click", **more: Any) -> None:
    values = {"at": BEGAN + timedelta(hours=1), "judged": 1, "link": 0 if kind == "click" else None, **more}
    Event.objects.bulk_create(
        Event(run=run, action=0, ref=ref, kind=kind, **values) for ref in range(first, first + count)
    )


def bought(
    run: Run, first: int, count: int, at: datetime = BEGAN + timedelta(hours=5), name: str = "order"
) -> None:
    months.make([months.month_of(at)])
    ProfileEvent.objects.bulk_create(
        ProfileEvent(
            id=ref, at=at, workspace=run.campaign.workspace, profile_id=ref, name=name, received_at=at
        )
        for ref in range(first, first + count)
    )


def trial_of(run: Run) -> Any:
    return report.make(run.campaign, run=run, now=BEGAN + timedelta(days=2)).trial


def test_people_who_clicked_are_counted_once_without_machines_and_late_ones() -> None:
    run = sent({"A": 200, "B": 200}, treatments=TWO)
    happened(run, 1001, 20)
    happened(run, 1001, 5)  # again
    happened(run, 1101, 30, machine="scanner")
    happened(run, 1151, 7, at=BEGAN + timedelta(hours=40))  # after the day that counts
    happened(run, 2001, 60)
    happened(run, 2101, 9, kind="open")
    trial = trial_of(run)
    first, second = trial.compared
    assert (first.arm.label, first.arm.people, first.arm.converted) == ("A As it was", 200, 20)
    assert (second.arm.label, second.arm.people, second.arm.converted) == ("B Shorter", 200, 60)
    assert second.lift == pytest.approx(200) and second.is_conclusive and second.low > 0
    assert trial.best == second.arm and trial.groups == []
    assert trial.sentence == "“B Shorter” is better than “A As it was”, with at least 95 percent confidence."


def test_few_clicks_are_conclusive_of_nothing_and_said_so() -> None:
    run = sent({"A": 40, "B": 40}, treatments=TWO)
    assert trial_of(run).sentence == "Nobody has done what is counted yet."
    happened(run, 1001, 3)
    happened(run, 2001, 6)
    trial = trial_of(run)
    assert trial.best is None and "may be chance" in trial.sentence
    assert not trial.compared[1].is_conclusive


def test_of_unsubscribes_fewer_are_better() -> None:
    run = sent({"A": 200, "B": 200}, treatments=TWO, metric="unsubscribe")
    happened(run, 1001, 60, kind="unsubscribe")
    happened(run, 2001, 10, kind="unsubscribe")
    assert trial_of(run).best.key == "B"


def test_the_lift_over_the_held_out_is_by_an_event_of_both_groups() -> None:
    run = sent({"A": 300, "B": 300, "held": 200}, treatments=TWO, holdout=25, metric="event:order")
    bought(run, 1001, 40)
    bought(run, 2001, 50)
    bought(run, 3001, 6)
    bought(run, 3101, 20, name="visit")  # another event
    bought(run, 3101, 20, at=BEGAN - timedelta(hours=1))  # before the run
    bought(run, 3121, 20, at=BEGAN + timedelta(hours=30))  # after the day that counts
    trial = trial_of(run)
    assert [(one.arm.people, one.arm.converted) for one in trial.compared] == [(300, 40), (300, 50)]
    held, others = trial.groups
    assert (held.arm.people, held.arm.converted, held.arm.share) == (200, 6, 0.25)
    assert (others.arm.people, others.arm.converted, others.arm.share) == (600, 90, 0.75)
    assert others.lift == pytest.approx(100 * (90 / 0.75 / (6 / 0.25) - 1)) and others.is_conclusive
    assert (
        trial.holdout_sentence
        == "Who got the message did it more often, with at least 95 percent confidence."
    )


def test_a_hold_out_without_an_event_says_how_to_measure_its_lift(client: Client) -> None:
    run = sent({"A": 30, "B": 30, "held": 10}, treatments=TWO, holdout=25)
    assert trial_of(run).groups == [] and trial_of(run).is_lift_unknown
    client.force_login(builders.person(run.campaign.workspace, "viewer"))
    page = client.get(f"/campaigns/runs/{run.pk}/report/").content.decode()
    assert "People held out get nothing to open or click." in page


def test_what_is_just_not_sure_is_not_shown_as_if_it_were(client: Client) -> None:
    """94.99 percent is below 95, and an interval from −0.01 percent on holds “no difference”."""
    run = sent({"A": 120, "B": 120}, treatments=TWO)
    happened(run, 1001, 54)
    happened(run, 2001, 94)
    trial = trial_of(run)
    assert trial is not None and trial.best is None
    compared = trial.compared[1]
    assert 94.95 < compared.confidence < 95 and -0.05 < compared.low < 0
    client.force_login(builders.person(run.campaign.workspace, "viewer"))
    page = client.get(f"/campaigns/runs/{run.pk}/report/").content.decode()
    assert "94.9 %" in page and "95.0 %" not in page and "<b>94" not in page
    assert "-0.1 % … +212.0 %" in page
    file = b"".join(client.get(f"/campaigns/runs/{run.pk}/report.csv").streaming_content).decode()
    assert ",-0.0103,211.9631,94.9897" in file
    paper = texts(client.get(f"/campaigns/runs/{run.pk}/report.pdf").content)
    assert b"94.9 %" in paper and b"No treatment is surely better yet" in paper


def test_page_api_and_file_say_the_same(client: Client) -> None:
    run = sent({"A": 200, "B": 200, "held": 100}, treatments=TWO, holdout=20, metric="event:order")
    bought(run, 1001, 20)
    bought(run, 2001, 60)
    bought(run, 3001, 10)
    client.force_login(builders.person(run.campaign.workspace, "viewer"))
    for address in (f"/campaigns/runs/{run.pk}/report/", f"/campaigns/{run.campaign_id}/report/"):
        page = client.get(address).content.decode()
        assert "“B Shorter” is better than “A As it was”" in page and "+200.0 %" in page
    told = Caller(run.campaign.workspace, "viewer").get(f"/api/runs/{run.pk}/report/").json()["experiment"]
    assert [(one["people"], one["converted"]) for one in told["treatments"]] == [(200, 20), (200, 60)]
    assert told["best"] == "B" and told["treatments"][1]["isConclusive"] is True
    assert [one["converted"] for one in told["holdout"]] == [10, 80]
    file = b"".join(client.get(f"/campaigns/runs/{run.pk}/report.csv").streaming_content).decode()
    assert "Treatments,B Shorter,200,60,30.0,200.0," in file


def test_the_last_day_and_a_campaign_without_an_experiment_have_no_result() -> None:
    run = sent({"A": 3, "B": 3}, treatments=TWO)
    assert report.make(run.campaign, run=run, is_last_day=True, now=timezone.now()).trial is None
    version = Version.objects.get(pk=run.version_id)
    Version.objects.filter(pk=run.version_id).update(definition={**version.definition, "experiment": {}})
    assert trial_of(run) is None


# ---- all runs ------------------------------------------------------------------------------------


def again(run: Run, days: int = 7) -> Run:
    """The next run of the same campaign to the same people."""
    made = Run.objects.create(
        campaign=run.campaign,
        version=run.version,
        due_at=run.due_at + timedelta(days=days),
        state="completed",
        targeted=run.targeted,
        started_at=BEGAN,
        finished_at=BEGAN + timedelta(minutes=30),
    )
    for kind in (Message, Attempt):
        rows = list(kind.objects.filter(run=run))
        for row in rows:
            row.run_id = made.pk
        kind.objects.bulk_create(rows)
    (batch,) = Batch.objects.filter(run=run)
    Batch.objects.create(
        **{
            name: getattr(batch, name)
            for name in ("action", "lo", "hi", "size", "send_after", "state", "epoch", "tally")
        }
        | {"run": made}
    )
    return made


def test_over_all_runs_a_person_counts_once_and_every_run_is_told(client: Client) -> None:
    first = sent({"A": 200, "B": 200}, treatments=TWO)
    second = again(first)
    happened(first, 1001, 20)
    happened(second, 1001, 10)  # the same people once more
    happened(second, 1021, 5)  # and others
    happened(first, 2001, 40)
    happened(second, 2001, 60)
    happened(second, 2101, 9, machine="scanner")
    made = report.make(first.campaign, now=BEGAN + timedelta(days=9))
    told = made.trial
    assert told.run_count == 2 and [one.run for one in made.trials.runs] == [second, first]
    assert [(one.arm.people, one.arm.converted) for one in told.compared] == [(200, 25), (200, 60)]
    assert told.best == told.compared[1].arm
    single = [[(one.arm.people, one.arm.converted) for one in run.compared] for run in made.trials.runs]
    assert single == [[(200, 15), (200, 60)], [(200, 20), (200, 40)]]
    client.force_login(builders.person(first.campaign.workspace, "viewer"))
    page = client.get(f"/campaigns/{first.campaign_id}/report/").content.decode()
    assert "2 runs together" in page and "Run by run" in page
    api = Caller(first.campaign.workspace, "viewer").get(f"/api/campaigns/{first.campaign_id}/report/").json()
    assert api["experiment"]["runs"] == 2 and [one["runs"] for one in api["experimentRuns"]] == [1, 1]


@pytest.mark.parametrize("changes", [{"weights": {"percents": {"": 50, "B": 50}}}, {"dropped_at": BEGAN}])
def test_runs_whose_parts_moved_are_told_one_by_one(changes: dict[str, Any]) -> None:
    first = sent({"A": 20, "B": 20}, treatments=TWO)
    Run.objects.filter(pk=again(first).pk).update(**changes)
    made = report.make(first.campaign, now=BEGAN + timedelta(days=9))
    assert made.trials.together is None and made.trial.run_count == 1 and len(made.trials.runs) == 2


def test_another_run_of_an_experiment_costs_no_other_query() -> None:
    first = sent({"A": 5, "B": 5}, treatments=TWO)
    again(first)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            report.make(Campaign.objects.get(pk=first.campaign_id), now=BEGAN + timedelta(days=30))
        return len(queries)

    few = asked()
    again(first, 14)
    again(first, 21)
    assert asked() == few
