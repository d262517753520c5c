"""What people did, as other systems tell us: thousands at once in one statement, each told what became of it.

An event belongs to a person, named by number or by an identity. `key` is the sender's own id of it: the same
key and time sent again is the same event. Times are kept to the microsecond, in UTC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences import identities, months
from audiences.access import MANAGE
from audiences.models import Profile, ProfileEvent
from audiences.namespaces import Namespace, namespaces_of
from audiences.typed import read_moment
from audiences.upsert import Given, upsert
from common.errors import Invalid, Problem, pointer_to
from common.text import has_control, is_storable

NAME = re.compile(r"[a-z][a-z0-9_.]{0,62}")
MOST_EVENTS, MOST_PROPERTIES, MOST_BYTES, MOST_KEY = 5000, 50, 8 * 1024, 128
AHEAD = timedelta(days=1)
RECORDED, REPEATED, REJECTED = "recorded", "repeated", "rejected"


@dataclass(frozen=True)
class Happened:
    """One event as somebody wrote it, nothing checked yet; it has a profile id or an identity."""

    name: Any
    at: Any
    profile_id: Any = None
    identity: tuple[Any, Any] | None = None
    properties: Any = field(default_factory=dict)
    key: Any = None


@dataclass
class Outcome:
    """`recorded`, `repeated` (the same event was there already) or `rejected`, with what is wrong."""

    status: str
    profile_id: int | None = None
    problems: list[Problem] = field(default_factory=list)


@dataclass
class _Event:
    """A checked event."""

    name: str
    at: datetime
    person: int | tuple[str, str]
    properties: dict[str, Any]
    key: str | None


INSERT = """
INSERT INTO audiences_profileevent (workspace_id, profile_id, name, at, properties, key, received_at)
SELECT %(workspace)s, u.profile, u.name, u.at, u.properties::jsonb, u.key, %(now)s
FROM unnest(%(profiles)s::bigint[], %(names)s::text[], %(times)s::timestamptz[], %(properties)s::text[],
            %(keys)s::text[]) AS u(profile, name, at, properties, key)
