"""Writes thousands of people in one go: who is known is changed, who is not is made, and each item is told
what became of it. The number of queries does not depend on the number of people.

An item names a person by identities. The strongest it gives says who is meant (external_id, then email, then
phone, then the others); weaker ones are corrected to what the item says, unless another person has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences import identities, profiles
from audiences.access import MANAGE
from audiences.attributes import definitions_of
from audiences.locks import lock_people
from audiences.models import AttributeDefinition, Identity, Profile
from audiences.namespaces import COLUMNS, Namespace, namespaces_of
from audiences.typed import Stored
from common.errors import Conflict, Invalid, Problem

CREATED, CHANGED, UNCHANGED, REJECTED = "created", "changed", "unchanged", "rejected"
MOST_ITEMS, MOST_IDENTITIES, TRIES = 5000, 20, 3
Pair = tuple[str, str]


@dataclass(frozen=True)
class Given:
    """One person as somebody wrote them, values not checked yet. None means: leave it as it is.

    `key` says who is meant whatever the other identities are; it must be one of them.
    """

    identities: Sequence[tuple[str, Any]]
    locale: Any = None
    time_zone: Any = None
    is_test: bool | None = None
    is_untracked: bool | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    has_key: bool = False  # the first identity is the key


@dataclass
class Outcome:
    """What became of one item. `problems` have pointers within the item."""

    status: str
    profile_id: int | None = None
    problems: list[Problem] = field(default_factory=list)


@dataclass
class _Person:
    """A checked item."""

    pairs: list[Pair]  # the strongest first
    columns: dict[str, Any]
    attributes: dict[str, Stored | None]


@dataclass
class _Known:
    """What the workspace defined, read once for all items."""

    workspace: Workspace
    definitions: dict[str, AttributeDefinition]
    namespaces: dict[str, Namespace]


def upsert(
    workspace: Workspace,
    items: Sequence[Given | Invalid],
    *,
    may_create: bool = True,
    may_change: bool = True,
    actor: Actor,
    now: datetime,
) -> list[Outcome]:
    """One outcome per item, in their order. Rejected items leave nothing; the others are all written.

    An item that the door could not read stands there as the Invalid that says why.

    Raises Conflict when other writers were faster three times in a row.
    """
    require(actor, MANAGE, workspace)
    for _attempt in range(TRIES):
        try:
            with transaction.atomic():
                return _upsert(workspace, items, may_create, may_change, actor, now)
        except IntegrityError:  # an identity was given to somebody in this moment
            continue
    raise Conflict(_("Other writers were faster; nothing was saved. Try again."))


def create(workspace: Workspace, given: Given, *, actor: Actor, now: datetime) -> Profile:
    """One new person. Raises Invalid, also when one of the identities belongs to somebody."""
    (outcome,) = upsert(workspace, [given], may_change=False, actor=actor, now=now)
    if outcome.problems or outcome.profile_id is None:
        raise Invalid(outcome.problems)
    return Profile.objects.select_related("workspace").get(pk=outcome.profile_id)


def _upsert(
    workspace: Workspace,
    items: Sequence[Given | Invalid],
    may_create: bool,
    may_change: bool,
    actor: Actor,
    now: datetime,
) -> list[Outcome]:
    lock_people(workspace.pk)
    known = _Known(workspace, definitions_of(workspace), namespaces_of(workspace))
    outcomes = [Outcome(REJECTED) for _item in items]
    people: dict[int, _Person] = {}
    for place, item in enumerate(items):
        try:
            people[place] = _checked(item, known)
        except Invalid as error:
            outcomes[place].problems = error.problems
    owners = identities.owners(workspace.pk, {pair for one in people.values() for pair in one.pairs})
    held = Profile.objects.select_for_update().in_bulk(sorted(set(owners.values())))
    owners = {pair: pk for pair, pk in owners.items() if pk in held}  # who was erased in this moment
    seen: dict[Any, int] = {}
    new: list[tuple[int, Profile]] = []
    old: list[tuple[int, Profile]] = []
    rows: list[tuple[int, Pair]] = []
    for place, person in people.items():
        try:
            pk = _meant(person, owners, held)
            _refuse_twice(place, pk, person, seen)
            _refuse_unwanted(pk, may_create, may_change)
        except Invalid as error:
            outcomes[place].problems = error.problems
            continue
        profile = held[pk] if pk else Profile(workspace=workspace, created_at=now)
        added = [pair for pair in person.pairs if pair[0] not in COLUMNS and owners.get(pair) is None]
        is_changed = _apply(profile, person) or bool(added)
        outcomes[place].status = CREATED if not pk else CHANGED if is_changed else UNCHANGED
        if not pk or is_changed:
            (old if pk else new).append((place, profile))
        rows += [(place, pair) for pair in added]
    _refuse_many(rows, old, outcomes)
    _write(workspace, new, old, rows, outcomes, now)
    for place, person in people.items():
        if outcomes[place].status in (CHANGED, UNCHANGED):
            outcomes[place].profile_id = _owner(person, owners)
    _note(workspace, outcomes, actor, now)
    return outcomes


def _owner(person: _Person, owners: Mapping[Pair, int]) -> int:
    return next(owners[pair] for pair in person.pairs if pair in owners)


def _checked(item: Given | Invalid, known: _Known) -> _Person:
    """Raises Invalid with every fault found."""
    if isinstance(item, Invalid):
        raise item
    problems: list[Problem] = []
    pairs: list[Pair] = []
    flags = {"is_test": item.is_test, "is_untracked": item.is_untracked}
    columns: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    attributes: dict[str, Stored | None] = {}
    if not 1 <= len(item.identities) <= MOST_IDENTITIES:
        detail = _("Give 1 to %(most)s identities.") % {"most": MOST_IDENTITIES}
        problems.append(Problem("bad_identities", detail, "/identities"))
    for place, (namespace, value) in enumerate(item.identities[:MOST_IDENTITIES]):
        pointer = f"/identities/{place}"
        try:
            cleaned = identities.clean(
                known.workspace, namespace, value, known=known.namespaces, pointer=pointer
            )
        except Invalid as error:
            problems += error.problems
            continue
        if known.namespaces[namespace].is_single and namespace in dict(pairs):
            detail = _("A person has one identity in this namespace.")
            problems.append(Problem("second_identity", detail, pointer))
        elif (namespace, cleaned) not in pairs:
            pairs.append((namespace, cleaned))
    for name, cleaner, pointer in (
        ("locale", profiles.clean_locale, "/locale"),
        ("time_zone", profiles.clean_time_zone, "/timeZone"),
    ):
        given = getattr(item, name)
        if given is None:
            continue
        try:
            columns[name] = "" if given == "" else cleaner(given, pointer)
        except Invalid as error:
            problems += error.problems
    try:
        attributes = profiles.clean_attributes(known.definitions, item.attributes, known.workspace)
    except Invalid as error:
        problems += error.problems
    if problems:
        raise Invalid(problems)
    return _Person(_by_strength(pairs, has_key=item.has_key), columns, attributes)


def _by_strength(pairs: list[Pair], *, has_key: bool) -> list[Pair]:
    def strength(place: int) -> int:
        namespace = pairs[place][0]
        if has_key and place == 0:
            return -1
        return COLUMNS.index(namespace) if namespace in COLUMNS else len(COLUMNS)

    return [pairs[place] for place in sorted(range(len(pairs)), key=strength)]


def _meant(person: _Person, owners: Mapping[Pair, int], held: Mapping[int, Profile]) -> int | None:
    """The profile an item means; None for a new one. Raises Invalid `identity_conflict`."""
    found: int | None = None
    stronger: list[Pair] = []
    for pair in person.pairs:
        owner = owners.get(pair)
        if owner is None:
            if found is None:
                stronger.append(pair)
        elif found is None:
            found = owner
        elif owner != found:
            raise _conflict(pair[0])
    if found is not None:
        for namespace, value in stronger:
            if namespace in COLUMNS and getattr(held[found], namespace) not in (None, "", value):
                raise _conflict(namespace)
    return found


def _conflict(namespace: str) -> Invalid:
    detail = _("These identities belong to different people; the %(namespace)s is another person's.")
    return Invalid(Problem("identity_conflict", detail % {"namespace": namespace}, "/identities"))


def _refuse_twice(place: int, pk: int | None, person: _Person, seen: dict[Any, int]) -> None:
    """Two items about one person have no order in one statement: the first counts."""
    marks: list[Any] = [*person.pairs, *([pk] if pk else [])]
    earlier = next((seen[mark] for mark in marks if mark in seen), None)
    if earlier is not None:
        detail = _("Item %(place)s is about the same person.") % {"place": earlier}
        raise Invalid(Problem("duplicate_item", detail, "/identities"))
    seen.update(dict.fromkeys(marks, place))


def _refuse_unwanted(pk: int | None, may_create: bool, may_change: bool) -> None:
    if pk is None and not may_create:
        raise Invalid(Problem("unknown_person", _("Nobody has these identities."), "/identities"))
    if pk is not None and not may_change:
        detail = _("Somebody with such an identity is known already (number %(number)s).") % {"number": pk}
        raise Invalid(Problem("identity_taken", detail, "/identities"))


def _apply(profile: Profile, person: _Person) -> bool:
    """Sets what the item gives; whether that changed anything."""
    given = {**person.columns, **{name: value for name, value in person.pairs if name in COLUMNS}}
    given["attributes"] = profiles.merge(profile.attributes, person.attributes)
    changed = [name for name, value in given.items() if getattr(profile, name) != value]
    for name in changed:
        setattr(profile, name, given[name])
    return bool(changed)


def _refuse_many(
    rows: list[tuple[int, Pair]], old: list[tuple[int, Profile]], outcomes: list[Outcome]
) -> None:
    """Nobody gets more identities than a person may have."""
    adding = {place for place, _pair in rows}
    ids = {profile.pk: place for place, profile in old if place in adding}
    if not ids:
        return
    counts = Identity.objects.filter(profile__in=ids).values_list("profile").annotate(Count("pk"))
    for pk, count in counts:
        place = ids[pk]
        if count + sum(1 for one, _pair in rows if one == place) > identities.MOST_PER_PERSON:
            detail = _("A person has at most %(most)s identities.") % {"most": identities.MOST_PER_PERSON}
            outcomes[place] = Outcome(
                REJECTED, problems=[Problem("too_many_identities", detail, "/identities")]
            )
            rows[:] = [row for row in rows if row[0] != place]
            old[:] = [one for one in old if one[0] != place]


UPDATE = """
UPDATE audiences_profile p
SET email = u.email, phone = u.phone, external_id = u.external_id, locale = u.locale,
    time_zone = u.time_zone, is_test = u.is_test, is_untracked = u.is_untracked,
    attributes = u.attributes::jsonb, changed_at = %(now)s
