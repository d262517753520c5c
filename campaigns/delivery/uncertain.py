"""What becomes of messages of which nobody knows whether they left: a person or their provider decides.

Arrived and lost settle a message; again sends it once more under the same Message-ID or provider key, by the
ordinary way of a batch, and a run that was over is under way until then. Each decision is one more attempt,
so the ledger tells who decided what and why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from accounts import audit
from accounts.access import SYSTEM, Actor, require
from campaigns.access import PUBLISH
from campaigns.delivery import caps, ring
from campaigns.delivery.claims import LAST_ATTEMPT, recount
from campaigns.models import Attempt, Batch, Campaign, Outcome, Run, Status
from campaigns.reports import counting
from campaigns.reports.metrics import ledger
from channels import warming
from channels.messages import Fact
from channels.messages import Outcome as Said
from common.errors import Conflict, IllegalTransition, Invalid, NotFound, Problem

LONGEST_WHY = 500
MOST = 1000  # messages named in one decision


class Decision(models.TextChoices):
    ARRIVED = "arrived", gettext_lazy("It arrived")
    LOST = "lost", gettext_lazy("It was lost")
    AGAIN = "again", gettext_lazy("Send it again")


# What it becomes, and the reason it is given in the ledger.
BECOMES = {
    Decision.ARRIVED: (Outcome.ACCEPTED, "said_arrived"),
    Decision.LOST: (Outcome.FAILED, "said_lost"),
    Decision.AGAIN: (Outcome.DEFERRED, "said_again"),
}
CODES = [code for _outcome, code in BECOMES.values()]
MAY_SEND_AGAIN = (Status.LIVE, Status.PAUSED, Status.COMPLETED)

ON_THE_PROVIDERS_WORD = {
    Fact.ACCEPTED: (Outcome.ACCEPTED, "provider_knows"),
    Fact.REFUSED: (Outcome.FAILED, "provider_refused"),
}
# No worker has these; while they are locked none can take them.
LOCK = """
SELECT id FROM campaigns_batch
WHERE run_id = %(run)s AND state <> 'claimed' AND tally::text LIKE '%%uncertain%%'
ORDER BY id FOR UPDATE
"""
HAVING = """
SELECT b.id FROM campaigns_batch b
WHERE b.id = ANY(%(batches)s) AND EXISTS (
    SELECT 1 FROM unnest(%(actions)s::smallint[], %(refs)s::bigint[]) AS t(action, ref)
    JOIN campaigns_message m ON m.run_id = b.run_id AND m.action = t.action AND m.ref = t.ref
    WHERE m.action = b.action AND m.slot = b.slot AND m.ref BETWEEN b.lo AND b.hi)
"""
DECIDE = f"""
INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, detail, at, retry_at, provider_id)
SELECT m.run_id, m.action, m.ref, last.n + 1, %(outcome)s, %(code)s, %(detail)s, %(now)s, %(retry_at)s,
       %(provider_id)s
FROM campaigns_batch b
JOIN campaigns_message m ON m.run_id = b.run_id AND m.action = b.action AND m.slot = b.slot
    AND m.ref BETWEEN b.lo AND b.hi {LAST_ATTEMPT}
WHERE b.id = ANY(%(batches)s) AND last.outcome = 'uncertain' AND (%(all)s OR (m.action, m.ref) IN (
    SELECT * FROM unnest(%(actions)s::smallint[], %(refs)s::bigint[])))
RETURNING action, ref
"""


@transaction.atomic
def decide(
    run: Run,
    decision: str,
    *,
    messages: Sequence[tuple[int, int]] | None = None,
    why: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Of the messages named by (action, ref), or of all that are uncertain; returns how many that were.

    Raises Invalid without a reason, NotFound for a message the run does not have, Conflict for one that is
    not uncertain (any more: with who decided it and when) or is being sent, and IllegalTransition where it
    cannot be sent again.
    """
    campaign = Campaign.objects.select_for_update(of=("self",)).get(pk=run.campaign_id)
    require(actor, PUBLISH, campaign)
    outcome, code = BECOMES[Decision(decision)]
    why = _reason(why)
    run = Run.objects.select_for_update().get(pk=run.pk)
    run.campaign = campaign
    _require_open(run, decision)
    chosen = None if messages is None else sorted(set(messages))
    touched = _take(run, chosen)
    said = {"outcome": str(outcome), "code": code, "detail": f"{actor}: {why}"}
    decided = _write(run, touched, chosen, now, **said, retry_at=now if decision == Decision.AGAIN else None)
    if chosen is not None and len(decided) < len(chosen):
        raise _refused(run, min(set(chosen) - set(decided)))
    if not decided:
        raise Conflict(_("No message of this run is uncertain now."), code="not_uncertain")
    recount(touched)
    if decision == Decision.AGAIN:
        _send_again(run, touched, now)
    else:
        _settle(run, decided, str(outcome), now)
    _count_totals(run)
    details = {"run": run.pk, "decision": str(decision), "messages": len(decided), "why": why}
    if chosen is not None:
        details["named"] = [f"{run.pk}.{action}.{ref}" for action, ref in chosen[:20]]
    audit.record(
        actor=actor, verb="decide_uncertain", obj=campaign, workspace=campaign.workspace, now=now, **details
    )
    return len(decided)


