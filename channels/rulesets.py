"""The verbs of rule sets and their rules: create, change, activate, deactivate, delete.

A draft may be deleted; what was active once can only be switched off, and on again. An edit counts at once,
also for runs that are sending. The counters of caps do not know the rules: no verb sets them back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, may, require
from accounts.models import User, Workspace
from channels import quiet
from channels.access import MANAGE, VIEW
from channels.kinds import KINDS
from channels.models import Rule, RuleSet, RuleState
from channels.windows import MOST
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.names import clean_name

MOST_ACTIVE, MOST_RULES, MOST_COUNT = 10, 20, 1_000_000
SWITCHES = {
    "activate": ((RuleState.DRAFT, RuleState.INACTIVE), RuleState.ACTIVE),
    "deactivate": ((RuleState.ACTIVE,), RuleState.INACTIVE),
}


@dataclass(frozen=True)
class RuleValues:
    """What somebody gives for a rule; of a cap and of quiet hours each only their own part counts."""

    name: str
    kind: str
    channels: tuple[str, ...]
    count: int = 1
    unit: str = Rule.Unit.WEEK
    every: int = 1
    zone: str = ""
    default_zone: str = ""
    handling: str = Rule.Handling.QUEUE
    periods: list[dict[str, Any]] = field(default_factory=list)


# ---- the gate -----------------------------------------------------------------------------------
def sets_for(actor: Actor, workspace: Workspace) -> QuerySet[RuleSet]:
    """All of the workspace's, the global one first."""
    require(actor, VIEW, workspace)
    return RuleSet.objects.filter(workspace=workspace)


def set_for(actor: Actor, pk: int, permission: str = VIEW) -> RuleSet:
    row = RuleSet.objects.select_related("workspace").filter(pk=pk).first()
    if row is None or not may(actor, VIEW, row.workspace):
        raise NotFound(_("There is no such rule set, or you may not see it."))
    if permission != VIEW:
        require(actor, permission, row.workspace)
    return row


def rule_of(rule_set: RuleSet, pk: int) -> Rule:
    rule = rule_set.rules.select_related("rule_set__workspace").filter(pk=pk).first()
    if rule is None:
        raise NotFound(_("There is no such rule in this set."))
    return rule


def make_global(workspace: Workspace) -> None:
    """The set that holds for every marketing message; a workspace is born with it."""
    RuleSet.objects.create(workspace=workspace, name="Global default", is_global=True, state=RuleState.ACTIVE)


def possible(row: RuleSet | Rule) -> list[str]:
    """The verbs that may be done now, whoever asks."""
    verbs = [verb for verb, (sources, _target) in SWITCHES.items() if row.state in sources]
    return ["change", *verbs, *(["delete"] if row.state == RuleState.DRAFT else [])]


# ---- sets ---------------------------------------------------------------------------------------
@transaction.atomic
def create(workspace: Workspace, *, name: str, description: str = "", actor: Actor, now: datetime) -> RuleSet:
    require(actor, MANAGE, workspace)
    made = RuleSet(
        workspace=workspace,
        name=clean_name(name),
        description=description.strip()[:500],
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
        changed_at=now,
    )
    _save(made)
    _note("create", made, actor, now)
    return made


@transaction.atomic
def change(rule_set: RuleSet, *, name: str, description: str, actor: Actor, now: datetime) -> RuleSet:
    row = _locked(rule_set, "change", actor)
    row.name, row.description, row.changed_at = clean_name(name), description.strip()[:500], now
    _save(row)
    _note("change", row, actor, now)
    return row


@transaction.atomic
def switch(rule_set: RuleSet, verb: str, *, actor: Actor, now: datetime) -> RuleSet:
    """`activate` or `deactivate`."""
    row = _locked(rule_set, verb, actor)
    if verb == "activate" and not row.is_global:
        active = RuleSet.objects.filter(workspace=row.workspace, is_global=False, state=RuleState.ACTIVE)
        if active.count() >= MOST_ACTIVE:
            detail = _("At most %(most)s rule sets can be active. Deactivate another one first.")
            raise IllegalTransition(detail % {"most": MOST_ACTIVE}, code="too_many_active", state=row.state)
    row.state, row.changed_at = SWITCHES[verb][1], now
    row.save(update_fields=["state", "changed_at"])
    _note(verb, row, actor, now)
    return row


@transaction.atomic
def delete(rule_set: RuleSet, *, actor: Actor, now: datetime) -> None:
    row = _locked(rule_set, "delete", actor)
    _note("delete", row, actor, now)
    row.delete()


# ---- rules --------------------------------------------------------------------------------------
@transaction.atomic
def add_rule(rule_set: RuleSet, values: RuleValues, *, actor: Actor, now: datetime) -> Rule:
    """A draft; it counts once it is active and its set is."""
    row = _locked(rule_set, "change", actor)
    if row.rules.count() >= MOST_RULES:
        detail = _("A rule set holds at most %(most)s rules.") % {"most": MOST_RULES}
        raise Invalid(Problem("too_many_rules", detail))
    rule = Rule(rule_set=row)
    _fill(rule, values)
    _save(rule)
    _note("add_rule", row, actor, now, rule=rule.name)
    return rule


