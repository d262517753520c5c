"""Gives the winner of an experiment to the rest: those whose batches wait until the test has told.

After the campaign's hours the treatment that is surely better is taken; where none is, what the campaign
says: the one that leads, the first one, or none until somebody chooses by hand, which can be done at any
time. The decision is written on the run once, with the numbers it was made by, and survives whatever happens
afterwards: batches are released one by one, each in its own transaction, and the sweep goes on where it
stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import SYSTEM, Actor, require
from audiences.query import Query
from campaigns import alerts, variants
from campaigns.delivery import ring
from campaigns.delivery.claims import recount
from campaigns.models import Batch, Campaign, Run, Status
from campaigns.reports import trials
from campaigns.reports.experiments import Arm
from campaigns.reports.treatments import titles_of
from campaigns.reports.trials import FIRST, HAND, LEADING, SURE, Trial
from common.errors import IllegalTransition, Invalid, Problem

PUBLISH = "campaigns.publish_campaign"
DEFAULT_HOURS = 4
PATIENCE = timedelta(hours=24)  # for messages of the test that have not left after its hours

RANGE = "m.run_id = %s AND m.action = %s AND m.slot = %s AND m.ref BETWEEN %s AND %s"
# Who waits is in the run of an audience: the number of the message is that of the person.
PLACE = """
UPDATE campaigns_message m SET variant = COALESCE({variant}, 0) FROM audiences_profile p
WHERE p.id = m.ref AND {range}
"""
EXCLUDE = """
INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at)
SELECT run_id, action, ref, 1, 'excluded', why, %s FROM (
    SELECT m.run_id, m.action, m.ref, {exclusion} AS why
    FROM campaigns_message m JOIN audiences_profile p ON p.id = m.ref WHERE {range}) found
