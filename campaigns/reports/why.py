"""“Why did (or didn't) this person get it?”: each run, and what became of its messages to one person.

Receives a person and the campaigns the reader may see. What was written down is told from its rows, found by
the primary key (in the run of an audience a message's number is its person's) or by the index of messages to
named people, in five queries however many runs there are. The fan-out writes a row for everybody it meets,
those it leaves out as well, so no row means that the person was not in the audience then, or that the run
never came to them. Why not is nowhere kept: `asked_anew` puts the run's own rule to the person as they are
known today, and says what a run begun now would do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.access import Actor, behind_labels, visible_to
from audiences import evaluate
from audiences.definitions import names_hidden
from audiences.explain import Explained
from audiences.models import Audience, Profile
from audiences.reachability import CHANNELS
from audiences.rules import references
from audiences.timelimit import limited
from campaigns import access, foreseen
from campaigns.delivery import fanout
from campaigns.delivery.limits import OVER_CAP
from campaigns.models import Campaign, Event, Message, Outcome, Run
from campaigns.reports.metrics import NAMED, REASON_LABELS, told
from common.errors import CarillonError

REPORT = "campaigns.view_report"
TO_GO = "to_go"
MOST_SHOWN = 200  # messages of one page of runs: only a standing run has many to one person
PATIENCE = 1_500  # milliseconds the rule may take

ASK = """
WITH page AS MATERIALIZED ({people}), sent AS NOT MATERIALIZED ({sent})
SELECT m.action, COALESCE(m.why, CASE WHEN m.is_over THEN '{over_cap}' END, '')
FROM {looked} m ORDER BY m.action
"""


@dataclass(frozen=True)
class Told:
    """One message. `outcome` is its last attempt's, or to_go; `reason` and `happened` are in words."""

    message: Message
    channel: str
    outcome: str
    label: str
    code: str
    reason: str
    detail: str
    at: datetime | None
    happened: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.message.run_id}.{self.message.action}.{self.message.ref}"


@dataclass(frozen=True)
class OfRun:
    """Without a message, `sentence` says why there is none."""

    run: Run
    messages: list[Told]
    sentence: str = ""

    @property
    def can_ask(self) -> bool:
        """Whether the run's rule says more than the sentence."""
        return not self.messages and self.run.kind != Run.Kind.STANDING


@dataclass(frozen=True)
class Anew:
    """What the run's rule says of the person today. `fault` says why nothing can be told, or not all.

    `would` is (channel, reason in words) for each message a run begun now would write; an empty reason means
    that it would be sent.
    """

    is_member: bool | None = None
    conditions: Explained | None = None
    would: list[tuple[str, str]] = field(default_factory=list)
    fault: str = ""


def runs_of(actor: Actor, person: Profile, *, is_considered: bool = True) -> QuerySet[Run]:
    """The runs of all campaigns whose reports the actor may see, the newest first; no proofs.

    `is_considered`: only those that wrote something down for the person.
    """
    mine = visible_to(actor, access.list_for(actor, person.workspace), REPORT)
    rows = Run.objects.filter(campaign__in=mine).exclude(kind=Run.Kind.PROOF)
    if is_considered:
        own = Message.objects.filter(run=OuterRef("pk"), ref=person.pk, profile=person.pk)
        named = Message.objects.filter(NAMED, profile=person.pk).values("run")
        rows = rows.filter(Q(Exists(own)) | Q(pk__in=named))
    return rows.select_related("campaign", "version").order_by("-due_at", "-pk")


def tell(runs: Iterable[Run], person: Profile) -> list[OfRun]:
    """The runs with their campaign and version; in the same order, in two queries."""
    shown = list(runs)
    written = _written(shown, person)
    happened = _happened(written)
    by_run: dict[int, list[Told]] = defaultdict(list)
    of_run = {run.pk: run for run in shown}
    for one in written:
        key = (one.run_id, one.action, one.ref)
        by_run[one.run_id].append(_told(one, of_run[one.run_id], happened.get(key, [])))
    return [
        OfRun(run, by_run.get(run.pk, []), "" if run.pk in by_run else _no_message(run, person))
        for run in shown
    ]


