"""The last look's second half, for one batch at once: allowed list, twelve hours, quiet hours, caps, warm-up.

Who is not reachable at all was taken out before (audiences/lastlook.py). Allowed list and the twelve hours
hold for every message; caps and quiet hours for marketing only, and never for a proof; a warm-up plan for
all that its configuration sends, proofs too. What they say is read anew for each batch, so an edit counts at
once.

A message beyond the day's volume of a warm-up plan waits for the next day, and is never left out for that:
the twelve hours that a run with a delivery rate may last (catalogue 1.34) begin anew with each of the plan's
days, and with the day after its last one. They bound one day's sending, not how many days it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Min

from audiences.models import Profile
from campaigns.delivery import caps
from campaigns.delivery.caps import Cap
from campaigns.delivery.claims import Tried
from campaigns.delivery.due import Due
from campaigns.models import Attempt, CapTally, Outcome, Run
from channels import allowed, quiet, warming
from channels.models import Rule, RuleState
from channels.quiet import Period
from channels.windows import window_start
from common import prepared

OVER_CAP, QUIET, NOT_REACHED, WARM_UP = "050002", "quiet_hours", "not_reached", "warm_up"
LONGEST_RUN = timedelta(hours=12)  # of a campaign with a delivery rate (catalogue 1.34)
LONGEST_QUEUED = timedelta(days=7)  # in quiet hours (catalogue 1.46)

THERE = """
SELECT EXISTS (SELECT FROM channels_allowedlist WHERE workspace_id = %(workspace)s AND is_active),
    EXISTS (SELECT FROM channels_rule r JOIN channels_ruleset s ON s.id = r.rule_set_id
            WHERE s.workspace_id = %(workspace)s AND s.state = 'active' AND r.state = 'active')
        OR EXISTS (SELECT FROM campaigns_captally WHERE workspace_id = %(workspace)s),
    EXISTS (SELECT FROM channels_warmupplan WHERE configuration_id = %(configuration)s AND state = 'live')
"""


@dataclass
class Looked:
    """`due` may leave; `tried` are exclusions, and those put off until a quiet time ends or a new day begins.

    `until` is when the batch as a whole is due again, where nobody of it may leave now and no attempt need
    say so; `leaves_before` is when this look is no longer good. `holds`: what may leave counts already.
    """

    due: list[Due]
    tried: list[Tried] = field(default_factory=list)
    until: datetime | None = None
    leaves_before: datetime | None = None
    holds: bool = False

    def put_off(self, one: Due, until: datetime, code: str = QUIET) -> None:
        self.tried.append(Tried(one.ref, one.n, Outcome.DEFERRED, code, retry_at=until, before=one.before))

    def exclude(self, one: Due, code: str, outcome: str = Outcome.EXCLUDED) -> None:
        self.tried.append(Tried(one.ref, one.n, outcome, code, before=one.before))


def look(
    run: Run, action: dict[str, Any], due: Sequence[Due], *, is_whole: bool = False, now: datetime
) -> Looked:
    """Of the messages of one action of a run that are due; `is_whole` when no other message of their batch is
    still open.
    """
    definition, there = run.version.definition, _there(run, action)
    found = Looked(list(due))
    if found.due and definition.get("rate") and _is_over(run, action, now):
        for one in found.due:
            found.exclude(one, NOT_REACHED)
        found.due = []
    if found.due and there.allowed_list and action["channel"] == "email":
        _allowed(run, found)
    is_ruled = definition["category"] == "marketing" and run.kind != Run.Kind.PROOF
    if found.due and there.rules and is_ruled:
        rules = _rules(run, definition.get("rule_set"), str(action["channel"]))
        _quiet(run, action, [one for one in rules if one.kind == Rule.Kind.QUIET], found, now)
        _caps(run, action, [one for one in rules if one.kind == Rule.Kind.CAP], found, now)
    if found.due and there.plan and action["channel"] == "email":
        _warm_up(run, action, found, is_whole, now)
    return found


class _There(NamedTuple):
    """What there is to be looked at. `rules`, or what the caps of earlier ones have counted."""

    allowed_list: bool
    rules: bool
    plan: bool


def _there(run: Run, action: dict[str, Any]) -> _There:
    """In one query instead of one for each, as most workspaces have none of it."""
    values = {"workspace": run.campaign.workspace_id, "configuration": action["configuration"]}
    with prepared.cursor() as cursor:
        found: Any = cursor.execute(THERE, values).fetchone()
    return _There(*found)


def _is_over(run: Run, action: dict[str, Any], now: datetime) -> bool:
    """Whether the twelve hours are over, counted as the module's text says."""
    began = run.started_at
    if run.decision:  # the rest of an experiment begins when its winner is known
        began = datetime.fromisoformat(run.decision["at"])
    if began is None or now - began < LONGEST_RUN:
        return False
    waited = warming.last_wait_ended(action["configuration"], now)
    return waited is None or now - waited >= LONGEST_RUN


def _rules(run: Run, rule_set_id: int | None, channel: str) -> list[Rule]:
    """The active rules about the channel, of the global set and of the campaign's own."""
    rows = Rule.objects.filter(
        rule_set__workspace=run.campaign.workspace_id,
        rule_set__state=RuleState.ACTIVE,
        state=RuleState.ACTIVE,
        channels__contains=[channel],
    ).select_related("rule_set")
    return [row for row in rows if row.rule_set.is_global or row.rule_set_id == rule_set_id]


