"""What a batch asks before each window: may it send, does its provider answer, and who may leave when.

It keeps no state of its own beside what it was told of this batch: breaker and pace stand in the database,
shared by every worker (channels/breaker.py, channels/pacing.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from campaigns.delivery.due import Due
from channels import breaker, pacing
from channels.limits import Limits
from channels.messages import Fact
from channels.messages import Outcome as Said
from channels.models import ChannelConfiguration
from channels.pacing import Pace, Paces

REACH = 200  # of the messages that wait: how far a window looks for those that may leave
SPAN = 0.5  # seconds: what a window takes of a pace at once, so that workers take turns
JOINS, STAYS = 0.25, 5.0  # seconds a batch waits for its first window, and for each one after it
LONGEST_NAP = 12.0  # seconds, well within a lease
LEAD, MOST_LEAD = 0.01, 0.2  # seconds between taking a moment and being ready to leave
INACTIVE = timedelta(seconds=60)


@dataclass(frozen=True)
class Opening:
    """`window` may leave, each at a moment of the monotonic clock, 0 for at once. Without one, `until` is
    when to come back, and `trouble` what the provider said, when it is the provider we wait for. `since` is
    when the moments were taken, None where nothing limits.
    """

    window: list[tuple[Due, float]] = field(default_factory=list)
    is_probe: bool = False
    until: timedelta = timedelta(0)
    trouble: Said | None = None
    since: float | None = None


@dataclass
class Gate:
    """One for each batch on its way out. `rate` is the campaign's own, `lead` what its windows need to get
    ready, by the last ones.
    """

    configuration: ChannelConfiguration
    run_id: int
    rate: int | None
    is_urgent: bool
    has_begun: bool = False
    lead: float = LEAD

    def ask(self, waiting: Sequence[Due], *, most: int) -> Opening:
        """Who of those waiting makes the next window, of at most so many."""
        stands = breaker.standing(self.configuration.pk)
        if not stands.is_active:
            detail = _("The channel configuration “%(name)s” is not active.")
            said = Said(Fact.MISCONFIGURED, "", detail % {"name": self.configuration.name})
            return Opening(until=INACTIVE, trouble=said)
        is_probe = stands.is_open and not stands.wait and breaker.take_probe(self.configuration.pk)
        if stands.is_open and not is_probe:
            wait = timedelta(seconds=stands.wait + 1)
            return Opening(until=wait, trouble=Said(Fact.UNREACHABLE, "", stands.reason))
        most = 1 if is_probe else self._most(stands.limits, most)
        if not (self.rate or stands.limits.are_set):
            self.has_begun = True
            return Opening([(one, 0.0) for one in waiting[:most]], is_probe)
        near = waiting[:REACH]
        reserved = pacing.reserve(
            self._paces(near, stands.limits),
            most=most,
            ahead=STAYS if self.has_begun or is_probe else JOINS,
            instead=stands.limits.instead(self.configuration.pk, is_urgent=self.is_urgent),
            lead=self.lead,
        )
        self.has_begun = self.has_begun or bool(reserved.slots)
        window = [(near[slot.place], reserved.moment(slot)) for slot in reserved.slots]
        return Opening(window, is_probe, timedelta(seconds=reserved.wait), since=reserved.since)

    def went(self, opening: Opening, *, at: float) -> None:
        """A window was ready: so long the next one will need, and a moment more."""
        if opening.since is not None:
            self.lead = min(MOST_LEAD, max(LEAD, 1.5 * (at - opening.since), 0.9 * self.lead))

    def stays(self, opening: Opening) -> bool:
        """Whether this batch, once it has begun, waits here for its next window: then the pace is kept."""
        return self.has_begun and opening.until.total_seconds() <= LONGEST_NAP

    def tell(self, said: Sequence[Said], opening: Opening, *, now: datetime) -> None:
        """What became of a window."""
        breaker.tell(self.configuration, said, is_probe=opening.is_probe, now=now)

    def _most(self, limits: Limits, most: int) -> int:
        """A slow pace is taken in small pieces: what is taken by a worker that dies is lost."""
        rate = min(filter(None, (self.rate, limits.rate)), default=None)
        return most if rate is None else max(1, min(most, math.ceil(rate * SPAN)))

    def _paces(self, waiting: Sequence[Due], limits: Limits) -> list[Paces]:
        ours: tuple[Pace, ...] = (pacing.steady(f"r{self.run_id}", self.rate),) if self.rate else ()
        if not limits.domains:
            shared = ours + limits.paces(self.configuration.pk, "", is_urgent=self.is_urgent)
            return [shared] * len(waiting)
        of = self.configuration.pk
        return [ours + limits.paces(of, one.address, is_urgent=self.is_urgent) for one in waiting]