FROM unnest(%(ids)s::bigint[], %(email)s::text[], %(phone)s::text[], %(external_id)s::text[],
            %(locale)s::text[], %(time_zone)s::text[], %(is_test)s::boolean[],
            %(is_untracked)s::boolean[], %(attributes)s::text[])
     AS u(id, email, phone, external_id, locale, time_zone, is_test, is_untracked, attributes)
WHERE p.id = u.id
"""
WRITTEN = ("email", "phone", "external_id", "locale", "time_zone", "is_test", "is_untracked")


def _write(
    workspace: Workspace,
    new: list[tuple[int, Profile]],
    old: list[tuple[int, Profile]],
    rows: list[tuple[int, Pair]],
    outcomes: list[Outcome],
    now: datetime,
) -> None:
    """Three statements at most, whatever the number of people."""
    for _place, profile in new:
        profile.changed_at = now
    Profile.objects.bulk_create([profile for _place, profile in new])
    if old:
        people = [profile for _place, profile in old]
        values: dict[str, Any] = {name: [getattr(one, name) for one in people] for name in WRITTEN}
        values |= {"ids": [one.pk for one in people], "now": now}
        values["attributes"] = [json.dumps(one.attributes, ensure_ascii=False) for one in people]
        with connection.cursor() as cursor:
            cursor.execute(UPDATE, values)
    by_place = dict(new) | dict(old)
    Identity.objects.bulk_create(
        Identity(
            workspace=workspace,
            profile=by_place[place],
            namespace=namespace,
            value=value,
            created_at=now,
        )
        for place, (namespace, value) in rows
    )
    for place, profile in new:
        outcomes[place].profile_id = profile.pk


def _note(workspace: Workspace, outcomes: list[Outcome], actor: Actor, now: datetime) -> None:
    counts = {status: sum(1 for one in outcomes if one.status == status) for status in (CREATED, CHANGED)}
    if any(counts.values()):
        audit.record(
            actor=actor, verb="write_profiles", obj=workspace, workspace=workspace, now=now, **counts
        )
