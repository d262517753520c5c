"""“Can Ana approve this campaign? No: …”: the answer of the gate and of the lifecycle's guards, in words.

A no says what Ana is told, and to whoever asks what she lacks: the right, or the label. Whoever asks sees the
campaign, so they hold its labels and may read their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from accounts.access import Explanation, explain
from accounts.models import ApiCredential, User
from accounts.roles import PERMISSION_LABELS
from campaigns import lifecycle
from campaigns.access import VIEW
from campaigns.models import Campaign

Person = User | ApiCredential


@dataclass(frozen=True)
class Answer:
    verb: str
    allowed: bool
    sentence: str


def answers(person: Person, campaign: Campaign, *, now: datetime) -> list[Answer]:
    """Seeing it, and every verb: by the right, then by the guards where its state allows it, else by that."""
    seen = explain(person, VIEW, campaign)
    if not seen.allowed:
        return [_lacks(person, "view", _("see it"), seen)]
    found = [_told(person, "view", _("see it"))]
    now_possible = {one.verb: one for one in lifecycle.available(campaign, person, now=now)}
    for verb, row in lifecycle.PRESSABLE.items():
        label, state = str(row.label), now_possible.get(verb)
        right = explain(person, row.permission, campaign)
        if not right.allowed:
            found.append(_lacks(person, verb, label, right))
        elif state is None:
            told = _("%(who)s – %(verb)s: not now. They have the right, but it is “%(state)s”.")
            named = {"who": person, "verb": label, "state": campaign.get_status_display()}
            found.append(Answer(verb, False, told % named))
        else:
            found.append(_told(person, verb, label, "" if state.allowed else state.reason))
    return found


def can(person: Person, verb: str, campaign: Campaign, *, now: datetime) -> Answer:
    """One verb, or `view`. A person who may not see it may do nothing with it, for that reason."""
    found = answers(person, campaign, now=now)
    return next((one for one in found if one.verb == verb), found[0])


def _told(person: Person, verb: str, label: str, reason: str = "") -> Answer:
    told = (
        _("%(who)s – %(verb)s: no. They are told: “%(reason)s”") if reason else _("%(who)s – %(verb)s: yes.")
    )
    return Answer(verb, not reason, told % {"who": person, "verb": label, "reason": reason})


def _lacks(person: Person, verb: str, label: str, right: Explanation) -> Answer:
    no = _told(person, verb, label, right.reason)
    if right.label:
        lacking = _("What they lack: a role that holds the label “%(label)s”.") % {"label": right.label}
    else:
        named = {"right": PERMISSION_LABELS[right.permission]}
        lacking = _("What they lack: the right “%(right)s”.") % named
    return Answer(verb, False, f"{no.sentence} {lacking}")
