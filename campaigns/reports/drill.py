"""The messages behind a number: what a report's link asks for, as a query over the ledger.

Receives the runs the reader may see and the query of the address; unknown values are passed over. Returns
messages with their last attempt, for a page or a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, Value, When

from campaigns.models import Attempt, Event, Link, Message, Outcome, Run, Version
from campaigns.reports import metrics
from campaigns.reports.counting import OTHER, PROGRAMS
from campaigns.reports.definitions import DEVICES
from campaigns.reports.report import DAY
from campaigns.reports.treatments import content_of
from campaigns.tracking.machines import LABELS
from common.text import whole_number

TO_GO, DELIVERED, SENT, RETRIED = "to_go", "delivered", "sent", "retried"
OUTCOMES = (
    *("accepted", DELIVERED, "failed", "excluded", "cancelled", "expired", "uncertain"),
    *(TO_GO, SENT, RETRIED),
)
PEOPLE, MACHINES, MACHINES_ONLY = "people", "machines", "machines-only"
# What the program of an event runs on, as `counting.DEVICE` tells it.
DEVICE = Case(
    *(When(Q(program__iregex=words), then=Value(name)) for words, name in PROGRAMS), default=Value(OTHER)
)
BASE = "-"  # in an address: the first treatment or language, or no reason, whose name is empty


@dataclass(frozen=True)
class Asked:
    """`who` narrows the event to people's or machines', or to messages that machines alone touched; `link`
    is a number in every version, or with `version` in that one, and the same address in the others.
    `treatment`, `language` and `fault` are None for all.
    """

    outcome: str = ""
    code: str = ""
    event: str = ""
    who: str = ""
    link: int | None = None
    version: int | None = None
    rule: str = ""
    fault: str | None = None
    device: str = ""
    domain: str = ""
    action: int | None = None
    treatment: str | None = None
    language: str | None = None
    search: str = ""
    is_last_day: bool = False

    def query(self) -> dict[str, Any]:
        """As it stands in an address."""
        found: dict[str, Any] = {
            "outcome": self.outcome,
            "code": self.code,
            "event": self.event,
            "who": self.who,
            "link": self.link,
            "version": self.version,
            "rule": self.rule,
            "fault": None if self.fault is None else self.fault or BASE,
            "device": self.device,
            "domain": self.domain,
            "action": self.action,
            "treatment": None if self.treatment is None else self.treatment or BASE,
            "language": None if self.language is None else self.language or BASE,
            "search": self.search,
            "window": "24h" if self.is_last_day else "",
        }
        return {key: value for key, value in found.items() if value not in (None, "")}


def read(given: Mapping[str, str]) -> Asked:
    def word(name: str, known: Sequence[str]) -> str:
        value = given.get(name, "")
        return value if value in known else ""

    def text(name: str, most: int) -> str:
        return given.get(name, "").replace("\0", "").strip()[:most]

    def named(name: str) -> str | None:
        value = text(name, 60)
        return None if not value else "" if value == BASE else value

    def number(name: str, most: int) -> int | None:
        return whole_number(given.get(name, ""), most)

    return Asked(
        outcome=word("outcome", OUTCOMES),
        code=text("code", 20),
        event=word("event", Event.Kind.values),
        who=word("who", (PEOPLE, MACHINES, MACHINES_ONLY)),
        link=number("link", 32_767),
        version=number("version", 2**31 - 1),
        rule=word("rule", tuple(LABELS)),
        fault=named("fault"),
        device=word("device", tuple(DEVICES)),
        domain=text("domain", 100).lower(),
        action=number("action", 32_767),
        treatment=named("treatment"),
        language=named("language"),
        search=text("search", 254),
        is_last_day=given.get("window") == "24h",
    )


def messages(runs: Sequence[Run], asked: Asked, *, now: datetime) -> QuerySet[Message, Any]:
    """Newest run first, then by action and number."""
    rows = metrics.told(Message.objects.filter(run__in=[run.pk for run in runs]))
    rows = _by_outcome(rows, asked, _since(asked, now))
    if asked.code:
        rows = rows.filter(Q(code=asked.code))
    if asked.action is not None:
        rows = rows.filter(action=asked.action)
    if asked.event or asked.rule or asked.fault is not None:
        rows = _touched(rows, runs, asked, _since(asked, now))
    if asked.domain:
        rows = rows.filter(address__iendswith=f"@{asked.domain}")
    if asked.treatment is not None or asked.language is not None:
        rows = rows.filter(_contents(runs, asked))
    if asked.search:
        rows = rows.filter(address__icontains=asked.search)
    return rows.order_by("-run", "action", "ref")


def _since(asked: Asked, now: datetime) -> datetime | None:
    return (now - DAY).replace(minute=0, second=0, microsecond=0) if asked.is_last_day else None


def _by_outcome(rows: QuerySet[Message, Any], asked: Asked, since: datetime | None) -> QuerySet[Message, Any]:
    if since and asked.outcome:  # the moment of the last try
        rows = rows.filter(Q(at__gte=since))
    if asked.outcome == TO_GO:
        return rows.filter(Q(outcome=None) | Q(outcome=Outcome.DEFERRED))
    if asked.outcome == SENT:
        return rows.filter(Q(outcome__in=[Outcome.ACCEPTED, Outcome.FAILED, Outcome.UNCERTAIN]))
    if asked.outcome == RETRIED:
        again = Attempt.objects.filter(
            run=OuterRef("run"), action=OuterRef("action"), ref=OuterRef("ref"), n=2
        )
        return rows.filter(Exists(again))
    if asked.outcome == DELIVERED:
        back = _of_message().filter(kind=Event.Kind.BOUNCE)
        return rows.filter(~Exists(back) & Q(outcome=Outcome.ACCEPTED))
    return rows.filter(Q(outcome=asked.outcome)) if asked.outcome else rows


def _of_message() -> QuerySet[Event]:
    return Event.objects.filter(run=OuterRef("run"), action=OuterRef("action"), ref=OuterRef("ref"))


def _touched(
    rows: QuerySet[Message, Any], runs: Sequence[Run], asked: Asked, since: datetime | None
) -> QuerySet[Message, Any]:
    """Of whom that happened; in the last day: of whom it happened for the first time. Nobody asks for the
    first time of a machine's rule, whose number counts events.
    """
    events = _events(runs, asked)
    if asked.who == MACHINES_ONLY:
        rows = rows.filter(~Exists(events.filter(machine="")))
    elif asked.who == PEOPLE:
        events = events.filter(machine="")
    elif asked.who == MACHINES:
        events = events.exclude(machine="")
    first = events.order_by("id")  # as it was counted
    if asked.device:
        rows = rows.annotate(program=Subquery(first.values("user_agent")[:1]))
        rows = rows.annotate(device=DEVICE).filter(Q(device=asked.device, program__isnull=False))
    if since and asked.rule:
        return rows.filter(Exists(events.filter(at__gte=since)))
    if since:
        return rows.annotate(first=Subquery(first.values("at")[:1])).filter(Q(first__gte=since))
    return rows.filter(Exists(events))


def _events(runs: Sequence[Run], asked: Asked) -> QuerySet[Event]:
    rows = _of_message()
    if asked.event:
        rows = rows.filter(kind=asked.event)
    if asked.rule:
        rows = rows.filter(machine=asked.rule)
    if asked.fault is not None:
        rows = rows.filter(fault=asked.fault)
    return rows.filter(_links(runs, asked)) if asked.link is not None else rows


def _links(runs: Sequence[Run], asked: Asked) -> Q:
    """The link's number, which in another version is another link's."""
    if asked.version is None or asked.link is None:
        return Q(link=asked.link)
    found = Q(run__in=[])
    sent = Link.objects.filter(version__in={run.version_id for run in runs}, action=asked.action or 0)
    meant = sent.filter(version=asked.version, number=asked.link)
    same = sent.filter(url__in=meant.values("url"))
    for version, number in same.values_list("version", "number"):
        found |= Q(run__in=[run.pk for run in runs if run.version_id == version], link=number)
    return found


def _contents(runs: Sequence[Run], asked: Asked) -> Q:
    """The places of the contents asked for, in every version the runs sent."""
    found = Q(run__in=[])
    versions = Version.objects.in_bulk({run.version_id for run in runs})
    for run in runs:
        version = versions[run.version_id]
        for one in version.definition["actions"]:
            action = one["position"]
            places = [
                at for at in range(len(one["contents"])) if _fits(content_of(version, action, at), asked)
            ]
            found |= Q(run=run.pk, action=action, variant__in=places)
    return found


def _fits(content: dict[str, Any], asked: Asked) -> bool:
    wanted = {"treatment": asked.treatment, "language": asked.language}
    return all(value is None or content.get(name) == value for name, value in wanted.items())
