"""A configuration's states as data: draft → processing → active or failed; active ⇄ deactivated.

Buttons, the API's `actions` and the state × verb tests come from TRANSITIONS. An active configuration is
changed by `update`: a new version that is checked while the old one keeps serving.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.dispatch import Signal
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import audit
from accounts.access import Actor, require
from channels import uses
from channels.access import MANAGE
from channels.models import ChannelConfiguration, ConfigurationVersion
from common.errors import IllegalTransition
from common.states import Transition

Status = ChannelConfiguration.Status
STALE = timedelta(minutes=5)  # a check that has not ended by then died with its process

# Sent inside the transaction that deactivates, with `configuration`, `actor` and `now`: its runs must wait.
configuration_deactivated = Signal()


TRANSITIONS = {
    row.verb: row
    for row in (
        Transition(
            "submit",
            gettext_lazy("Test and activate"),
            (Status.DRAFT, Status.FAILED),
            Status.PROCESSING,
            "broadcast",
        ),
        Transition(
            "reactivate",
            gettext_lazy("Test and activate again"),
            (Status.DEACTIVATED,),
            Status.PROCESSING,
            "broadcast",
        ),
        Transition("change", gettext_lazy("Edit"), (Status.DRAFT, Status.FAILED), Status.DRAFT, "pencil"),
        Transition("update", gettext_lazy("Edit"), (Status.ACTIVE,), None, "pencil"),
        Transition(
            "deactivate", gettext_lazy("Deactivate"), (Status.ACTIVE,), Status.DEACTIVATED, "player-pause"
        ),
        Transition("duplicate", gettext_lazy("Duplicate"), tuple(Status), None, "copy"),
        Transition("delete", gettext_lazy("Delete"), (Status.DRAFT, Status.FAILED), None, "circle-x"),
    )
}


def running_check(configuration: ChannelConfiguration, now: datetime) -> ConfigurationVersion | None:
    running = configuration.versions.filter(state=ConfigurationVersion.State.PROCESSING)
    return running.filter(created_at__gte=now - STALE).first()


def possible(configuration: ChannelConfiguration, now: datetime) -> list[str]:
    """The verbs that may be done now, whoever asks. While a check runs, little is."""
    return possible_in_list([configuration], now)[configuration.pk]


def possible_in_list(rows: Iterable[ChannelConfiguration], now: datetime) -> dict[int, list[str]]:
    """The same of many, by primary key, in one query."""
    rows = list(rows)
    checks = ConfigurationVersion.objects.filter(
        configuration__in=rows, state=ConfigurationVersion.State.PROCESSING, created_at__gte=now - STALE
    )
    running = set(checks.values_list("configuration", flat=True))
    return {row.pk: ["duplicate"] if row.pk in running else _unless_checked(row) for row in rows}


def _unless_checked(configuration: ChannelConfiguration) -> list[str]:
    # A check that died with its process left the row behind as it was.
    is_left = configuration.status == Status.PROCESSING
    status = Status.FAILED if is_left else configuration.status
    verbs = [row.verb for row in TRANSITIONS.values() if status in row.sources]
    return [verb for verb in verbs if verb != "delete" or configuration.serving is None]


def can(verb: str, configuration: ChannelConfiguration, now: datetime) -> bool:
    return verb in possible(configuration, now)


def locked_for(
    configuration: ChannelConfiguration, verb: str, *, actor: Actor, now: datetime
) -> ChannelConfiguration:
    """The row, locked, if the actor may do this and it can be done now. Call it inside a transaction."""
    require(actor, MANAGE, configuration)
    rows = ChannelConfiguration.objects.select_for_update(of=("self",)).select_related(
        "workspace", "credential"
    )
    row = rows.get(pk=configuration.pk)
    verbs = possible(row, now)
    if verb not in verbs:
        if running_check(row, now):
            detail = _("A check of this configuration is running. Wait until it has ended.")
            raise IllegalTransition(detail, code="check_running", state=row.status, possible=verbs)
        detail = _("“%(label)s” is not possible while the configuration is in the state “%(state)s”.")
        shown = {"label": TRANSITIONS[verb].label, "state": row.get_status_display()}
        raise IllegalTransition(detail % shown, state=row.status, possible=verbs)
    return row


@transaction.atomic
def deactivate(
    configuration: ChannelConfiguration, *, actor: Actor, now: datetime, is_sure: bool = False
) -> ChannelConfiguration:
    """From now on no message leaves through it; the last look before sending sees this. While anything that
    runs sends by it, only who is sure does so: their messages wait.
    """
    row = locked_for(configuration, "deactivate", actor=actor, now=now)
    running = uses.running_over(row, actor)
    count = len(running.seen) + running.hidden
    if count and not is_sure:
        detail = ngettext(
            "%(num)s running campaign sends by it. Stop it first, or confirm that its messages wait.",
            "%(num)s running campaigns send by it. Stop them first, or confirm that their messages wait.",
            count,
        )
        raise IllegalTransition(
            detail % {"num": count},
            code="configuration_in_use",
            state=row.status,
            running=[str(use.row) for use in running.seen],
        )
    row.status, row.changed_at = Status.DEACTIVATED, now
    row.save(update_fields=["status", "changed_at"])
    held: dict[str, int] = {"held": count} if count else {}
    audit.record(actor=actor, verb="deactivate", obj=row, workspace=row.workspace, now=now, **held)
    configuration_deactivated.send(sender=ChannelConfiguration, configuration=row, actor=actor, now=now)
    return row
