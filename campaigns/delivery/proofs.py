"""Sends a proof: the draft as it stands, written as for one person, to up to ten of our own addresses.

A proof is a run like any other: a version (number 0, never approved, never live), messages and a batch of the
urgent lane; from there on it is the delivery of every message. What differs stands in the version
(`definition["proof"]`): no consent is asked for, as the author chose the addresses, while suppression and the
allowed list hold. Its refs begin at tokens.SEEDS, so its links lead on and count nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import ApiCredential, AuditEntry, User
from accounts.orders import key_of
from audiences import reachability
from audiences.models import Profile
from campaigns import access, samples, versions
from campaigns.access import MANAGE
from campaigns.delivery import ring
from campaigns.delivery.content import letter
from campaigns.models import Action, Attempt, Batch, Campaign, Link, Message, MessageContext, Run, Version
from campaigns.reports.metrics import REASON_LABELS
from campaigns.tracking.links import links_of
from campaigns.tracking.tokens import SEEDS
from channels.kinds import KINDS
from channels.messages import Content
from channels.models import ChannelConfiguration
from common.errors import IllegalTransition, Invalid, Problem, TooMany

MOST_ADDRESSES, MOST_CONTENTS = 10, 20
MOST_AN_HOUR = 100  # messages, for each person or credential
PREFIX = re.compile(r"[\w.\-()\[\] ]{0,40}")  # catalogue 8.21; letters of any script
KEPT = 10  # proofs that a page lists


@dataclass(frozen=True)
class Told:
    """What became of one message of a proof; `outcome` is empty while it waits. `words` are the provider's,
    or the reason why it was not sent.
    """

    address: str
    treatment: str
    language: str
    outcome: str
    words: str
    at: datetime | None


@dataclass(frozen=True)
class Proof:
    run: Run
    channel: str
    person: Profile | None
    sent_by: User | None
    messages: list[Told]

    @property
    def is_over(self) -> bool:
        return self.run.finished_at is not None


@transaction.atomic
def send(
    campaign: Campaign,
    *,
    action: int,
    places: Sequence[tuple[str, str]] | None = None,
    addresses: Sequence[str],
    person: Profile | None = None,
    sample: dict[str, Any] | None = None,
    prefix: str | None = None,
    actor: Actor,
    now: datetime,
) -> Run:
    """`action` is a position; `places` are (treatment, language), empty for the first one of either, None for
    every content. Without addresses it goes to the person's own.

    Raises Invalid with the field's name as pointer, PermissionMissing, or TooMany.
    """
    require(actor, MANAGE, campaign)
    if person is not None and not (person.is_test and person.workspace_id == campaign.workspace_id):
        detail = _("Choose one of the workspace’s test profiles.")
        raise Invalid(Problem("unknown_profile", detail, "profile"))
    held = Campaign.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=campaign.pk)
    if held.archived_from:
        raise IllegalTransition(_("The campaign is archived."), state=held.status)
    row = _action(held, action)
    frozen = _frozen(held, row, places, _prefix(prefix), person)
    receivers = _receivers(row, addresses, person)
    contents = frozen["actions"][0]["contents"]
    _count(actor, len(receivers) * len(contents), now)
    values = samples.values_of(
        row.channel,
        [Content(**one["content"]) for one in contents],
        person=person,
        audience=access.shown_audience(actor, held),
        sample=sample,
        workspace=held.workspace,
    )
    version = _version(held, frozen, actor, now)
    for place in range(len(contents)):
        letter(version.pk, row.position, place)  # what cannot be read is said now, and to who wrote it
    run = _write(held, version, row, receivers, values, actor, now)
    audit.record(
        actor=actor,
        verb="proof",
        obj=held,
        workspace=held.workspace,
        now=now,
        run=run.pk,
        action=row.position,
        messages=run.targeted,
    )
    return run


def of_campaign(campaign: Campaign, *, run_id: int | None = None) -> list[Proof]:
    """The newest first, each with its messages, in three queries."""
    rows = Run.objects.filter(campaign=campaign, kind=Run.Kind.PROOF).select_related("version__frozen_by")
    rows = rows if run_id is None else rows.filter(pk=run_id)
    runs = list(rows.order_by("-pk")[:KEPT])
    tried: dict[tuple[int, int], Attempt] = {}
    for attempt in Attempt.objects.filter(run__in=runs).order_by("n"):
        tried[attempt.run_id, attempt.ref] = attempt
    messages: dict[int, list[Message]] = {run.pk: [] for run in runs}
    for message in Message.objects.filter(run__in=runs).order_by("ref"):
        messages[message.run_id].append(message)
    shown_as = {run.version.definition["proof"]["person"] for run in runs}
    people = Profile.objects.filter(workspace=campaign.workspace_id).in_bulk(shown_as - {None})
    return [
        Proof(
            run,
            run.version.definition["actions"][0]["channel"],
            people.get(run.version.definition["proof"]["person"]),
            run.version.frozen_by,
            [_told(run, message, tried.get((run.pk, message.ref))) for message in messages[run.pk]],
        )
        for run in runs
    ]


def _told(run: Run, message: Message, last: Attempt | None) -> Told:
    content = run.version.definition["actions"][0]["contents"][message.variant]
    words = ""
    if last is not None:
        words = str(REASON_LABELS.get(last.code) or last.code)
        words = " ".join(filter(None, (words, last.detail)))
    return Told(
        message.address,
        content["treatment"],
        content["language"],
        str(last.outcome) if last else "",
        words if last else run.reason,
        last.at if last else None,
    )


# ---- what is asked for ----------------------------------------------------------------------------
def _action(campaign: Campaign, position: int) -> Action:
    row = campaign.actions.select_related("configuration").filter(position=position).first()
    if row is None:
        raise Invalid(Problem("unknown_action", _("The campaign has no such message."), "action"))
    if row.channel == "direct_mail":
        detail = _("What goes out in a file has no proof: look at its preview.")
        raise Invalid(Problem("no_proof", detail, "action"))
    if row.configuration is None:
        detail = _("Choose a channel configuration for this message first.")
        raise Invalid(Problem("configuration_missing", detail, "action"))
    if row.configuration.status != ChannelConfiguration.Status.ACTIVE:
        detail = _("The channel configuration “%(name)s” is not active.") % {"name": row.configuration.name}
        raise Invalid(Problem("configuration_inactive", detail, "action"))
    return row


def _prefix(given: str | None) -> str:
    text = _("[Proof]") if given is None else given.strip()
    if not PREFIX.fullmatch(text):
        detail = _("A prefix has at most 40 letters, digits, spaces and . - _ ( ) [ ].")
        raise Invalid(Problem("bad_prefix", detail, "prefix"))
    return text


def _receivers(action: Action, given: Sequence[str], person: Profile | None) -> list[str]:
    """Each address once, as its channel writes it."""
    clean = KINDS[action.channel].clean
    found: dict[str, None] = {}
    for number, text in enumerate(one for one in given if one.strip()):
        try:
            found[clean(text)] = None
        except Invalid as error:
            raise Invalid(Problem(error.problems[0].code, error.detail, f"addresses/{number}")) from error
    if not found and person is not None and action.configuration_id:
        own = reachability.address_of(person, action.channel, action.configuration_id)
        found = {own: None} if own else {}
    if not 1 <= len(found) <= MOST_ADDRESSES:
        detail = _("Give 1 to %(most)s addresses.") % {"most": MOST_ADDRESSES}
        raise Invalid(Problem("bad_addresses", detail, "addresses"))
    return list(found)


def _frozen(
    campaign: Campaign,
    action: Action,
    places: Sequence[tuple[str, str]] | None,
    prefix: str,
    person: Profile | None,
) -> dict[str, Any]:
    """The definition of the campaign with nothing in it but what is sent now."""
    whole = versions.definition(campaign)
    frozen = next(one for one in whole["actions"] if one["position"] == action.position)
    written = {(one["treatment"], one["language"]): one for one in frozen["contents"]}
    chosen = list(written) if places is None else list(dict.fromkeys(places))
    if not 1 <= len(chosen) <= MOST_CONTENTS or any(place not in written for place in chosen):
        detail = _("Choose contents that are written.")
        raise Invalid(Problem("unknown_content", detail, "contents"))
    contents = [written[place] for place in chosen]
    if action.channel == "email" and prefix:
        contents = [
            {**one, "content": {**one["content"], "subject": f"{prefix} {one['content'].get('subject', '')}"}}
            for one in contents
        ]
    return {
        **whole,
        "rate": None,
        "waves": {},
        "audience": None,
        "exclusions": [],
        "actions": [{**frozen, "contents": contents}],
        "proof": {"person": person.pk if person else None},
    }


def _count(actor: Actor, messages: int, now: datetime) -> None:
    """Raises TooMany. The actor's row is held, so that two proofs at once count one after the other."""
    if not isinstance(actor, (User, ApiCredential)):
        return
    is_credential = isinstance(actor, ApiCredential)
    rows = ApiCredential.objects if is_credential else User.objects
    rows.select_for_update(of=("self",)).get(pk=actor.pk)
    key = f"{'credential' if is_credential else 'user'}:{actor.pk}"
    since = now - timedelta(hours=1)
    entries = AuditEntry.objects.filter(
        object_type="campaigns.campaign", verb="proof", actor_key=key, at__gt=since
    )
    sent = sum(details["messages"] for details in entries.values_list("details", flat=True))
    if sent + messages > MOST_AN_HOUR:
        detail = _("At most %(most)s proof messages an hour. Try again later.") % {"most": MOST_AN_HOUR}
        raise TooMany(detail, retryAfter=3600)


