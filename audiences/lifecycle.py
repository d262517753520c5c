"""The audience's states as data: draft → published ⇄ archived, and what may be done in each.

Buttons, row menus, the API's `actions` and the state × verb tests all come from PRESSABLE. What the verbs
delete and duplicate do stands in `audiences.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import Actor, explain, require, rights_on
from accounts.models import ApiCredential, User
from audiences import definitions
from audiences.access import MANAGE
from audiences.models import Audience
from common.errors import IllegalTransition
from common.states import ActionState, Transition

State = Audience.State


TRANSITIONS = {
    row.verb: row
    for row in (
        Transition("publish", gettext_lazy("Publish"), (State.DRAFT,), State.PUBLISHED, "broadcast"),
        Transition("archive", gettext_lazy("Archive"), (State.PUBLISHED,), State.ARCHIVED, "archive"),
        Transition(
            "unarchive",
            gettext_lazy("Take out of the archive"),
            (State.ARCHIVED,),
            State.PUBLISHED,
            "archive",
        ),
    )
}
EVERY = tuple(State.values)
PRESSABLE = {
    **TRANSITIONS,
    "duplicate": Transition("duplicate", gettext_lazy("Duplicate"), EVERY, None, "copy"),
    "delete": Transition("delete", gettext_lazy("Delete"), EVERY, None, "circle-x"),
}


@transaction.atomic
def apply(audience: Audience, verb: str, *, actor: Actor, now: datetime) -> Audience:
    """Moves the audience, or raises PermissionMissing, IllegalTransition or Invalid and changes nothing."""
    locked = locked_for(audience, verb, actor=actor)
    transition = TRANSITIONS[verb]
    if transition.target == State.PUBLISHED:
        definitions.check(locked, actor)
    before, locked.state, locked.changed_at = locked.state, str(transition.target), now
    # An archived audience is evaluated when asked, never by the clock.
    locked.next_evaluation_at = None if locked.state == State.ARCHIVED else now
    locked.save(update_fields=["state", "changed_at", "next_evaluation_at"])
    audit.record(
        actor=actor,
        verb=verb,
        obj=locked,
        workspace=locked.workspace,
        now=now,
        before=before,
        after=locked.state,
    )
    return locked


def locked_for(audience: Audience, verb: str, *, actor: Actor) -> Audience:
    """The row, locked; the right is asked first, so that nobody learns a state they may not act on."""
    rows = Audience.objects.select_for_update(of=("self",)).select_related("workspace", "owner", "topic")
    locked = rows.get(pk=audience.pk)
    require(actor, MANAGE, locked)
    if locked.state not in PRESSABLE[verb].sources:
        raise IllegalTransition(
            _("“%(verb)s” is not possible: the audience is now “%(state)s”. Possible: %(possible)s.")
            % {
                "verb": PRESSABLE[verb].label,
                "state": locked.get_state_display(),
                "possible": ", ".join(possible(locked)),
            },
            state=locked.state,
            possible=possible(locked),
        )
    return locked


def possible(audience: Audience) -> list[str]:
    return [verb for verb, row in PRESSABLE.items() if audience.state in row.sources]


def available(audience: Audience, actor: Actor) -> list[ActionState]:
    """Every verb of the present state; a forbidden one is there with its reason."""
    told = explain(actor, MANAGE, audience)
    return _states(audience, told.allowed, told.reason)


def available_in_list(audiences: Sequence[Audience], actor: User | ApiCredential) -> list[list[ActionState]]:
    """The same for many audiences in a constant number of queries."""
    rights = rights_on(actor, audiences)
    reason = _("None of your roles allows it.")
    return [_states(audience, MANAGE in rights[audience.pk], reason) for audience in audiences]


def _states(audience: Audience, allowed: bool, reason: str) -> list[ActionState]:
    rows = (PRESSABLE[verb] for verb in possible(audience))
    return [
        ActionState(row.verb, str(row.label), row.icon, allowed, "" if allowed else reason) for row in rows
    ]
