"""The campaign's states as data, and the one function that moves it from one to another.

    draft → in review → approved → scheduled or live → completed
                                   ⇅ paused   ↘ stopped, failed → archived

Buttons, the API's `actions`, and the state × verb and role × verb tests all come from TRANSITIONS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import SYSTEM, Actor, explain, require, rights_on
from accounts.models import User
from campaigns import alerts, transitions
from campaigns.models import Action, Campaign, Status
from campaigns.transitions import APPROVE, MANAGE, PUBLISH
from common.errors import CarillonError, IllegalTransition, PermissionMissing

CLOCK = ""  # no person may: only the product itself
OVER = (Status.COMPLETED, Status.STOPPED, Status.FAILED)


@dataclass(frozen=True)
class Transition:
    """`target` None leaves the state to the effect. Guards raise; effects change the campaign in memory."""

    verb: str
    label: Any
    sources: tuple[str, ...]
    target: str | None
    permission: str
    guards: tuple[transitions.Guard, ...] = ()
    effect: transitions.Effect | None = None
    icon: str = "check"


RUNNING = (Status.SCHEDULED, Status.LIVE)
TRANSITIONS: dict[str, Transition] = {
    row.verb: row
    for row in (
        Transition(
            "request_approval",
            gettext_lazy("Request approval"),
            (Status.DRAFT,),
            None,
            MANAGE,
            (transitions.nothing_blocks,),
            transitions.submit,
            "eye",
        ),
        Transition(
            "cancel_request",
            gettext_lazy("Cancel request"),
            (Status.IN_REVIEW,),
            Status.DRAFT,
            MANAGE,
            (transitions.is_requester_or_approver,),
            transitions.cancel,
            "arrow-left",
        ),
        Transition(
            "request_changes",
            gettext_lazy("Request changes"),
            (Status.IN_REVIEW,),
            Status.DRAFT,
            APPROVE,
            (transitions.has_comment,),
            transitions.send_back,
            "pencil",
        ),
        Transition(
            "approve",
            gettext_lazy("Approve"),
            (Status.IN_REVIEW,),
            None,
            APPROVE,
            (transitions.is_asked_and_no_owner, transitions.is_what_was_frozen),
            transitions.approve,
            "rosette-discount-check",
        ),
        Transition(
            "edit",
            gettext_lazy("Back to draft"),
            (Status.APPROVED,),
            Status.DRAFT,
            MANAGE,
            (),
            transitions.lapse,
            "pencil",
        ),
        Transition(
            "activate",
            gettext_lazy("Activate"),
            (Status.DRAFT, Status.APPROVED),
            None,
            PUBLISH,
            (transitions.is_approved_where_required, transitions.nothing_blocks),
            transitions.activate,
            "broadcast",
        ),
        Transition("start", gettext_lazy("Start"), (Status.SCHEDULED,), Status.LIVE, CLOCK),
        Transition(
            "pause", gettext_lazy("Pause"), RUNNING, None, PUBLISH, (), transitions.pause, "player-pause"
        ),
        Transition(
            "resume",
            gettext_lazy("Resume"),
            (Status.PAUSED,),
            None,
            PUBLISH,
            (transitions.still_stands,),
            transitions.resume,
            "broadcast",
        ),
        Transition(
            "stop",
            gettext_lazy("Stop"),
            (*RUNNING, Status.PAUSED),
            Status.STOPPED,
            PUBLISH,
            (),
            transitions.stop,
            "player-stop",
        ),
        Transition(
            "complete",
            gettext_lazy("Complete"),
            (Status.LIVE,),
            Status.COMPLETED,
            CLOCK,
            (),
            transitions.complete,
        ),
        Transition(
            "fail",
            gettext_lazy("Fail"),
            (*RUNNING, Status.PAUSED),
            Status.FAILED,
            CLOCK,
            (),
            transitions.complete,
        ),
        Transition(
            "archive",
            gettext_lazy("Archive"),
            OVER,
            Status.ARCHIVED,
            MANAGE,
            (),
            transitions.archive,
            "archive",
        ),
        Transition(
            "unarchive",
            gettext_lazy("Take out of the archive"),
            (Status.ARCHIVED,),
            None,
            MANAGE,
            (),
            transitions.unarchive,
            "archive",
        ),
    )
}
DELETE = Transition(
    "delete",
    gettext_lazy("Delete"),
    (Status.DRAFT,),
    None,
    MANAGE,
    (transitions.was_never_active,),
    icon="circle-x",
)
DUPLICATE = Transition(
    "duplicate", gettext_lazy("Duplicate"), tuple(Status.values), None, MANAGE, icon="copy"
)
PRESSABLE = {
    **{verb: row for verb, row in TRANSITIONS.items() if row.permission != CLOCK},
    "delete": DELETE,
    "duplicate": DUPLICATE,
}


@dataclass(frozen=True)
class ActionState:
    """What one person sees of one verb: a button, or why it is none."""

    verb: str
    label: str
    icon: str
    allowed: bool
    reason: str = field(default="")


@transaction.atomic
def apply(campaign: Campaign, verb: str, *, actor: Actor, now: datetime, **details: Any) -> Campaign:
    """Moves the campaign, or raises and changes nothing.

    Raises IllegalTransition (409, naming the state and what is possible), PermissionMissing or Invalid.
    """
    transition = TRANSITIONS[verb]
    locked = Campaign.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=campaign.pk)
    _allow(transition, locked, actor)
    move = transitions.Move(locked, actor, now, details)
    for guard in transition.guards:
        guard(move)
    before = locked.status
    if transition.effect:
        transition.effect(move)
    if transition.target:
        locked.status = transition.target
    locked.changed_at = now
    locked.save()
    audit.record(
        actor=actor,
        verb=verb,
        obj=locked,
        workspace=locked.workspace,
        now=now,
        before=str(before),
        after=str(locked.status),
        fingerprint=locked.version.fingerprint if locked.version else "",
        **details,
    )
    alerts.tell_of_move(locked, verb, actor=actor, now=now, reason=str(details.get("reason", "")))
    return locked


def _allow(transition: Transition, campaign: Campaign, actor: Actor) -> None:
    """The right first, so that nobody learns a state they may not act on; then the state."""
    if transition.permission == CLOCK:
        if actor is not SYSTEM:
            raise PermissionMissing("clock", _("Only the clock does this."))
    else:
        require(actor, transition.permission, campaign)
    if campaign.status not in transition.sources:
        raise IllegalTransition(
            _("“%(verb)s” is not possible: the campaign is now “%(state)s”. Possible: %(possible)s.")
            % {
                "verb": transition.label,
                "state": campaign.get_status_display(),
                "possible": ", ".join(possible(campaign)) or _("nothing"),
            },
            state=campaign.status,
            possible=possible(campaign),
        )


def possible(campaign: Campaign) -> list[str]:
    """The verbs a person could press in the campaign's present state, whoever they are."""
    return [verb for verb, row in PRESSABLE.items() if campaign.status in row.sources]


