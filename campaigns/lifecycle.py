"""The campaign's states as data, and the one function that moves it from one to another.

    draft → in review → approved → scheduled or live → completed
                                   ⇅ paused   ↘ stopped, failed → archived

A campaign that is scheduled or live can get a new version: a second state, of the draft that is being written
over it, moved by the same verbs; the live version runs on until the draft is activated.

Buttons, the API's `actions`, and the state × verb and role × verb tests all come from TRANSITIONS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import audit
from accounts.access import SYSTEM, Actor, explain, require, rights_on
from accounts.models import ApiCredential, AuditEntry, User
from campaigns import alerts, transitions
from campaigns.access import APPROVE, MANAGE, PUBLISH
from campaigns.models import WRITTEN, Action, Attempt, Campaign, Message, MessageContext, Status
from common.errors import CarillonError, IllegalTransition, Invalid, PermissionMissing
from common.states import ActionState
from common.wording import listed

NO_MOVES = ("create", "save", "duplicate", "miss")
CLOCK = ""  # no person may: only the product itself
OVER = (Status.COMPLETED, Status.STOPPED, Status.FAILED)


@dataclass(frozen=True)
class Transition:
    """`target` None leaves the state to the effect. Guards raise; effects change the campaign in memory.

    `of` names the state it starts from: the campaign's own, that of what is being written (the campaign
    itself before its first activation, or its new version), or that of a new version only.
    """

    verb: str
    label: Any
    sources: tuple[str, ...]
    target: str | None
    permission: str
    guards: tuple[transitions.Guard, ...] = ()
    effect: transitions.Effect | None = None
    icon: str = "check"
    of: str = "status"

    def state_of(self, campaign: Campaign) -> str:
        return str(getattr(campaign, self.of))


DRAFT_STATE, NEW_VERSION = "draft_state", "draft_status"
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
            DRAFT_STATE,
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
            DRAFT_STATE,
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
            DRAFT_STATE,
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
            DRAFT_STATE,
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
            DRAFT_STATE,
        ),
        Transition(
            "activate",
            gettext_lazy("Activate"),
            (Status.DRAFT, Status.APPROVED),
            None,
            PUBLISH,
            (transitions.is_still_going, transitions.is_approved_where_required, transitions.nothing_blocks),
            transitions.activate,
            "broadcast",
            DRAFT_STATE,
        ),
        Transition(
            "modify",
            gettext_lazy("Modify"),
            RUNNING,
            None,
            MANAGE,
            (transitions.can_have_a_new_version,),
            transitions.modify,
            "pencil",
        ),
        Transition(
            "discard",
            gettext_lazy("Discard the new version"),
            WRITTEN,
            "",
            MANAGE,
            (),
            transitions.discard,
            "circle-x",
            NEW_VERSION,
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
            (transitions.has_a_run_to_finish,),
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
            transitions.fail,
        ),
        Transition(
            "archive",
            gettext_lazy("Archive"),
            OVER,
            Status.ARCHIVED,
            MANAGE,
            (transitions.nothing_is_sending,),
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
    before = transition.state_of(locked)
    if transition.effect:
        transition.effect(move)
    if transition.target is not None:
        setattr(locked, transition.of, transition.target)
    locked.changed_at = now
    locked.save()
    audit.record(
        actor=actor,
        verb=verb,
        obj=locked,
        workspace=locked.workspace,
        now=now,
        before=before,
        after=transition.state_of(locked) or locked.status,
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
    if transition.state_of(campaign) not in transition.sources:
        raise _too_late(transition, campaign)


def _too_late(transition: Transition, campaign: Campaign) -> IllegalTransition:
    """Names the state, who brought it about and when, and what is possible now."""
    can = possible(campaign)
    detail = _("“%(verb)s” is not possible: the campaign is now “%(state)s”. Possible: %(possible)s.") % {
        "verb": transition.label,
        "state": campaign.get_status_display(),
        "possible": listed(PRESSABLE[verb].label for verb in can) or _("nothing"),
    }
    moved = last_move(campaign)
    if moved is None:
        return IllegalTransition(detail, state=campaign.status, possible=can)
    row = TRANSITIONS.get(moved.verb) or PRESSABLE.get(moved.verb)
    detail += " " + _("Last: “%(verb)s” by %(who)s at %(at)s.") % {
        "verb": row.label if row else moved.verb,
        "who": moved.actor,
        "at": f"{timezone.localtime(moved.at):%Y-%m-%d %H:%M:%S}",
    }
    last = {"verb": moved.verb, "by": moved.actor, "at": moved.at.isoformat()}
    return IllegalTransition(detail, state=campaign.status, possible=can, last=last)


def last_move(campaign: Campaign) -> AuditEntry | None:
    """The last change of state, whoever made it."""
    entries = AuditEntry.objects.filter(object_type="campaigns.campaign", object_key=str(campaign.pk))
    return entries.exclude(verb__in=NO_MOVES).order_by("-sequence").first()


def possible(campaign: Campaign) -> list[str]:
    """The verbs a person could press in the campaign's present state, whoever they are."""
    return [verb for verb, row in PRESSABLE.items() if row.state_of(campaign) in row.sources]


def available(campaign: Campaign, actor: Actor, *, now: datetime) -> list[ActionState]:
    """Every verb of the present state; a forbidden one is there with its reason."""
    return [_state(PRESSABLE[verb], campaign, actor, now) for verb in possible(campaign)]


def available_in_list(campaigns: Sequence[Campaign], actor: User | ApiCredential) -> list[list[ActionState]]:
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
    except Invalid as error:
        count = len(error.problems)
        several = ngettext("%(count)s error stands in its way.", "%(count)s errors stand in its way.", count)
        return _told(row, False, several % {"count": count} if count > 1 else str(error.detail))
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
    for model in (Message, MessageContext, Attempt):  # of its proofs
        model.objects.filter(run__in=locked.runs.all()).delete()
    locked.runs.all().delete()
    locked.delete()


@transaction.atomic
def duplicate(campaign: Campaign, *, actor: Actor, now: datetime) -> Campaign:
    """A new draft with the same content, audience, rules and tags; its start and end are left open."""
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
        schedule=campaign.schedule,
        waves=campaign.waves,
        rate=campaign.rate,
        rule_set=campaign.rule_set,
        languages=campaign.languages,
        experiment=campaign.experiment,
        create_profiles=campaign.create_profiles,
        high_throughput=campaign.high_throughput,
        enable_webhooks=campaign.enable_webhooks,
        on_uncertain=campaign.on_uncertain,
        ignores_opens=campaign.ignores_opens,
        ignores_clicks=campaign.ignores_clicks,
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
