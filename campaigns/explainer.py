"""“Can Ana approve this campaign? No: …”: the answer of the gate and of the lifecycle's guards, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from accounts.access import explain
from accounts.models import ApiCredential, User
from campaigns import lifecycle
from campaigns.access import VIEW
from campaigns.models import Campaign


@dataclass(frozen=True)
class Answer:
    verb: str
    allowed: bool
    sentence: str


def answers(person: User | ApiCredential, campaign: Campaign, *, now: datetime) -> list[Answer]:
    """Seeing it, and every verb: by the guards where its state allows it, else by that state."""
    seen = explain(person, VIEW, campaign)
    found = [_answer(person, "view", _("see it"), seen.allowed, seen.reason)]
    if not seen.allowed:
        return found
    now_possible = {one.verb: one for one in lifecycle.available(campaign, person, now=now)}
    for verb, row in lifecycle.PRESSABLE.items():
        state = now_possible.get(verb)
        if state is not None:
            found.append(_answer(person, verb, str(row.label), state.allowed, state.reason))
            continue
        right = explain(person, row.permission, campaign)
        if not right.allowed:
            found.append(_answer(person, verb, str(row.label), False, right.reason))
            continue
        told = _("%(who)s – %(verb)s: not now. They have the right, but it is “%(state)s”.")
        named = {"who": person, "verb": row.label, "state": campaign.get_status_display()}
        found.append(Answer(verb, False, told % named))
    return found


def can(person: User | ApiCredential, verb: str, campaign: Campaign, *, now: datetime) -> Answer:
    """One verb, or `view`. A person who may not see it may do nothing with it, for that reason."""
    found = answers(person, campaign, now=now)
    return next((one for one in found if one.verb == verb), found[0])


def _answer(person: User | ApiCredential, verb: str, label: str, allowed: bool, reason: str) -> Answer:
    told = (
        _("%(who)s – %(verb)s: yes.") if allowed else _("%(who)s – %(verb)s: no. They are told: “%(reason)s”")
    )
    return Answer(verb, allowed, told % {"who": person, "verb": label, "reason": reason})