WHERE why IS NOT NULL
"""


@dataclass(frozen=True)
class Standing:
    """How the test of a run stands: `waiting` messages go once it is decided, at `due_at` by itself.

    `trial` is None when it is decided.
    """

    waiting: int
    due_at: datetime | None
    choices: list[tuple[str, str]]
    trial: Trial | None


def standing(run: Run) -> Standing | None:
    """None where the run tests nothing. The run comes with its version."""
    experiment = run.version.definition.get("experiment") or {}
    if experiment.get("mode") != "winner" or run.started_at is None:
        return None
    sizes = Batch.objects.filter(run=run, state=Batch.State.WAITING).values_list("size", flat=True)
    titles = titles_of([run.version])
    choices = [(name, titles.get(name, name)) for name in variants.treatments(experiment)]
    trial = None if run.decision else trials.of_run(run, run.version)
    return Standing(sum(sizes), due_at(run), choices, trial)


def due_at(run: Run) -> datetime | None:
    """When the winner is looked for; None before the run has begun."""
    told = (run.version.definition.get("experiment") or {}).get("winner") or {}
    hours = float(told.get("after_hours") or DEFAULT_HOURS)
    return run.started_at + timedelta(hours=hours) if run.started_at else None


def decide_due(*, now: datetime) -> None:
    """Decides what can be decided, and releases what waits for a decision that is made."""
    waiting = Batch.objects.filter(run=OuterRef("pk"), state=Batch.State.WAITING)
    going = Q(campaign__status=Status.LIVE) | Q(campaign__status=Status.STOPPED)
    rows = Run.objects.filter(going, Exists(waiting), state=Run.State.SENDING)
    for run in rows.select_related("campaign__workspace", "version"):
        if run.decision is None and _is_time(run, now):
            _decide(run, now)
            run.refresh_from_db(fields=["decision"])
        if run.decision is not None:
            _release(run, now)


def choose(run_id: int, treatment: str, *, actor: Actor, now: datetime) -> Run:
    """Somebody decides: the treatment's key, A for the first. The sweep then lets the rest go.

    Raises PermissionMissing, IllegalTransition when it is decided or nobody waits, Invalid for a treatment
    that the run has not.
    """
    with transaction.atomic():
        run = _locked(run_id)
        require(actor, PUBLISH, run.campaign)
        known = _keys(run)
        if treatment not in known:
            detail = _("Give one of: %(known)s.") % {"known": ", ".join(known)}
            raise Invalid(Problem("unknown_treatment", detail, "treatment"))
        if run.decision is not None:
            raise IllegalTransition(_("The winner is chosen already."), code="winner_chosen")
        if not _waits(run):
            raise IllegalTransition(_("Nobody waits for a winner in this run."), code="nobody_waits")
        _write(run, known[treatment], HAND, trials.of_run(run, run.version), actor=actor, now=now)
        return run


def _keys(run: Run) -> dict[str, str]:
    """What treatments are called outside, by A, B …, and inside."""
    experiment = run.version.definition.get("experiment") or {}
    keys = [str(one["key"]) for one in experiment.get("treatments", [])]
    return dict(zip(keys, variants.treatments(experiment), strict=False))


def _waits(run: Run) -> bool:
    waiting = Batch.objects.filter(run=run, state=Batch.State.WAITING)
    return run.state in (Run.State.EXPANDING, Run.State.SENDING) and waiting.exists()


def _locked(run_id: int) -> Run:
    # The campaign is locked before its run, here as in every verb, so that two cannot block each other.
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("workspace").get(runs=run_id)
    run = Run.objects.select_for_update(of=("self",)).select_related("version").get(pk=run_id)
    run.campaign = campaign
    return run


def _is_time(run: Run, now: datetime) -> bool:
    """The hours are over, and what belongs to the test has left, as far as it was due."""
    due = due_at(run)
    if due is None or now < due:
        return False
    is_due = Q(state=Batch.State.CLAIMED) | Q(state=Batch.State.READY, send_after__lte=now)
    return now >= due + PATIENCE or not Batch.objects.filter(is_due, run=run).exists()


@transaction.atomic
def _decide(run: Run, now: datetime) -> None:
    locked = _locked(run.pk)
    if locked.decision is not None or not _waits(locked):
        return
    trial = trials.of_run(locked, locked.version)
    chosen, how = _chosen(locked, trial)
    if chosen is None:
        why = _("Its experiment shows no sure winner. Choose the treatment that the rest gets.")
        once = f"winner:{run.pk}"
        alerts.tell_followers("campaign_stalled", locked.campaign, now=now, comment=why, once=once)
        return
    _write(locked, chosen, how, trial, actor=SYSTEM, now=now)


def _chosen(run: Run, trial: Trial) -> tuple[str | None, str]:
    if trial.best is not None:
        return trial.best.key, SURE
    otherwise = (run.version.definition["experiment"].get("winner") or {}).get("otherwise") or LEADING
    if otherwise == HAND:
        return None, HAND
    arms = [one.arm for one in trial.compared]
    return (_leading(arms, trial), LEADING) if otherwise == LEADING and arms else ("", FIRST)


def _leading(arms: list[Arm], trial: Trial) -> str:
    """The first of those with the best rate."""
    sign = -1 if trial.is_fewer_better else 1
    return max(arms, key=lambda one: sign * (one.rate or 0)).key


def _write(run: Run, treatment: str, how: str, trial: Trial, *, actor: Actor, now: datetime) -> None:
    by = str(actor)[:200] if how == HAND else ""
    run.decision = trials.decision(trial, treatment=treatment, how=how, by=by, at=now)
    run.save(update_fields=["decision"])
    audit.record(
        actor=actor,
        verb="choose_winner",
        obj=run.campaign,
        workspace=run.campaign.workspace,
        now=now,
        run=run.pk,
        treatment=treatment or "A",
        how=how,
    )


# ---- the rest goes ------------------------------------------------------------------------------


def _release(run: Run, now: datetime) -> None:
    waiting = Batch.objects.filter(run=run, state=Batch.State.WAITING).order_by("send_after", "id")
    released = [pk for pk in waiting.values_list("pk", flat=True) if _release_batch(run, pk, now)]
    ring.batches(released)


@transaction.atomic
def _release_batch(run: Run, pk: int, now: datetime) -> bool:
    rows = Batch.objects.select_for_update(skip_locked=True)
    batch = rows.filter(pk=pk, state=Batch.State.WAITING).first()
    if batch is None or run.decision is None:
        return False
    definition = run.version.definition
    action = next(one for one in definition["actions"] if one["position"] == batch.action)
    variant, exclusion = variants.of_treatment(definition, action, run.decision["treatment"])
    within = (run.pk, batch.action, batch.slot, batch.lo, batch.hi)
    with connection.cursor() as cursor:
        _run(cursor, PLACE.format(variant=variant.sql, range=RANGE), variant.params, within)
        _run(cursor, EXCLUDE.format(exclusion=exclusion.sql, range=RANGE), (now,), exclusion.params, within)
        has_excluded = bool(cursor.rowcount)
    batch.state, batch.send_after = Batch.State.READY, max(batch.send_after, now)
    # Who takes it must look for attempts, as after any worker before.
    batch.epoch = 1 if has_excluded else batch.epoch
    batch.save(update_fields=["state", "send_after", "epoch"])
    if has_excluded:
        recount([batch.pk])
    return True


def _run(cursor: Any, sql: str, *params: tuple[Any, ...]) -> None:
    query = Query(sql, tuple(value for part in params for value in part))
    cursor.execute(query.sql, query.params)