ON CONFLICT (workspace_id, key, at) DO NOTHING
RETURNING key, at
"""


@transaction.atomic
def record(
    workspace: Workspace,
    events: Sequence[Happened | Invalid],
    *,
    create_profiles: bool = False,
    zone: tzinfo | None = None,
    actor: Actor,
    now: datetime,
) -> list[Outcome]:
    """One outcome per event, in their order; the rejected ones leave nothing, the others are written.

    An event that the door could not read stands there as the Invalid that says why.

    `zone` is that of a time written without one; such a time is refused where it is None.
    """
    require(actor, MANAGE, workspace)
    outcomes = [Outcome(REJECTED) for _event in events]
    known, checked = namespaces_of(workspace), dict[int, _Event]()
    for place, event in enumerate(events):
        try:
            checked[place] = _checked(event, workspace, known, zone, now)
        except Invalid as error:
            outcomes[place].problems = error.problems
    people = _people(workspace, checked, create_profiles, actor, now)
    for place, one in checked.items():
        found = people.get(one.person)
        if found is None:
            pointer = "/profileId" if isinstance(one.person, int) else "/identity/value"
            detail = _("There is no such person.")
            outcomes[place].problems = [Problem("unknown_person", detail, pointer)]
        else:
            outcomes[place] = Outcome(RECORDED, found)
    taken = {place: one for place, one in checked.items() if outcomes[place].profile_id}
    _write(workspace, taken, outcomes, now)
    count = sum(1 for one in outcomes if one.status == RECORDED)
    if count:
        audit.record(
            actor=actor, verb="record_events", obj=workspace, workspace=workspace, now=now, events=count
        )
    return outcomes


def _checked(
    event: Happened | Invalid,
    workspace: Workspace,
    known: Mapping[str, Namespace],
    zone: tzinfo | None,
    now: datetime,
) -> _Event:
    """Raises Invalid with every fault found."""
    if isinstance(event, Invalid):
        raise event
    problems: list[Problem] = []

    def taken(read: Any, *args: Any) -> Any:
        try:
            return read(*args)
        except Invalid as error:
            problems.extend(error.problems)
            return None

    made = _Event(
        name=taken(_name, event.name),
        at=taken(_at, event.at, zone, now),
        person=taken(_person, event, workspace, known),
        properties=taken(clean_properties, event.properties),
        key=taken(_key, event.key),
    )
    if problems:
        raise Invalid(problems)
    return made


def _wrong(code: str, detail: str, pointer: str) -> Invalid:
    return Invalid(Problem(code, detail, pointer))


def _name(given: Any) -> str:
    if isinstance(given, str) and NAME.fullmatch(given):
        return given
    detail = _("A name has small letters, digits, _ and ., begins with a letter and is at most 63 long.")
    raise _wrong("bad_name", detail, "/name")


def _at(given: Any, zone: tzinfo | None, now: datetime) -> datetime:
    moment = read_moment(given, zone=zone, pointer="/at")
    if moment > now + AHEAD:
        raise _wrong("in_the_future", _("The event lies more than a day ahead."), "/at")
    if moment < months.oldest_kept(now):
        raise _wrong("too_old", _("Events of that time are not kept any more."), "/at")
    return moment


def _person(event: Happened, workspace: Workspace, known: Mapping[str, Namespace]) -> int | tuple[str, str]:
    if (event.profile_id is None) == (event.identity is None):
        raise _wrong("bad_person", _("Give either profileId or identity."), "/identity")
    if event.identity is not None:
        namespace, value = event.identity
        return namespace, identities.clean(workspace, namespace, value, known=known, pointer="/identity")
    given = event.profile_id
    if isinstance(given, int) and not isinstance(given, bool) and 0 < given < 2**63:
        return given
    raise _wrong("bad_person", _("profileId is the number of a person."), "/profileId")


def _key(given: Any) -> str | None:
    if given is None or given == "":
        return None
    if isinstance(given, str) and len(given) <= MOST_KEY and not has_control(given):
        return given
    detail = _("A key is a text of at most %(most)s printable characters.") % {"most": MOST_KEY}
    raise _wrong("bad_key", detail, "/key")


def clean_properties(given: Any) -> dict[str, Any]:
    """A flat JSON object of texts, numbers, truth values and nulls. Raises Invalid."""
    if not isinstance(given, dict) or len(given) > MOST_PROPERTIES:
        detail = _("The properties are an object of at most %(most)s entries.") % {"most": MOST_PROPERTIES}
        raise _wrong("bad_properties", detail, "/properties")
    for name, value in given.items():
        pointer = pointer_to("properties", name)
        if not isinstance(name, str) or not 0 < len(name) <= 63 or has_control(name):
            raise _wrong("bad_property", _("A name is a text of 1 to 63 printable characters."), pointer)
        if not _is_plain(value):
            detail = _("Give a text, a number of ordinary size, true, false or null.")
            raise _wrong("bad_property", detail, pointer)
    if not is_storable(given):
        raise _wrong("bad_unicode", _("A property holds a character that cannot be stored."), "/properties")
    if len(json.dumps(given, ensure_ascii=False).encode()) > MOST_BYTES:
        detail = _("The properties are larger than %(most)s bytes.") % {"most": MOST_BYTES}
        raise _wrong("too_large", detail, "/properties")
    return given


def _is_plain(value: Any) -> bool:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return True
    return isinstance(value, int | float) and abs(value) < 2**63  # False for NaN and infinity


def _people(
    workspace: Workspace, checked: Mapping[int, _Event], create: bool, actor: Actor, now: datetime
) -> dict[int | tuple[str, str], int]:
    """The profile id behind each person an event names."""
    numbers = [one.person for one in checked.values() if isinstance(one.person, int)]
    pairs = {one.person for one in checked.values() if not isinstance(one.person, int)}
    found: dict[Any, int] = {}
    if numbers:
        rows = Profile.objects.filter(workspace=workspace, pk__in=set(numbers))
        found.update({pk: pk for pk in rows.values_list("pk", flat=True)})
    found |= identities.owners(workspace.pk, pairs)
    unknown = sorted(pair for pair in pairs if pair not in found)
    if create and unknown:
        made = upsert(workspace, [Given([pair]) for pair in unknown], actor=actor, now=now)
        found.update(
            {pair: one.profile_id for pair, one in zip(unknown, made, strict=True) if one.profile_id}
        )
    return found


def _write(workspace: Workspace, taken: Mapping[int, _Event], outcomes: list[Outcome], now: datetime) -> None:
    if not taken:
        return
    months.make({months.month_of(one.at) for one in taken.values()})
    values: dict[str, Any] = {
        "workspace": workspace.pk,
        "now": now,
        "profiles": [outcomes[place].profile_id for place in taken],
        "names": [one.name for one in taken.values()],
        "times": [one.at for one in taken.values()],
        "properties": [json.dumps(one.properties, ensure_ascii=False) for one in taken.values()],
        "keys": [one.key for one in taken.values()],
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERT, values)
        written = {(key, at) for key, at in cursor.fetchall() if key is not None}
    for place, one in taken.items():
        if one.key is not None and (one.key, one.at) not in written:
            outcomes[place].status = REPEATED
        written.discard((one.key, one.at))  # in the same call twice: the second is a repetition


def page_of(profile: Profile, *, before: tuple[datetime, int] | None, size: int) -> list[ProfileEvent]:
    """The person's events, the newest first, from below `before` (time and id) on."""
    rows = ProfileEvent.objects.filter(profile=profile).order_by("-at", "-id")
    if before is not None:
        at, event_id = before
        rows = rows.filter(at__lte=at).exclude(at=at, id__gte=event_id)
    return list(rows[:size])
