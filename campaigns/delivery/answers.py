"""What a provider's fact means for the message it was said of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from campaigns.delivery.claims import Tried
from campaigns.delivery.due import Due
from campaigns.models import Outcome
from channels import sending
from channels.messages import Fact
from channels.messages import Outcome as Said
from channels.models import ChannelConfiguration

FIRST_RETRY, LONGEST_WAIT = timedelta(seconds=60), timedelta(hours=4)
RETRY_HOURS = 84.0  # after the first try, unless the configuration says otherwise


class Retries(NamedTuple):
    """For how long after its first try a message is tried again, and the waits in between; without any, each
    is twice as long as the one before it.
    """

    period: timedelta
    waits: tuple[timedelta, ...] = ()

    def wait(self, n: int) -> timedelta:
        """After the nth try, counted from 1. The last of the waits is repeated."""
        if self.waits:
            return self.waits[min(n, len(self.waits)) - 1]
        doubled: timedelta = FIRST_RETRY * 2 ** min(n - 1, 10)
        return min(doubled, LONGEST_WAIT)


def retries(configuration: ChannelConfiguration) -> Retries:
    hours = float(configuration.settings.get("retry_hours") or RETRY_HOURS)
    minutes = sending.waits_of(str(configuration.settings.get("retry_waits") or ""))
    return Retries(timedelta(hours=hours), tuple(timedelta(minutes=one) for one in minutes))


def outcome(due: Due, said: Said, retries: Retries, now: datetime) -> Tried:
    """`LATER` is tried again until the period is over: then it expires, with what was said last."""
    if said.fact == Fact.ACCEPTED:
        named = said.provider_id[:128] or None
        return Tried(due.ref, due.n, Outcome.ACCEPTED, said.code, provider_id=named, before=due.before)

    def tried(result: Outcome, *, retry_at: datetime | None = None) -> Tried:
        detail = said.detail[:500] or None
        return Tried(due.ref, due.n, result, said.code, detail, retry_at, before=due.before)

    retry_at = now + _wait(due.n, said, retries)
    if said.fact == Fact.UNCERTAIN:
        return tried(Outcome.UNCERTAIN, retry_at=retry_at)
    if said.fact != Fact.LATER:
        return tried(Outcome.FAILED)
    if retry_at <= (due.first_at or now) + retries.period:
        return tried(Outcome.DEFERRED, retry_at=retry_at)
    return tried(Outcome.EXPIRED)


def _wait(n: int, said: Said, retries: Retries) -> timedelta:
    """The provider's own wish counts when it is longer, within reason."""
    wish = timedelta(seconds=min(said.wait or 0.0, LONGEST_WAIT.total_seconds()))
    return max(retries.wait(n), wish)
