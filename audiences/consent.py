"""What people allow, per channel and topic: what each last said, with its history, written together.

Withdrawing always wins, at once, for every run. Back to “yes” leads only evidence: where it was said (source)
and what the person read (wording), no older than the “no”. A “no” to the whole channel stands above topics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences.access import MANAGE
from audiences.models import Consent, ConsentState, Profile, Topic
from audiences.query import Query
from audiences.reachability import CHANNELS
from common.errors import Invalid, Problem
from common.text import has_control

LONGEST_SOURCE, LONGEST_WORDING = 60, 1000


class Verdict(StrEnum):
    """What became of one statement."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    EVIDENCE_MISSING = "evidence_missing"


@dataclass(frozen=True)
class Said:
    """One statement of one person; without a topic it speaks of the whole channel."""

    profile_id: int
    channel: str
    state: str
    source: str
    wording: str = ""
    topic_id: int | None = None


# The guard stands in DO UPDATE, where the row is locked: whatever was withdrawn in this moment is seen.
RECORD = """
WITH said AS (
    SELECT DISTINCT ON (profile_id, channel, topic_id) * FROM ({source}) s
    ORDER BY profile_id, channel, topic_id, state = 'no' DESC, place DESC
), written AS (
    INSERT INTO audiences_consent AS c (profile_id, channel, topic_id, state, source, wording, actor, at)
    SELECT profile_id, channel, topic_id, state, source, wording, %s, at FROM said
    ORDER BY profile_id, channel, topic_id
    ON CONFLICT (profile_id, channel, topic_id) DO UPDATE SET
        state = EXCLUDED.state, source = EXCLUDED.source, wording = EXCLUDED.wording,
        actor = EXCLUDED.actor, at = EXCLUDED.at
    WHERE c.state <> EXCLUDED.state AND CASE EXCLUDED.state
        WHEN 'no' THEN TRUE
        WHEN 'yes' THEN EXCLUDED.source <> '' AND EXCLUDED.wording <> '' AND EXCLUDED.at >= c.at
        ELSE c.state = 'no' END
    RETURNING c.*
), noted AS (
    INSERT INTO audiences_consententry (profile_id, channel, topic_id, state, source, wording, actor, at)
    SELECT profile_id, channel, topic_id, state, source, wording, actor, at FROM written
)
-- Asked of one hash of what was written: joined, the planner would compare every row with every other.
SELECT s.place, CASE
    WHEN (s.profile_id, s.channel, COALESCE(s.topic_id, 0)) IN
         (SELECT profile_id, channel, COALESCE(topic_id, 0) FROM written) THEN 'written'
    WHEN s.state = 'yes' AND EXISTS (
         SELECT 1 FROM audiences_consent c WHERE c.profile_id = s.profile_id AND c.channel = s.channel
         AND c.topic_id IS NOT DISTINCT FROM s.topic_id AND c.state <> 'yes') THEN 'evidence_missing'
    ELSE 'unchanged' END
FROM said s
"""
STATEMENTS = """
SELECT * FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[],
                     %s::timestamptz[])
    AS t(place, profile_id, channel, topic_id, state, source, wording, at)
"""


def record(source: Query, *, actor: Actor | str | None) -> dict[int, Verdict]:
    """Writes what is news of any number of statements, in one statement; for imports.

    `source` selects (place int, profile_id, channel, topic_id, state, source, wording, at), every value
    checked. Returns the verdict by place; of several about the same thing “no” wins, else the last, and
    only that one has a verdict. Without an actor the person spoke for themselves.
    """
    said_by = str(actor)[:200] if actor else ""
    with connection.cursor() as cursor:
        cursor.execute(RECORD.format(source=source.sql), (*source.params, said_by))
        return {place: Verdict(verdict) for place, verdict in cursor.fetchall()}


@transaction.atomic
def say_all(
    workspace: Workspace, statements: Sequence[Said], *, actor: Actor | None, now: datetime
) -> list[Verdict]:
    """Records the statements and returns a verdict for each. Raises Invalid with a pointer per fault,
    `/3/wording`, and then writes nothing. Profiles and topics must be the workspace's.
    """
    if actor is not None:
        require(actor, MANAGE, workspace)
    if problems := faults(workspace, statements):
        raise Invalid([problem for _place, problem in problems])
    verdicts = record(_source(statements, now), actor=actor)
    written = sum(verdict == Verdict.WRITTEN for verdict in verdicts.values())
    if actor is not None and written:
        audit.record(
            actor=actor, verb="record consent", obj=workspace, workspace=workspace, now=now, written=written
        )
    return [verdicts.get(place, Verdict.UNCHANGED) for place in range(len(statements))]