def available(campaign: Campaign, actor: Actor, *, now: datetime) -> list[ActionState]:
    """Every verb of the present state; a forbidden one is there with its reason."""
    return [_state(PRESSABLE[verb], campaign, actor, now) for verb in possible(campaign)]


def available_in_list(campaigns: Sequence[Campaign], actor: User) -> list[list[ActionState]]:
    """The same for many campaigns in a constant number of queries.

    Rights and states are judged; what needs a look into the content is told when the verb is pressed.
    """
    rights = rights_on(actor, campaigns)
    return [
        [
            _told(row, row.permission in rights[campaign.pk], _("None of your roles allows it."))
            for row in (PRESSABLE[verb] for verb in possible(campaign))
        ]
        for campaign in campaigns
    ]


def _told(row: Transition, allowed: bool, reason: str = "") -> ActionState:
    return ActionState(row.verb, str(row.label), row.icon, allowed, "" if allowed else reason)


def _state(row: Transition, campaign: Campaign, actor: Actor, now: datetime) -> ActionState:
    explanation = explain(actor, row.permission, campaign)
    if not explanation.allowed:
        return _told(row, False, explanation.reason)
    move = transitions.Move(campaign, actor, now, {"comment": "?"})
    try:
        for guard in row.guards:
            guard(move)
    except CarillonError as error:
        return _told(row, False, str(error.detail))
    return _told(row, True)


@transaction.atomic
def delete(campaign: Campaign, *, actor: Actor, now: datetime) -> None:
    """Only a draft that was never active goes; everything else is history."""
    locked = Campaign.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=campaign.pk)
    _allow(DELETE, locked, actor)
    transitions.was_never_active(transitions.Move(locked, actor, now, {}))
    audit.record(actor=actor, verb="delete", obj=locked, workspace=locked.workspace, now=now)
    locked.version = None
    locked.save(update_fields=["version"])
    locked.delete()


@transaction.atomic
def duplicate(campaign: Campaign, *, actor: Actor, now: datetime) -> Campaign:
    """A new draft with the same content, audience and tags; its schedule is left open."""
    require(actor, MANAGE, campaign)
    author = actor if isinstance(actor, User) else None
    copy = Campaign.objects.create(
        workspace=campaign.workspace,
        name=_("Copy of %(name)s") % {"name": campaign.name[:130]},
        description=campaign.description,
        type=campaign.type,
        category=campaign.category,
        tags=campaign.tags,
        audience=campaign.audience,
        folder=campaign.folder,
        owner=author,
        reach=campaign.reach,
        waves=campaign.waves,
        rate=campaign.rate,
        rule_set=campaign.rule_set,
        languages=campaign.languages,
        experiment=campaign.experiment,
        create_profiles=campaign.create_profiles,
        high_throughput=campaign.high_throughput,
        on_uncertain=campaign.on_uncertain,
        created_by=author,
        edited_by=author,
        created_at=now,
        changed_at=now,
    )
    Action.objects.bulk_create(
        Action(
            campaign=copy,
            position=action.position,
            channel=action.channel,
            configuration=action.configuration,
            content=action.content,
            variants=action.variants,
        )
        for action in campaign.actions.all()
    )
    copy.labels.set(campaign.labels.all())
    copy.exclusions.set(campaign.exclusions.all())
    audit.record(
        actor=actor, verb="duplicate", obj=copy, workspace=copy.workspace, now=now, source=campaign.pk
    )
    return copy