@transaction.atomic
def change_rule(rule: Rule, values: RuleValues, *, actor: Actor, now: datetime) -> Rule:
    row = _locked(rule.rule_set, "change", actor)
    if values.kind != rule.kind:
        raise Invalid(Problem("kind_fixed", _("A rule keeps its kind. Add another rule."), "kind"))
    _fill(rule, values)
    _save(rule)
    _note("change_rule", row, actor, now, rule=rule.name)
    return rule


@transaction.atomic
def switch_rule(rule: Rule, verb: str, *, actor: Actor, now: datetime) -> Rule:
    row = _locked(rule.rule_set, "change", actor)
    _allowed(rule, verb)
    rule.state = SWITCHES[verb][1]
    rule.save(update_fields=["state"])
    _note(f"{verb}_rule", row, actor, now, rule=rule.name)
    return rule


@transaction.atomic
def delete_rule(rule: Rule, *, actor: Actor, now: datetime) -> None:
    row = _locked(rule.rule_set, "change", actor)
    _allowed(rule, "delete")
    _note("delete_rule", row, actor, now, rule=rule.name)
    rule.delete()


# ---- parts --------------------------------------------------------------------------------------
def _locked(rule_set: RuleSet, verb: str, actor: Actor) -> RuleSet:
    """The set's row, locked, if the actor may do this and it can be done now."""
    require(actor, MANAGE, rule_set.workspace)
    rows = RuleSet.objects.select_for_update(of=("self",)).select_related("workspace")
    row = rows.filter(pk=rule_set.pk).first()
    if row is None:
        raise NotFound(_("There is no such rule set, or you may not see it."))
    _allowed(row, verb)
    return row


def _allowed(row: RuleSet | Rule, verb: str) -> None:
    if verb not in possible(row):
        detail = _("This is not possible while it is in the state “%(state)s”.")
        shown = {"state": row.get_state_display()}
        raise IllegalTransition(detail % shown, state=row.state, possible=possible(row))


def _fill(rule: Rule, values: RuleValues) -> None:
    """Writes the values into the rule, checked. Raises Invalid with the field's name as pointer."""
    rule.name, rule.kind = clean_name(values.name), values.kind
    rule.channels = _channels(values.channels)
    if values.kind == Rule.Kind.CAP:
        _fill_cap(rule, values)
    elif values.kind == Rule.Kind.QUIET:
        _fill_quiet(rule, values)
    else:
        raise Invalid(Problem("bad_kind", _("A rule is a frequency cap or quiet hours."), "kind"))


def _fill_cap(rule: Rule, values: RuleValues) -> None:
    if values.unit not in MOST:
        raise Invalid(Problem("bad_unit", _("Choose hours, days, weeks or months."), "unit"))
    for pointer, value, most in (
        ("count", values.count, MOST_COUNT),
        ("every", values.every, MOST[values.unit]),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            detail = _("Give a whole number from 1 to %(most)s.") % {"most": most}
            raise Invalid(Problem("bad_number", detail, pointer))
    rule.count, rule.unit, rule.every = values.count, values.unit, values.every


def _fill_quiet(rule: Rule, values: RuleValues) -> None:
    if rule.rule_set.is_global:
        detail = _("The global rule set holds frequency caps only. Make a set of its own for quiet hours.")
        raise Invalid(Problem("quiet_in_global", detail, "kind"))
    if values.handling not in Rule.Handling.values:
        raise Invalid(Problem("bad_handling", _("Choose to queue or to discard."), "handling"))
    periods = quiet.cleaned(values.periods)
    rule.zone = quiet.cleaned_zone(values.zone, "zone")
    rule.default_zone = quiet.cleaned_zone(values.default_zone, "default_zone")
    try:
        quiet.ends_at(quiet.periods_of(periods), "UTC", datetime(2026, 1, 5, tzinfo=UTC))
    except OverflowError as error:
        detail = _("These quiet hours would never end.")
        raise Invalid(Problem("never_ends", detail, "periods")) from error
    rule.handling, rule.periods = values.handling, periods


def _channels(given: tuple[str, ...]) -> list[str]:
    wanted = list(dict.fromkeys(given))
    if not wanted or not set(wanted) <= set(KINDS):
        detail = _("Choose at least one of these channels: %(known)s.") % {"known": ", ".join(KINDS)}
        raise Invalid(Problem("bad_channels", detail, "channels"))
    return wanted


def _save(row: RuleSet | Rule) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Invalid(Problem("name_taken", _("This name is taken. Choose another one."), "name")) from error


def _note(verb: str, row: RuleSet, actor: Actor, now: datetime, **details: str) -> None:
    audit.record(actor=actor, verb=verb, obj=row, workspace=row.workspace, now=now, **details)