def say(
    profile: Profile,
    *,
    channel: str,
    state: str,
    source: str,
    wording: str = "",
    topic: Topic | None = None,
    actor: Actor | None,
    now: datetime,
) -> bool:
    """One statement; True when it is news. Raises Invalid `evidence_missing` for a “yes” without evidence."""
    said = Said(profile.pk, channel, state, source, wording, topic.pk if topic else None)
    try:
        verdict = say_all(profile.workspace, [said], actor=actor, now=now)[0]
    except Invalid as error:
        raise Invalid(
            Problem(one.code, one.detail, one.pointer.rpartition("/")[2]) for one in error.problems
        ) from error
    if verdict == Verdict.EVIDENCE_MISSING:
        raise Invalid(evidence_missing("wording"))
    return verdict == Verdict.WRITTEN


def withdraw(*, profile_id: int, channel: str, source: str, now: datetime) -> bool:
    """Records that the person wants no more marketing on the channel. True when that is news."""
    said = Said(profile_id, channel, ConsentState.NO, source)
    return record(_source([said], now), actor=None)[0] == Verdict.WRITTEN


def has_agreed_since(moment: datetime, *, profile_id: int, channel: str) -> bool:
    """Whether the person has said yes to the channel after the moment: a “no” of then, told late, is old."""
    said = Consent.objects.filter(profile=profile_id, channel=channel, topic=None, at__gt=moment)
    return said.filter(state=ConsentState.YES).exists()


def withdraw_all(statements: Sequence[Said], *, now: datetime) -> None:
    """The same for any number of people, in one statement."""
    if statements:
        record(_source(statements, now), actor=None)


def evidence_missing(pointer: str) -> Problem:
    detail = _(
        "This person has opted out or has not confirmed. To record that they agree again, "
        "give the source and the wording they agreed to, no older than that."
    )
    return Problem("evidence_missing", detail, pointer)


def faults(workspace: Workspace, statements: Sequence[Said]) -> list[tuple[int, Problem]]:
    """Every fault as (place, problem with its pointer); two queries for any number of statements."""
    people = set(
        Profile.objects.filter(
            workspace=workspace, pk__in={one.profile_id for one in statements}
        ).values_list("pk", flat=True)
    )
    asked = {one.topic_id for one in statements if one.topic_id is not None}
    topics = set(Topic.objects.filter(workspace=workspace, pk__in=asked).values_list("pk", flat=True))
    found: list[tuple[int, Problem]] = []
    for place, one in enumerate(statements):
        if one.profile_id not in people:
            found.append((place, Problem("not_found", _("There is no such person."), f"/{place}/profile")))
        if one.topic_id is not None and one.topic_id not in topics:
            found.append((place, Problem("not_found", _("There is no such topic."), f"/{place}/topic")))
        found += [(place, Problem(code, text, f"/{place}/{name}")) for code, text, name in _own_faults(one)]
    return found


def _own_faults(one: Said) -> list[tuple[str, str, str]]:
    found = []
    if one.channel not in CHANNELS:
        detail = _("There is no channel “%(name)s”; use one of %(known)s.")
        named = {"name": one.channel[:80], "known": ", ".join(CHANNELS)}
        found.append(("unknown_channel", detail % named, "channel"))
    if one.state not in ConsentState.values:
        known = {"known": ", ".join(ConsentState.values)}
        found.append(("unknown_state", _("The state is one of %(known)s.") % known, "state"))
    if not one.source.strip():
        found.append(("source_missing", _("Say where the person said so."), "source"))
    for name, most in (("source", LONGEST_SOURCE), ("wording", LONGEST_WORDING)):
        text = getattr(one, name)
        if len(text) > most:
            detail = _("At most %(most)s characters can be kept.") % {"most": most}
            found.append(("too_long", detail, name))
        if has_control(text, allowed="\t\n\r"):
            found.append(("control_char", _("Control characters cannot be kept."), name))
    return found


def _source(statements: Sequence[Said], now: datetime) -> Query:
    columns = zip(
        *(
            (place, one.profile_id, one.channel, one.topic_id, one.state, one.source, one.wording, now)
            for place, one in enumerate(statements)
        ),
        strict=True,
    )
    values = tuple(list(column) for column in columns) or ([],) * 8
    return Query(STATEMENTS, values)
