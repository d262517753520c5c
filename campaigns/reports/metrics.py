"""The numbers of a run, read from the ledger's rows.

targeted = accepted + failed + excluded + cancelled + expired + uncertain (+ to go, while it runs).
A message counts by its last attempt; without one, or deferred, it is still to go.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from audiences.reachability import REASON_LABELS as EXCLUSION_LABELS
from campaigns.models import Attempt, Campaign, Event, Message, Outcome, Run
from campaigns.reports import figures

COUNTS = """
SELECT last.outcome, count(*) FROM (
    SELECT DISTINCT ON (ref, action) outcome FROM campaigns_attempt
    WHERE run_id = %s ORDER BY ref, action, n DESC
) last GROUP BY 1
"""
REASONS = """
SELECT code, count(*) FROM (
    SELECT DISTINCT ON (ref, action) outcome, code FROM campaigns_attempt
    WHERE run_id = %s ORDER BY ref, action, n DESC
) last WHERE outcome = %s GROUP BY 1 ORDER BY 2 DESC, 1
"""

REASON_LABELS: dict[str, Any] = {
    **EXCLUSION_LABELS,
    "said_arrived": _("Somebody knows that it arrived"),
    "said_lost": _("Somebody knows that it was lost"),
    "said_again": _("Somebody had it sent again"),
    "provider_knows": _("The provider was asked, and has it"),
    "provider_refused": _("The provider was asked, and did not take it"),
    "050018": _("Held out of the experiment"),
    "050019": _("In an audience that is left out"),
    "050026": _("Nothing is written in this person's language"),
    "050027": _("Nothing is written for this person's treatment"),
    "050302": _("The message could not be written for this person"),
    "050002": _("Over a frequency cap"),
    "050103": _("The address is not on the allowed list"),
    "050106": _("The domain is not on the allowed list"),
    "quiet_hours": _("In quiet hours"),
    "warm_up": _("Beyond the day’s volume of the warm-up plan"),
    "no_wave": _("More people than the waves take"),
    "not_reached": _("Not reached within twelve hours at the delivery rate"),
    "abandoned": _("Given up after its worker failed again and again"),
    "worker_lost": _("The worker died after it may have handed the message over"),
    "stopped": _("The campaign was stopped"),
}


# Messages of calls that name a person. Written like this, and not as “is not”, which for a column that may be
# null asks more than the partial index knows, the index of these messages serves it.
NAMED = Q(ref__lt=F("profile_id")) | Q(ref__gt=F("profile_id"))


@dataclass(frozen=True)
class Ledger:
    targeted: int
    accepted: int
    failed: int
    excluded: int
    cancelled: int
    expired: int
    uncertain: int
    to_go: int

    @property
    def settled(self) -> int:
        return self.targeted - self.to_go

    @property
    def balances(self) -> bool:
        """Each number is counted by itself, so this can be false."""
        parts = asdict(self)
        return parts.pop("targeted") == sum(parts.values()) and self.to_go >= 0


def ledger(run: Run) -> Ledger:
    """Counted from the rows; once these are dropped, what they said when the run ended. Of a run that goes on
    what was pruned counts too.
    """
    if run.dropped_at and run.totals:
        return Ledger(**run.totals)
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [run.pk])
        counts = dict(cursor.fetchall())
        cursor.execute("SELECT count(*) FROM campaigns_message WHERE run_id = %s", [run.pk])
        messages = int(cursor.fetchone()[0])
    pruned: Counter[str] = Counter()
    for told in run.pruned.values():
        for key, count in told.items():
            pruned[key.partition("/")[0]] += count
    targeted = messages + pruned.total() if run.kind == Run.Kind.STANDING else run.targeted
    tried = sum(counts.values())
    deferred = counts.pop(Outcome.DEFERRED, 0)
    return Ledger(
        targeted=targeted,
        to_go=messages - tried + deferred,
        **{name: counts.get(name, 0) + pruned[name] for name in Outcome.values if name != Outcome.DEFERRED},
    )


@dataclass(frozen=True)
class Engagement:
    """People, not events: whoever opened twice counts once, and machines not at all."""

    opened: int
    clicked: int
    unsubscribed: int
    bounced: int
    complained: int


def engagement(run: Run) -> Engagement:
    read = figures.read([run.pk])
    kinds = Event.Kind
    return Engagement(
        read.tally(kinds.OPEN).people,
        read.tally(kinds.CLICK).people,
        *(read.tally(kind).people for kind in (kinds.UNSUBSCRIBE, kinds.BOUNCE, kinds.COMPLAINT)),
    )


def reasons(run: Run, outcome: str) -> list[tuple[str, str, int]]:
    """(code, label, people) of those whose message ended with the outcome, most first."""
    with connection.cursor() as cursor:
        cursor.execute(REASONS, [run.pk, outcome])
        return [(code, str(REASON_LABELS.get(code, code)), people) for code, people in cursor.fetchall()]


def messages_to(profile_id: int, campaigns: QuerySet[Campaign]) -> QuerySet[Message, Any]:
    """What one person got of these campaigns, the latest run first."""
    # In the run of an audience a message's ref is its profile: the primary key finds it.
    of_audience = Q(ref=profile_id, profile=profile_id, run__in=Run.objects.filter(campaign__in=campaigns))
    named = NAMED & Q(profile=profile_id, run__campaign__in=campaigns)
    rows = Message.objects.filter(of_audience | named)
    return told(rows).select_related("run__campaign").order_by("-run__due_at", "action", "-ref")


def told(messages: QuerySet[Message]) -> QuerySet[Message, Any]:
    """With outcome, code, detail and time of the last attempt."""
    last = Attempt.objects.filter(
        run=OuterRef("run"), action=OuterRef("action"), ref=OuterRef("ref")
    ).order_by("-n")
    return messages.annotate(
        outcome=Subquery(last.values("outcome")[:1]),
        code=Subquery(last.values("code")[:1]),
        detail=Subquery(last.values("detail")[:1]),
        at=Subquery(last.values("at")[:1]),
    )