def _written(runs: Sequence[Run], person: Profile) -> list[Any]:
    keys = [run.pk for run in runs]
    own = Q(ref=person.pk, profile=person.pk)
    rows = Message.objects.filter(own | (NAMED & Q(profile=person.pk)), run__in=keys)
    return list(told(rows).order_by("-run", "-ref", "action")[:MOST_SHOWN])


def _happened(written: Sequence[Message]) -> dict[tuple[int, int, int], list[str]]:
    """What people and machines did with each message, in words, once each."""
    kinds, found = dict(Event.Kind.choices), dict[tuple[int, int, int], list[str]]()
    rows = Event.objects.filter(
        run__in={one.run_id for one in written},
        kind__in=Event.Kind.values,
        action__in={one.action for one in written},
        ref__in={one.ref for one in written},
    )
    for run, action, ref, kind, machine in rows.order_by("id").values_list(
        "run", "action", "ref", "kind", "machine"
    ):
        label = str(kinds[kind])
        word = _("%(what)s by a machine") % {"what": label} if machine else label
        told_so_far = found.setdefault((run, action, ref), [])
        if word not in told_so_far:
            told_so_far.append(word)
    return found


def _told(message: Any, run: Run, happened: list[str]) -> Told:
    outcome, code = message.outcome or TO_GO, message.code or ""
    labels: dict[str, Any] = {**dict(Outcome.choices), TO_GO: _("Still to go")}
    reason = "" if outcome == Outcome.ACCEPTED else str(REASON_LABELS.get(code, code))
    return Told(
        message=message,
        channel=_channel(run, message.action),
        outcome=outcome,
        label=str(labels[outcome]),
        code=code,
        reason=reason,
        detail=message.detail or "",
        at=message.at,
        happened=happened,
    )


def _channel(run: Run, action: int) -> str:
    found = (one["channel"] for one in run.version.definition["actions"] if one["position"] == action)
    return str(CHANNELS.get(next(found, ""), ""))


def _no_message(run: Run, person: Profile) -> str:
    if run.dropped_at:
        return _("Its messages were dropped after their time; only its totals are kept.")
    if run.kind == Run.Kind.STANDING:
        return _("No call has named this person.")
    if run.state == Run.State.MISSED:
        return _("The run was missed: nobody got anything.")
    if run.state == Run.State.DUE:
        return _("The run has not begun yet.")
    if run.ceiling is not None and person.pk > run.ceiling:
        return _("This person was added after the run had begun.")
    if run.expanded_at is None and run.cursor < person.pk:
        if run.state == Run.State.EXPANDING:
            return _("The run has not come to this person yet.")
        return _("The run ended before it came to this person.")
    return _("Not in its audience when it began.")


# ---- the rule, asked anew -----------------------------------------------------------------------


def asked_anew(run: Run, person: Profile, *, actor: Actor, now: datetime) -> Anew:
    """The run's frozen rule about the person as they are known now; of a standing run there is none."""
    if run.kind == Run.Kind.STANDING:
        return Anew()
    definition = run.audience or run.version.definition["audience"]
    if _is_hidden(definition, run.campaign, actor):
        return Anew(fault=_("You may not see its audience, so its conditions are not told."))
    try:
        with limited(PATIENCE):
            conditions = evaluate.explain(definition, person)
            would = _would(run, person, now) if conditions.met else []
    except OperationalError:
        return Anew(fault=_("Asking this takes too long at the moment."))
    except CarillonError as error:
        return Anew(fault=_("Its rule cannot be asked any more: %(why)s") % {"why": error.detail})
    return Anew(conditions.met, conditions, would)


def _is_hidden(definition: dict[str, Any], campaign: Campaign, actor: Actor) -> bool:
    if behind_labels(actor, Audience, {definition["id"]}):
        return True
    return names_hidden(references.tree_of(definition), campaign.workspace, actor)


def _would(run: Run, person: Profile, now: datetime) -> list[tuple[str, str]]:
    definition = run.version.definition
    people, sent = fanout.statement(run, now, person=person.pk)
    looked = foreseen.looked(definition, run.campaign.workspace_id, now)
    query = ASK.format(people=people.sql, sent=sent.sql, looked=looked.sql, over_cap=OVER_CAP)
    with connection.cursor() as cursor:
        cursor.execute(query, (*people.params, *sent.params, *looked.params))
        found = cursor.fetchall()
    return [(_channel(run, action), str(REASON_LABELS.get(code, code))) for action, code in found]
