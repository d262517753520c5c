"""The verbs of warm-up plans: create, change, start, complete, delete.

A plan limits what leaves over one marketing email configuration, for every campaign and proof together,
until its last day is over. It may be changed while it is live: that counts at once. What was started stays,
as the record of what was sent; only a plan that never started can be deleted (catalogue 7.43). `warming.py`
keeps the volumes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require, visible_to
from accounts.models import User, Workspace
from channels import warming
from channels.access import MANAGE, VIEW, list_for
from channels.domaingroups import LABELS, OTHERS
from channels.limits import DOMAIN
from channels.models import ChannelConfiguration, WarmupPlan
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.names import clean_name

MOST_DAYS, MOST_GROUPS, MOST_DOMAINS, MOST_VOLUME = 180, 30, 500, 100_000_000
GROUP = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
State = WarmupPlan.State
POSSIBLE: dict[str, tuple[str, ...]] = {
    State.NOT_STARTED: ("change", "start", "delete"),
    State.LIVE: ("change", "complete"),
    State.COMPLETED: (),
}


@dataclass(frozen=True)
class PlanValues:
    """`days` holds the messages of each day by group; all days name the same groups, “others” among them."""

    name: str
    configuration: ChannelConfiguration
    days: Sequence[Mapping[str, Any]]
    description: str = ""
    own_groups: Mapping[str, str] = field(default_factory=dict)


# ---- the gate -----------------------------------------------------------------------------------
def plans_for(actor: Actor, workspace: Workspace) -> QuerySet[WarmupPlan]:
    """Those of the configurations that the actor may see."""
    seen = list_for(actor, workspace)
    rows = WarmupPlan.objects.filter(workspace=workspace, configuration__in=seen)
    return rows.select_related("configuration", "workspace")


def plan_for(actor: Actor, pk: int, permission: str = VIEW) -> WarmupPlan:
    seen = visible_to(actor, ChannelConfiguration.objects.all(), VIEW)
    rows = WarmupPlan.objects.select_related("workspace", "configuration__workspace")
    row = rows.filter(pk=pk, configuration__in=seen).first()
    if row is None:
        raise NotFound(_("There is no such warm-up plan, or you may not see it."))
    if permission != VIEW:
        require(actor, permission, row.configuration)
    return row


def choices(actor: Actor, workspace: Workspace) -> QuerySet[ChannelConfiguration]:
    """The configurations a plan can be made for."""
    return list_for(actor, workspace).filter(channel="email", kind=ChannelConfiguration.Kind.MARKETING)


def possible(plan: WarmupPlan, now: datetime) -> tuple[str, ...]:
    return POSSIBLE[warming.state(plan, now)]


# ---- the verbs ----------------------------------------------------------------------------------
@transaction.atomic
def create(workspace: Workspace, values: PlanValues, *, actor: Actor, now: datetime) -> WarmupPlan:
    require(actor, MANAGE, workspace)
    made = WarmupPlan(workspace=workspace, created_by=actor if isinstance(actor, User) else None)
    made.created_at = now
    _fill(made, values, now)
    _note("create", made, actor, now, volume=_volume(made))
    return made


@transaction.atomic
def change(plan: WarmupPlan, values: PlanValues, *, actor: Actor, now: datetime) -> WarmupPlan:
    """A live one keeps its configuration; its new volumes count at once, also for what is being sent."""
    row = _locked(plan, "change", actor, now)
    if row.state == State.LIVE and values.configuration.pk != row.configuration_id:
        detail = _("A plan that is live keeps its configuration.")
        raise Invalid(Problem("configuration_fixed", detail, "configuration"))
    before = _volume(row)
    _fill(row, values, now)
    _note("change", row, actor, now, before=before, after=_volume(row))
    return row


@transaction.atomic
def start(plan: WarmupPlan, *, on: date | None = None, actor: Actor, now: datetime) -> WarmupPlan:
    """From `on`, or today. Until that day nothing leaves over the configuration."""
    row = _locked(plan, "start", actor, now)
    today = now.astimezone(warming.zone_of(row)).date()
    if on is not None and not 0 <= (on - today).days <= 366:
        detail = _("Choose today or a day within a year from now.")
        raise Invalid(Problem("bad_day", detail, "on"))
    others = WarmupPlan.objects.filter(configuration=row.configuration_id, state=State.LIVE)
    for other in others.select_related("workspace"):
        if warming.today(other, now) is not None:
            detail = _("The plan “%(name)s” is live for this configuration. Complete it first.")
            raise IllegalTransition(detail % {"name": other.name}, code="another_is_live", state=row.state)
        WarmupPlan.objects.filter(pk=other.pk).update(state=State.COMPLETED)
    row.state, row.starts_on, row.changed_at = State.LIVE, on or today, now
    row.save(update_fields=["state", "starts_on", "changed_at"])
    _note("start", row, actor, now, starts_on=row.starts_on.isoformat())
    return row


@transaction.atomic
def complete(plan: WarmupPlan, *, actor: Actor, now: datetime) -> WarmupPlan:
    """The sender is warm enough: from now on nothing is limited. Who waits leaves on the next day."""
    row = _locked(plan, "complete", actor, now)
    row.state, row.completed_at, row.changed_at = State.COMPLETED, now, now
    row.save(update_fields=["state", "completed_at", "changed_at"])
    _note("complete", row, actor, now)
    return row


@transaction.atomic
def delete(plan: WarmupPlan, *, actor: Actor, now: datetime) -> None:
    row = _locked(plan, "delete", actor, now)
    _note("delete", row, actor, now)
    row.delete()


# ---- parts --------------------------------------------------------------------------------------
def _locked(plan: WarmupPlan, verb: str, actor: Actor, now: datetime) -> WarmupPlan:
    require(actor, MANAGE, plan.configuration)
    rows = WarmupPlan.objects.select_for_update(of=("self",)).select_related("workspace", "configuration")
    row = rows.filter(pk=plan.pk).first()
    if row is None:
        raise NotFound(_("There is no such warm-up plan, or you may not see it."))
    allowed = possible(row, now)
    if verb not in allowed:
        shown = {"state": State(warming.state(row, now)).label}
        detail = _("This is not possible while it is in the state “%(state)s”.") % shown
        raise IllegalTransition(detail, state=warming.state(row, now), possible=list(allowed))
    return row


def _fill(plan: WarmupPlan, values: PlanValues, now: datetime) -> None:
    name = clean_name(values.name)
    fits = values.configuration.channel == "email" and values.configuration.kind == "marketing"
    if values.configuration.workspace_id != plan.workspace_id or not fits:
        detail = _("Choose one of this workspace’s marketing email configurations.")
        raise Invalid(Problem("bad_configuration", detail, "configuration"))
    plan.name, plan.description = name, values.description.strip()[:500]
    plan.configuration, plan.changed_at = values.configuration, now
    plan.own_groups = _own_groups(values.own_groups)
    plan.days = _days(values.days, {*LABELS, *plan.own_groups.values(), OTHERS})
    try:
        with transaction.atomic():
            plan.save()
    except IntegrityError as error:
        raise Invalid(Problem("name_taken", _("This name is taken. Choose another one."), "name")) from error


def _own_groups(given: Mapping[str, str]) -> dict[str, str]:
    if len(given) > MOST_DOMAINS:
        detail = _("At most %(most)s domains can be named.") % {"most": MOST_DOMAINS}
        raise Invalid(Problem("too_many_domains", detail, "own_groups"))
    found = {}
    for domain, group in given.items():
        domain, group = str(domain).strip().lower().removeprefix("@"), str(group).strip().lower()
        if not DOMAIN.match(domain):
            detail = _("“%(name)s” is not a domain.") % {"name": domain[:80]}
            raise Invalid(Problem("bad_domain", detail, "own_groups"))
        if not GROUP.match(group):
            detail = _("“%(name)s” cannot be a group: use letters a to z, digits, - and _.")
            raise Invalid(Problem("bad_group", detail % {"name": group[:80]}, "own_groups"))
        found[domain] = group
    return found


def _days(given: Sequence[Mapping[str, Any]], known: set[str]) -> list[dict[str, int]]:
    if not 1 <= len(given) <= MOST_DAYS:
        detail = _("Give the volumes of 1 to %(most)s days.") % {"most": MOST_DAYS}
        raise Invalid(Problem("bad_days", detail, "days"))
    groups = list(given[0])
    if not 1 <= len(groups) <= MOST_GROUPS:
        detail = _("Name 1 to %(most)s groups.") % {"most": MOST_GROUPS}
        raise Invalid(Problem("bad_groups", detail, "days"))
    for group in groups:
        if group not in known:
            detail = _("There is no group “%(name)s”. The groups are: %(known)s.")
            shown = {"name": str(group)[:80], "known": ", ".join(sorted(known))}
            raise Invalid(Problem("unknown_group", detail % shown, "days"))
    if OTHERS not in groups:
        detail = _("Name the group “others” too: the volume of every domain that is in no other group.")
        raise Invalid(Problem("others_missing", detail, "days"))
    return [_day(one, groups, number) for number, one in enumerate(given, start=1)]


def _day(given: Mapping[str, Any], groups: list[str], number: int) -> dict[str, int]:
    if set(given) != set(groups):
        detail = _("Day %(day)s names other groups than the first day.") % {"day": number}
        raise Invalid(Problem("other_groups", detail, "days"))
    for group in groups:
        value = given[group]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_VOLUME:
            detail = _("Day %(day)s, %(group)s: give a whole number from 0 to %(most)s.")
            shown = {"day": number, "group": group, "most": MOST_VOLUME}
            raise Invalid(Problem("bad_volume", detail % shown, "days"))
    return {group: given[group] for group in groups}


def _volume(plan: WarmupPlan) -> list[int]:
    return [sum(day.values()) for day in plan.days]


def _note(verb: str, row: WarmupPlan, actor: Actor, now: datetime, **details: Any) -> None:
    audit.record(actor=actor, verb=verb, obj=row, workspace=row.workspace, now=now, **details)