# ---- what is written ------------------------------------------------------------------------------
def _version(campaign: Campaign, frozen: dict[str, Any], actor: Actor, now: datetime) -> Version:
    version = Version.objects.create(
        campaign=campaign,
        number=0,
        definition=frozen,
        fingerprint=versions.fingerprint(frozen),
        frozen_by=actor if isinstance(actor, User) else None,
        frozen_at=now,
    )
    action = frozen["actions"][0]
    Link.objects.bulk_create(
        Link(version=version, action=action["position"], number=number, url=url)
        for number, url in enumerate(links_of(action))
    )
    return version


def _write(
    campaign: Campaign,
    version: Version,
    action: Action,
    receivers: list[str],
    values: dict[str, Any],
    actor: Actor,
    now: datetime,
) -> Run:
    contents = len(version.definition["actions"][0]["contents"])
    named = [(address, variant) for address in receivers for variant in range(contents)]
    run = Run.objects.create(
        campaign=campaign,
        version=version,
        kind=Run.Kind.PROOF,
        state=Run.State.SENDING,
        due_at=now,
        started_at=now,
        expanded_at=now,
        targeted=len(named),
        ordered_by=key_of(actor),
        created_at=now,
    )
    place: dict[str, Any] = {"run": run, "action": action.position}
    Message.objects.bulk_create(
        Message(**place, ref=SEEDS + number, address=address, variant=variant)
        for number, (address, variant) in enumerate(named)
    )
    MessageContext.objects.bulk_create(
        MessageContext(
            **place,
            ref=SEEDS + number,
            context=values["context"],
            profile_override=values["profile"],
            audience_override=values["audience"],
        )
        for number in range(len(named))
    )
    batch = Batch.objects.create(
        **place,
        lo=SEEDS,
        hi=SEEDS + len(named) - 1,
        size=len(named),
        lane=Batch.Lane.URGENT,
        send_after=now,
        rung_at=now,
    )
    ring.batches([batch.pk], Batch.Lane.URGENT)
    return run
