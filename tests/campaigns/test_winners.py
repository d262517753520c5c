"""A part tries the treatments, the rest gets the winner: after its hours, by hand, or by the fall-back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import AuditEntry, Notification
from audiences.models import Profile
from campaigns import actions, lifecycle, variants
from campaigns.delivery import clock, completion, fanout, recovery, winners
from campaigns.models import Attempt, Batch, Campaign, Event, Message, Run
from campaigns.reports import report
from campaigns.reports.metrics import ledger
from campaigns.reports.waiting import waiting_for
from common.errors import IllegalTransition, Invalid, PermissionMissing
from tests import builders
from tests.api import Caller, pointers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
TWO = [{"key": "A", "title": "As it was", "percent": 50}, {"key": "B", "title": "Shorter", "percent": 50}]
TEST = {
    "treatments": TWO,
    "metric": "click",
    "window_hours": 24,
    "mode": "winner",
    "salt": "s",
    "winner": {"test_percent": 40, "after_hours": 4},
}
LATER = timedelta(hours=4, minutes=1)


def trying(
    people: int = 200,
    *,
    languages: dict[str, Any] | None = None,
    locales: tuple[str, ...] = ("",),
    **winner: Any,
) -> Run:
    """A run whose test messages have left; the rest waits, in batches of ten."""
    where = builders.workspace()
    for n, person in enumerate(builders.profiles(where, people)):
        Profile.objects.filter(pk=person.pk).update(locale=locales[n % len(locales)])
    told = {"revision": 1, "actor": builders.person(where, "manager"), "now": timezone.now()}
    experiment = {**TEST, "winner": {**TEST["winner"], **winner}}
    made = builders.draft(where, told["actor"], experiment=experiment, languages=languages or {})
    actions.copy_to_all(made, 0, **{**told, "revision": made.revision})
    made.refresh_from_db()
    campaign = lifecycle.apply(made, "activate", actor=builders.person(where, "approver"), now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=campaign)
    fanout.expand(run.pk, now=timezone.now(), batch=10)
    call_command("deliver")
    run.refresh_from_db()
    return run


def clicked(run: Run, variant: int, count: int) -> None:
    refs = Attempt.objects.filter(run=run, outcome="accepted").values("ref")
    mine = Message.objects.filter(run=run, variant=variant, ref__in=refs).order_by("ref")
    Event.objects.bulk_create(
        Event(run=run, action=0, ref=ref, kind="click", link=0, at=timezone.now(), judged=1)
        for ref in mine.values_list("ref", flat=True)[:count]
    )


def waiting(run: Run) -> int:
    return sum(Batch.objects.filter(run=run, state="waiting").values_list("size", flat=True))


def variants_of(run: Run, refs: Any) -> set[int]:
    return set(Message.objects.filter(run=run, ref__in=refs).values_list("variant", flat=True))


def rest_of(run: Run) -> list[int]:
    """Whom the test left out."""
    experiment = run.version.definition["experiment"]
    refs = Message.objects.filter(run=run).values_list("ref", flat=True)
    return [ref for ref in refs if variants.treatment_of(experiment, ref) is None]


def decide(run: Run, now: datetime) -> Run:
    winners.decide_due(now=now)
    run.refresh_from_db()
    return run


def test_the_rest_waits_gets_the_sure_winner_after_its_hours_and_the_run_ends() -> None:
    run = trying()
    rest = rest_of(run)
    assert waiting(run) == len(rest) > 90 and run.state == "sending"
    assert not Attempt.objects.filter(run=run, ref__in=rest).exists()
    clicked(run, 1, 30)
    assert decide(run, timezone.now() + timedelta(hours=3)).decision is None
    assert decide(run, timezone.now() + LATER).decision["treatment"] == "B"
    assert run.decision["how"] == "sure" and waiting(run) == 0
    assert variants_of(run, rest) == {1}
    now = timezone.now() + LATER
    Batch.objects.filter(run=run, state="ready").update(send_after=timezone.now())
    call_command("deliver")
    completion.settle(run.pk, now=now)
    run.refresh_from_db()
    book = ledger(run)
    assert (run.state, book.targeted, book.accepted, book.to_go, book.balances) == (
        "completed",
        200,
        200,
        0,
        True,
    )
    assert Message.objects.filter(run=run).count() == Attempt.objects.filter(run=run).count() == 200


def test_the_report_keeps_the_numbers_it_was_decided_by() -> None:
    run = trying()
    clicked(run, 1, 30)
    decide(run, timezone.now() + LATER)
    Batch.objects.filter(run=run, state="ready").update(send_after=timezone.now())
    call_command("deliver")
    clicked(run, 1, 100)
    trial = report.make(run.campaign, run=run, now=timezone.now()).trial
    assert trial is not None
    first, second = trial.compared
    assert (first.arm.converted, second.arm.converted) == (0, 30)
    assert first.arm.people + second.arm.people == 200 - len(rest_of(run))
    assert "“B Shorter” was sent to the rest, as it was surely better." in trial.decided


@pytest.mark.parametrize(
    ("otherwise", "clicks", "treatment", "how"),
    [
        ("leading", (1, 3), "B", "leading"),
        ("leading", (3, 1), "", "leading"),
        ("leading", (0, 0), "", "leading"),
        ("first", (1, 3), "", "first"),
        ("", (1, 3), "B", "leading"),
    ],
)
def test_without_a_sure_winner_the_campaign_says_what_goes(
    otherwise: str, clicks: tuple[int, int], treatment: str, how: str
) -> None:
    run = trying(100, **({"otherwise": otherwise} if otherwise else {}))
    for variant, count in enumerate(clicks):
        clicked(run, variant, count)
    decide(run, timezone.now() + LATER)
    assert (run.decision["treatment"], run.decision["how"]) == (treatment, how)
    assert variants_of(run, rest_of(run)) == {1 if treatment else 0}


def test_a_campaign_may_wait_for_somebody_who_chooses_and_its_people_are_told_once() -> None:
    run = trying(60, otherwise="hand")
    decide(run, timezone.now() + LATER)
    decide(run, timezone.now() + LATER)
    assert run.decision is None and waiting(run) > 0
    told = Notification.objects.filter(kind="campaign_stalled")
    assert told.exists() and told.values("user").distinct().count() == told.count()
    assert "choose the treatment" in waiting_for(run, now=timezone.now() + LATER)
    approver = run.campaign.activated_by
    assert approver is not None
    winners.choose(run.pk, "B", actor=approver, now=timezone.now())
    decide(run, timezone.now())
    assert run.decision["how"] == "hand" and run.decision["by"] == str(approver) and waiting(run) == 0
    entry = AuditEntry.objects.filter(verb="choose_winner").get()
    assert entry.details["treatment"] == "B"


def test_a_choice_is_made_once_by_who_may_publish_and_of_a_treatment_there_is() -> None:
    run = trying(60)
    where = run.campaign.workspace
    with pytest.raises(PermissionMissing):
        winners.choose(run.pk, "B", actor=builders.person(where, "viewer"), now=timezone.now())
    with pytest.raises(Invalid):
        winners.choose(run.pk, "C", actor=SYSTEM, now=timezone.now())
    assert Run.objects.get(pk=run.pk).decision is None and waiting(run) > 0
    winners.choose(run.pk, "A", actor=SYSTEM, now=timezone.now())
    with pytest.raises(IllegalTransition):
        winners.choose(run.pk, "B", actor=SYSTEM, now=timezone.now())
    assert Run.objects.get(pk=run.pk).decision["treatment"] == ""


def test_nothing_is_released_while_paused_and_a_stop_cancels_the_rest() -> None:
    run = trying(60)
    approver = run.campaign.activated_by
    lifecycle.apply(run.campaign, "pause", actor=approver, now=timezone.now())
    assert decide(run, timezone.now() + LATER).decision is None and waiting(run) > 0
    campaign = Campaign.objects.get(pk=run.campaign_id)
    lifecycle.apply(campaign, "stop", actor=approver, now=timezone.now())
    recovery.sweep(now=timezone.now() + LATER)
    run.refresh_from_db()
    assert (run.state, run.decision) == ("stopped", None)
    assert ledger(run).cancelled == len(rest_of(run)) and ledger(run).balances


def test_the_rest_gets_the_winner_in_their_language_and_who_reads_none_is_left_out() -> None:
    offered = {"default": "en", "others": ["zh-Hant"], "when_missing": "exclude"}
    run = trying(150, languages=offered, locales=("en", "zh-TW", "de"))
    winners.choose(run.pk, "B", actor=SYSTEM, now=timezone.now())
    decide(run, timezone.now())
    call_command("deliver")
    run.refresh_from_db()
    definition, (action,) = run.version.definition, run.version.definition["actions"]
    people = Profile.objects.in_bulk(rest_of(run))
    variant, seen = dict(Message.objects.filter(run=run).values_list("ref", "variant")), set()
    for ref, person in people.items():
        attempt = Attempt.objects.get(run=run, ref=ref)
        if person.locale == "de":
            assert (attempt.outcome, attempt.code) == ("excluded", "050026")
        else:
            at = variants.place(action, "B", "zh-Hant" if person.locale == "zh-TW" else "")
            assert (attempt.outcome, variant[ref]) == ("accepted", at)
        seen.add(person.locale)
    assert seen == {"en", "zh-TW", "de"} and definition["languages"] == offered
    assert run.state == "completed" and ledger(run).balances


def test_a_release_that_was_cut_off_goes_on_with_the_next_sweep() -> None:
    run = trying(100)
    clicked(run, 1, 20)
    winners.choose(run.pk, "B", actor=SYSTEM, now=timezone.now())
    first = Batch.objects.filter(run=run, state="waiting").order_by("id").first()
    assert first is not None
    run.refresh_from_db()
    assert winners._release_batch(run, first.pk, timezone.now()) and waiting(run) > 0
    assert not winners._release_batch(run, first.pk, timezone.now())
    recovery.sweep(now=timezone.now())
    assert waiting(run) == 0 and variants_of(run, rest_of(run)) == {1}


def test_the_run_page_and_the_api_choose_too(client: Client) -> None:
    run = trying(60)
    where = run.campaign.workspace
    client.force_login(builders.person(where, "viewer", "looker"))
    page = client.get(f"/campaigns/runs/{run.pk}/").content.decode()
    assert "wait for the winner" in page and "/winner/" not in page
    assert client.post(f"/campaigns/runs/{run.pk}/winner/", {"treatment": "B"}).status_code == 403
    client.force_login(run.campaign.activated_by)
    assert f"/campaigns/runs/{run.pk}/winner/" in client.get(f"/campaigns/runs/{run.pk}/").content.decode()
    assert client.post(f"/campaigns/runs/{run.pk}/winner/", {"treatment": "B"}).status_code == 302
    page = client.get(f"/campaigns/runs/{run.pk}/").content.decode()
    assert "chose “B Shorter” for the rest" in page
    caller = Caller(where, "approver")
    answer = caller.post(f"/api/runs/{run.pk}/winner/", {"treatment": "A"})
    assert answer.status_code == 409 and answer.json()["code"] == "winner_chosen"
    assert caller.get(f"/api/runs/{run.pk}/").json()["winner"]["treatment"] == "B"


def test_the_api_names_a_treatment_that_is_not_there(client: Client) -> None:
    run = trying(60)
    caller = Caller(run.campaign.workspace, "approver")
    told = caller.get(f"/api/runs/{run.pk}/").json()["experiment"]
    assert (told["mode"], told["waiting"], told["weighedAt"]) == ("winner", waiting(run), None)
    assert datetime.fromisoformat(told["decidesAt"]) == run.started_at + timedelta(hours=4)
    assert [one["percent"] for one in told["treatments"]] == [50, 50]
    assert pointers(caller.post(f"/api/runs/{run.pk}/winner/", {"treatment": "Z"})) == [
        ("unknown_treatment", "/treatment")
    ]
    assert (
        Caller(run.campaign.workspace, "viewer")
        .post(f"/api/runs/{run.pk}/winner/", {"treatment": "A"})
        .status_code
        == 403
    )
    told = caller.post(f"/api/runs/{run.pk}/winner/", {"treatment": "A"})
    assert told.status_code == 200 and told.json()["winner"]["how"] == "hand"