def _allowed(run: Run, found: Looked) -> None:
    blocked = allowed.not_allowed(run.campaign.workspace_id, [one.address for one in found.due])
    for place, code in blocked.items():
        found.exclude(found.due[place], code)
    found.due = [one for place, one in enumerate(found.due) if place not in blocked]


# ---- quiet hours --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Asleep:
    """`ends` None: never. Queued messages go then; the others are not sent."""

    ends: datetime | None
    is_queued: bool


def _quiet(run: Run, action: dict[str, Any], rules: list[Rule], found: Looked, now: datetime) -> None:
    if not rules:
        return
    zones = _zones(rules, found.due)
    default = run.campaign.workspace.time_zone
    of_zone = {zone: asleep(rules, zone, default, now) for zone in set(zones.values())}
    sleepers = [(one, of_zone[zones[one.ref]]) for one in found.due if of_zone[zones[one.ref]]]
    first = _first_held(run, action["position"], [one.ref for one, _sleep in sleepers])
    for one, sleep in sleepers:
        if sleep is None or not sleep.is_queued:
            found.exclude(one, QUIET)
        elif sleep.ends is None or sleep.ends - first.get(one.ref, now) > LONGEST_QUEUED:
            found.exclude(one, QUIET, Outcome.EXPIRED)
        else:
            found.put_off(one, sleep.ends)
    gone = {one.ref for one, _sleep in sleepers}
    found.due = [one for one in found.due if one.ref not in gone]


def asleep(rules: Sequence[Rule], zone: str, default: str, now: datetime) -> Asleep | None:
    """Whether it is quiet now for somebody of this zone; a rule's own zone stands above it.

    Who has no zone, or one that nobody knows, is taken to live in the rule's default or in `default`.
    """
    read = [
        (
            rule,
            quiet.periods_of(rule.periods),
            quiet.known_zone(rule.zone or zone, rule.default_zone, default),
        )
        for rule in rules
    ]
    try:
        hushed = [rule for rule, periods, at in read if quiet.ends_at(periods, at, now)]
        if not hushed:
            return None
        if any(rule.handling == Rule.Handling.DISCARD for rule in hushed):
            return Asleep(None, is_queued=False)
        return Asleep(_all_over(read, now), is_queued=True)
    except OverflowError:
        return Asleep(None, is_queued=True)


def _all_over(read: Sequence[tuple[Rule, tuple[Period, ...], str]], now: datetime) -> datetime:
    """When none of the rules is quiet any more: the end of one may lie in the hours of another."""
    at = now
    for _turn in range(quiet.LONGEST_RUN):
        ends = [end for _rule, periods, zone in read if (end := quiet.ends_at(periods, zone, at))]
        if not ends:
            return at
        at = max(ends)
    raise OverflowError("these quiet hours never end")


def _zones(rules: list[Rule], due: list[Due]) -> dict[int, str]:
    """Each ref's own zone, or nothing; asked only when a rule goes by it."""
    if all(rule.zone for rule in rules):
        return {one.ref: "" for one in due}
    people = Profile.objects.filter(pk__in=[one.profile_id for one in due if one.profile_id])
    named = dict(people.exclude(time_zone="").values_list("pk", "time_zone"))
    return {one.ref: named.get(one.profile_id or 0, "") for one in due}


def _first_held(run: Run, position: int, refs: list[int]) -> dict[int, datetime]:
    """When each of them was put off for the first time."""
    if not refs:
        return {}
    rows = Attempt.objects.filter(run=run, action=position, ref__in=refs, code=QUIET).order_by()
    return dict(rows.values("ref").annotate(first=Min("at")).values_list("ref", "first"))


# ---- caps ---------------------------------------------------------------------------------------
def _caps(run: Run, action: dict[str, Any], rules: list[Rule], found: Looked, now: datetime) -> None:
    workspace_id = run.campaign.workspace_id
    if rules:
        caps.begin(workspace_id, now=now)
    elif not CapTally.objects.filter(workspace=workspace_id).exists():
        return
    found.holds = True
    over = caps.hold(
        (run.pk, action["position"]),
        [(one.ref, one.profile_id) for one in found.due if one.profile_id],
        workspace_id=workspace_id,
        channel=str(action["channel"]),
        caps=[
            Cap(tuple(rule.channels), rule.count, window_start(now, rule.every, rule.unit)) for rule in rules
        ],
        now=now,
    )
    for one in found.due:
        if one.ref in over:
            found.exclude(one, OVER_CAP)
    found.due = [one for one in found.due if one.ref not in over]


# ---- warm-up plans ------------------------------------------------------------------------------
def _warm_up(run: Run, action: dict[str, Any], found: Looked, is_whole: bool, now: datetime) -> None:
    day = warming.of(action["configuration"], now)
    if day is None:
        return
    found.holds = True
    places = (run.pk, action["position"])
    waits = warming.hold(places, [(one.ref, one.address) for one in found.due], found=day, now=now)
    waiting = [one for one in found.due if one.ref in waits]
    found.due = [one for one in found.due if one.ref not in waits]
    found.leaves_before = day.next_at
    is_deferred = any(one.outcome == Outcome.DEFERRED for one in found.tried)
    if waiting and is_whole and not found.due and not is_deferred:
        found.until = min(waits.values())  # a batch that waits day by day need not write a row for each
        return
    for one in waiting:
        found.put_off(one, waits[one.ref], WARM_UP)