@transaction.atomic
def told(run_id: int, answers: Mapping[tuple[int, int], Said], *, now: datetime) -> int:
    """What the provider knew of messages named by (action, ref); how many were uncertain until now.

    Whatever a person decided meanwhile stands.
    """
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("workspace").get(runs=run_id)
    run = Run.objects.select_for_update().get(pk=run_id)
    known = {message: said for message, said in answers.items() if said.fact in ON_THE_PROVIDERS_WORD}
    touched = _take(run, sorted(known)) if known and not run.dropped_at else []
    settled = 0
    for message, said in known.items() if touched else ():
        outcome, code = ON_THE_PROVIDERS_WORD[said.fact]
        values = {"outcome": str(outcome), "code": code, "detail": said.detail[:LONGEST_WHY] or None}
        decided = _write(run, touched, [message], now, **values, provider_id=said.provider_id[:128] or None)
        _settle(run, decided, str(outcome), now)
        settled += len(decided)
    if settled:
        recount(touched)
        _count_totals(run)
        details = {"run": run.pk, "messages": settled}
        audit.record(
            actor=SYSTEM, verb="ask_provider", obj=campaign, workspace=campaign.workspace, now=now, **details
        )
    return settled


def _take(run: Run, chosen: list[tuple[int, int]] | None) -> list[int]:
    """Locks the batches of the chosen, or of all that are uncertain, and takes what they count out of the
    reports, until they are counted anew.
    """
    counting.hold()
    values: dict[str, Any] = {"run": run.pk}
    with connection.cursor() as cursor:
        cursor.execute(LOCK, values)
        batches = [pk for (pk,) in cursor.fetchall()]
        if chosen is not None:
            cursor.execute(HAVING, {"batches": batches, **_named(chosen)})
            batches = [pk for (pk,) in cursor.fetchall()]
    counting.take_back(batches)
    return batches


def _write(
    run: Run, batches: list[int], chosen: list[tuple[int, int]] | None, now: datetime, **said: Any
) -> list[tuple[int, int]]:
    """One more attempt for each of the chosen that is uncertain; which those were."""
    values = {"retry_at": None, "provider_id": None, **said, "run": run.pk, "batches": batches, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(DECIDE, {**values, "all": chosen is None, **_named(chosen or [])})
        return list(cursor.fetchall())


def _named(chosen: list[tuple[int, int]]) -> dict[str, list[int]]:
    return {"actions": [action for action, _ref in chosen], "refs": [ref for _action, ref in chosen]}


def _count_totals(run: Run) -> None:
    if run.finished_at:
        run.totals = asdict(ledger(run))
        run.save(update_fields=["totals"])


def _reason(why: str) -> str:
    why = why.strip()
    if not why:
        raise Invalid(
            Problem("why_missing", _("Say how you know; it stands in the message’s story."), "/why")
        )
    if len(why) > LONGEST_WHY:
        detail = _("Give the reason in at most %(most)s characters.") % {"most": LONGEST_WHY}
        raise Invalid(Problem("why_too_long", detail, "/why"))
    return why


def _require_open(run: Run, decision: str) -> None:
    if run.dropped_at:
        raise Conflict(_("The messages of this run were dropped after their time."), code="messages_dropped")
    if decision != Decision.AGAIN:
        return
    status = run.campaign.status
    if run.state not in (Run.State.SENDING, Run.State.COMPLETED) or status not in MAY_SEND_AGAIN:
        named = {"run": run.get_state_display(), "campaign": run.campaign.get_status_display()}
        detail = _("Nothing can be sent again: the run is “%(run)s”, the campaign “%(campaign)s”.")
        raise IllegalTransition(detail % named, state=status)


def _refused(run: Run, message: tuple[int, int]) -> Exception:
    """Why one of the messages could not be decided."""
    action, ref = message
    attempts = Attempt.objects.filter(run=run, action=action, ref=ref).order_by("-n")
    last = attempts.first()
    if last is None:
        return NotFound(_("There is no such message, or it was dropped after its time."))
    if last.outcome == Outcome.UNCERTAIN:
        return Conflict(_("The message is being sent again just now. Wait a moment."), code="being_sent")
    if by_hand := attempts.filter(code__in=CODES).first():
        at = formats.date_format(timezone.localtime(by_hand.at), pgettext("date", "j M Y, H:i"))
        detail = _("It was decided already, at %(at)s, by %(who)s") % {"at": at, "who": by_hand.detail}
        return Conflict(
            detail, code="already_decided", decidedAt=by_hand.at.isoformat(), decidedBy=by_hand.detail
        )
    outcome = {"outcome": last.get_outcome_display()}
    return Conflict(_("The message is not uncertain: it is “%(outcome)s”.") % outcome, code="not_uncertain")


def _send_again(run: Run, batches: list[int], now: datetime) -> None:
    """They are due now; what held them until now, of caps and volumes, is asked for anew."""
    rows = Batch.objects.filter(pk__in=batches)
    rows.update(
        state=Batch.State.READY, send_after=now, claims=0, in_flight=None, finished_at=None, rung_at=None
    )
    if run.state == Run.State.COMPLETED:
        run.state, run.finished_at = Run.State.SENDING, None
        run.save(update_fields=["state", "finished_at"])
    for lane in Batch.Lane.values:
        ring.batches(list(rows.filter(lane=lane).values_list("pk", flat=True)[: ring.MOST]), lane)


def _settle(run: Run, decided: list[tuple[int, int]], outcome: str, now: datetime) -> None:
    """What caps and warm-up plans kept for them counts, or is given back."""
    by_action: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for action, ref in decided:
        by_action[action].append((ref, outcome))
    for action, tried in by_action.items():
        caps.settle((run.pk, action), tried, now=now)
        warming.settle((run.pk, action), tried, now=now)
