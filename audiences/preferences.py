"""The preference page: what a person is offered, what they chose, and the link that lets only them in.

The link is signed, names the person and nothing else, and outlives a rotation of the key. What is stored as
evidence is the wording as it stood on the page; when that has changed meanwhile, nothing is saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from audiences import consent
from audiences.consent import LONGEST_WORDING, Said
from audiences.models import Consent, ConsentState, Profile, Topic
from audiences.reachability import CHANNELS, WORDS, addresses_of, in_use
from common import tokens
from common.errors import Conflict

PURPOSE, SOURCE = "preferences", "preference page"
PATH = "/p/"  # a worker writes it into mails: to look it up would load every page of the house


@dataclass(frozen=True)
class Choice:
    """One box on the page: marketing on a channel at all, or one topic on it. `key` names the box."""

    key: str
    channel: str
    topic: Topic | None
    wording: str
    is_chosen: bool


@dataclass(frozen=True)
class Offer:
    """All boxes of one channel; `seen` names the wordings shown."""

    channel: str
    label: str
    whole: Choice
    topics: list[Choice]


# ---- the link -------------------------------------------------------------------------------------
def url_of(profile_id: int) -> str:
    return f"{settings.LINKS_URL}{PATH}{tokens.sign(PURPOSE, profile_id.to_bytes(8, 'big'))}"


def person_of(token: str) -> Profile | None:
    """None for a forged link, and for who was erased since."""
    payload = tokens.read(PURPOSE, token)
    if payload is None or len(payload) != 8:
        return None
    number = int.from_bytes(payload, "big", signed=True)
    return Profile.objects.select_related("workspace").filter(pk=number).first()


# ---- the page -------------------------------------------------------------------------------------
def offers(person: Profile) -> list[Offer]:
    """What the person is offered on each channel they can be reached on, in the active language."""
    said = {(one.channel, one.topic_id): one.state for one in Consent.objects.filter(profile=person)}
    held = {topic for (_channel, topic), state in said.items() if state != ConsentState.NO}
    shown = Q(is_public=True) | Q(pk__in=held - {None})
    topics = list(Topic.objects.filter(shown, workspace=person.workspace_id, archived_at=None))
    return [
        Offer(
            channel,
            str(CHANNELS[channel]),
            _choice(person, channel, None, said.get((channel, None))),
            [_choice(person, channel, topic, said.get((channel, topic.pk))) for topic in topics],
        )
        for channel in channels_of(person)
    ]


def channels_of(person: Profile) -> list[str]:
    """Email and SMS where there is an address, and what else the workspace sends with."""
    addresses, used = addresses_of(person), {"email", "sms", *in_use(person.workspace)}
    return [channel for channel in addresses if channel in used] or ["email"]


def allowed(state: str | None) -> bool:
    """Whether a whole channel is open: it is until it is closed or waits for confirmation."""
    return state not in (ConsentState.NO, ConsentState.PENDING)


def _choice(person: Profile, channel: str, topic: Topic | None, state: str | None) -> Choice:
    """A whole channel is open until it is closed; a topic is closed until it is chosen."""
    if topic is None:
        wording = marketing_wording(person.workspace.name, channel)
        return Choice(channel, channel, None, wording, allowed(state))
    wording = topic_wording(topic, person.workspace.name, channel)
    return Choice(f"{channel}-{topic.pk}", channel, topic, wording, state == ConsentState.YES)


def marketing_wording(sender: str, channel: str) -> str:
    text = _("%(sender)s may send me marketing by %(channel)s.")
    return text % {"sender": sender, "channel": WORDS[channel]}


def topic_wording(topic: Topic, sender: str, channel: str) -> str:
    text = _("I want to receive “%(topic)s” from %(sender)s by %(channel)s.")
    named = text % {"topic": topic.name, "sender": sender, "channel": WORDS[channel]}
    return f"{named} {topic.description}".strip()[:LONGEST_WORDING]


def seen(offered: Collection[Offer]) -> str:
    """Names what the page shows, so that a click is never taken for consent to other words."""
    words = "\0".join(
        f"{one.key}\0{one.wording}" for offer in offered for one in (offer.whole, *offer.topics)
    )
    return hashlib.sha256(words.encode()).hexdigest()[:32]


# ---- what they chose -------------------------------------------------------------------------------
def choose(person: Profile, *, chosen: Collection[str], shown: str, now: datetime) -> bool:
    """Records what the person changed; True when something was news.

    `chosen` holds the keys of the ticked boxes, `shown` what `seen` said of the page they were on. Raises
    Conflict when the page has changed since. A box that was ticked before they came is no act of theirs.
    """
    offered = offers(person)
    if shown != seen(offered):
        detail = _("This page has changed since you opened it. Look at it once more and save again.")
        raise Conflict(detail, code="page_changed")
    boxes = [box for offer in offered for box in (offer.whole, *offer.topics)]
    changed = [box for box in boxes if (box.key in chosen) != box.is_chosen]
    said = [_said(person, box, ConsentState.YES if box.key in chosen else ConsentState.NO) for box in changed]
    verdicts = consent.say_all(person.workspace, said, actor=None, now=now)
    return consent.Verdict.WRITTEN in verdicts


def follow(person: Profile, *, is_welcome: bool, now: datetime) -> None:
    """Whether what the person opens and clicks may be recorded; it is, until they say no."""
    changed = Profile.objects.filter(pk=person.pk, is_untracked=is_welcome)
    changed.update(is_untracked=not is_welcome, changed_at=now)
    person.is_untracked = not is_welcome


def stop(person: Profile, *, now: datetime) -> None:
    """No more marketing from this house, on any channel."""
    whole = (_choice(person, channel, None, None) for channel in CHANNELS)
    said = [_said(person, choice, ConsentState.NO) for choice in whole]
    consent.say_all(person.workspace, said, actor=None, now=now)


def _said(person: Profile, box: Choice, state: str) -> Said:
    topic_id = box.topic.pk if box.topic else None
    return Said(person.pk, box.channel, state, SOURCE, box.wording, topic_id)
