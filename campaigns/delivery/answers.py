"""What a provider's fact means for the message it was said of."""

from __future__ import annotations

from datetime import datetime, timedelta

from campaigns.delivery.claims import Tried
from campaigns.delivery.due import Due
from campaigns.models import Outcome
from channels.messages import Fact
from channels.messages import Outcome as Said
from channels.models import ChannelConfiguration

FIRST_RETRY, LONGEST_WAIT = timedelta(seconds=60), timedelta(hours=4)
RETRY_HOURS = 84.0  # after the first try, unless the configuration says otherwise


def retry_period(configuration: ChannelConfiguration) -> timedelta:
    """How long after its first try a message is tried again."""
    return timedelta(hours=float(configuration.settings.get("retry_hours") or RETRY_HOURS))


def outcome(due: Due, said: Said, period: timedelta, now: datetime) -> Tried:
    """`LATER` is tried again, each time twice as long after, until the period is over: then it expires."""

    def tried(result: Outcome, *, retry_at: datetime | None = None, provider_id: str | None = None) -> Tried:
        detail = None if result == Outcome.ACCEPTED else said.detail[:500] or None
        return Tried(due.ref, due.n, result, said.code, detail, retry_at, provider_id, due.before)

    if said.fact == Fact.ACCEPTED:
        return tried(Outcome.ACCEPTED, provider_id=said.provider_id[:128] or None)
    retry_at = now + _wait(due.n, said)
    if said.fact == Fact.UNCERTAIN:
        return tried(Outcome.UNCERTAIN, retry_at=retry_at)
    if said.fact != Fact.LATER:
        return tried(Outcome.FAILED)
    if retry_at <= (due.first_at or now) + period:
        return tried(Outcome.DEFERRED, retry_at=retry_at)
    return tried(Outcome.EXPIRED)


def _wait(n: int, said: Said) -> timedelta:
    """The provider's own wish counts when it is longer, within reason."""
    wish = timedelta(seconds=min(said.wait or 0.0, LONGEST_WAIT.total_seconds()))
    ours: timedelta = FIRST_RETRY * 2 ** min(n - 1, 10)
    return max(min(ours, LONGEST_WAIT), wish)
