"""The verbs of a channel configuration: create, change, submit, deactivate, reactivate, test.

States move by compare-and-set, so that two people pressing at once do one thing. Submitting holds the real
dialogue with the provider: while it lasts the row says “processing”, and no lock is held. Every change leaves
an audit entry; a secret never stands in one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import Actor, require
from accounts.models import User, Workspace
from channels import sealing
from channels.kinds import clean_email
from channels.models import ChannelConfiguration
from channels.providers import registry
from channels.providers.base import Step
from common.errors import Conflict, IllegalTransition, Invalid, Problem

MANAGE = "channels.manage_channelconfiguration"
Status = ChannelConfiguration.Status
STALE = timedelta(minutes=5)  # a test that has not ended by then died with its process


@dataclass(frozen=True)
class Transition:
    sources: tuple[str, ...]
    label: Any


TRANSITIONS = {
    "submit": Transition((Status.DRAFT, Status.FAILED), gettext_lazy("Test and activate")),
    "reactivate": Transition((Status.DEACTIVATED,), gettext_lazy("Test and activate")),
    "deactivate": Transition((Status.ACTIVE,), gettext_lazy("Deactivate")),
    "change": Transition((Status.DRAFT, Status.FAILED, Status.DEACTIVATED), gettext_lazy("Edit")),
}


@dataclass(frozen=True)
class Values:
    """What a person enters. `secret` is stored sealed; when it is empty the stored one stays."""

    name: str
    kind: str
    provider: str
    settings: dict[str, Any]
    sender_name: str
    sender_email: str
    reply_to: str = ""
    secret: str = ""


def active_for(workspace: Workspace, channel: str, category: str) -> QuerySet[ChannelConfiguration]:
    """What a campaign of this category may use now; credentials are loaded with the rows."""
    rows = ChannelConfiguration.objects.filter(
        workspace=workspace, channel=channel, kind=category, status=Status.ACTIVE
    )
    return rows.select_related("credential").order_by("name")


def can(verb: str, configuration: ChannelConfiguration, now: datetime) -> bool:
    is_stale = configuration.status == Status.PROCESSING and configuration.changed_at < now - STALE
    return configuration.status in TRANSITIONS[verb].sources or (is_stale and verb in ("submit", "change"))


# ---- writing ------------------------------------------------------------------------------------
def create(*, workspace: Workspace, values: Values, actor: Actor, now: datetime) -> ChannelConfiguration:
    require(actor, MANAGE, workspace)
    creator = actor if isinstance(actor, User) else None
    return _write(
        ChannelConfiguration(workspace=workspace, created_by=creator, created_at=now), values, actor, now
    )


def change(
    configuration: ChannelConfiguration, *, values: Values, actor: Actor, now: datetime
) -> ChannelConfiguration:
    """Only while it carries no messages; it becomes a draft that must be tested again."""
    require(actor, MANAGE, configuration)
    with transaction.atomic():
        row = ChannelConfiguration.objects.select_for_update().get(pk=configuration.pk)
        if not can("change", row, now):
            raise _illegal("change", row)
        return _write(row, values, actor, now)


def _write(row: ChannelConfiguration, values: Values, actor: Actor, now: datetime) -> ChannelConfiguration:
    registry.get(values.provider)
    problems = list(_problems(values))
    if problems:
        raise Invalid(problems)
    verb = "change" if row.pk else "create"
    row.name, row.kind, row.provider, row.settings = (
        values.name,
        values.kind,
        values.provider,
        values.settings,
    )
    row.sender_name, row.sender_email = values.sender_name, clean_email(values.sender_email)
    row.reply_to = clean_email(values.reply_to) if values.reply_to else ""
    row.status, row.changed_at = Status.DRAFT, now
    try:
        with transaction.atomic():
            if values.secret:
                row.credential = sealing.keep(
                    values.secret,
                    workspace=row.workspace,
                    name=values.name,
                    credential=row.credential,
                    now=now,
                )
            row.save()
            _record(verb, row, actor, now, provider=row.provider, secret_changed=bool(values.secret))
    except IntegrityError as error:
        if "configuration_name_once" not in str(error):
            raise
        detail = _("There is already a channel configuration with this name.")
        raise Invalid(Problem("name_taken", detail, "name")) from error
    return row


def _problems(values: Values) -> list[Problem]:
    problems = []
    if any(not c.isprintable() or c in "<>" for c in values.sender_name):
        detail = _("A sender name cannot hold < or > or control characters.")
        problems.append(Problem("bad_sender", detail, "sender_name"))
    for field in ("sender_email", "reply_to"):
        try:
            address = getattr(values, field)
            if address or field == "sender_email":
                clean_email(address)
        except Invalid as error:
            problems.append(Problem("bad_sender", error.detail, field))
    return problems


# ---- states -------------------------------------------------------------------------------------
def submit(configuration: ChannelConfiguration, actor: Actor, now: datetime) -> list[Step]:
    """Test the configuration and make it active, or failed. Returns the dialogue."""
    return _test_and_activate("submit", configuration, actor, now)


def reactivate(configuration: ChannelConfiguration, actor: Actor, now: datetime) -> list[Step]:
    return _test_and_activate("reactivate", configuration, actor, now)


def deactivate(configuration: ChannelConfiguration, actor: Actor, now: datetime) -> None:
    """From now on no message leaves through it; the last look before sending sees this."""
    require(actor, MANAGE, configuration)
    with transaction.atomic():
        _move("deactivate", configuration, Status.DEACTIVATED, now)
        _record("deactivate", configuration, actor, now)


def test(configuration: ChannelConfiguration) -> list[Step]:
    """Hold the real dialogue, up to where a message would be handed over. Changes nothing."""
    provider = registry.get(configuration.provider)
    getattr(configuration, "credential")  # noqa: B009  loaded here: in an event loop the ORM may not be asked
    return asyncio.run(provider.rehearse(configuration))


def _test_and_activate(
    verb: str, configuration: ChannelConfiguration, actor: Actor, now: datetime
) -> list[Step]:
    require(actor, MANAGE, configuration)
    with transaction.atomic():
        _move(verb, configuration, Status.PROCESSING, now)
        _record(verb, configuration, actor, now)
    steps: list[Step] = []
    try:
        steps = test(configuration)
    finally:
        is_ok = bool(steps) and all(step.is_ok for step in steps)
        status = Status.ACTIVE if is_ok else Status.FAILED
        with transaction.atomic():
            _settle(configuration, status, now)
            said = steps[-1].said if steps else ""
            _record("activate" if is_ok else "fail", configuration, actor, now, said=said)
    return steps


def _move(verb: str, configuration: ChannelConfiguration, status: str, now: datetime) -> None:
    rows = ChannelConfiguration.objects.filter(pk=configuration.pk)
    fresh = rows.get()
    if not can(verb, fresh, now):
        raise _illegal(verb, fresh)
    moved = rows.filter(status=fresh.status, changed_at=fresh.changed_at).update(
        status=status, changed_at=now
    )
    if not moved:
        raise Conflict(_("Somebody else changed this configuration just now. Load the page again."))
    configuration.status, configuration.changed_at = status, now


def _settle(configuration: ChannelConfiguration, status: str, now: datetime) -> None:
    rows = ChannelConfiguration.objects.filter(
        pk=configuration.pk, status=Status.PROCESSING, changed_at=configuration.changed_at
    )
    if not rows.update(status=status, changed_at=now):
        raise Conflict(_("Somebody else changed this configuration during the test."))
    configuration.status = status


def _illegal(verb: str, row: ChannelConfiguration) -> IllegalTransition:
    possible = [name for name, move in TRANSITIONS.items() if row.status in move.sources]
    detail = _("“%(label)s” is not possible while the configuration is in the state “%(state)s”.")
    shown = {"label": TRANSITIONS[verb].label, "state": row.get_status_display()}
    return IllegalTransition(detail % shown, state=row.status, possible=possible)


def _record(verb: str, row: ChannelConfiguration, actor: Actor, now: datetime, **details: Any) -> None:
    audit.record(actor=actor, verb=verb, obj=row, workspace=row.workspace, now=now, **details)
