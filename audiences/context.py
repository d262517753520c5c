"""What a message's template may know of a person: plain values only, for many people in one query.

`profile.` names what we know of them, `audience.` what an uploaded list says of them as its member.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from accounts.models import Workspace
from audiences.models import AttributeDefinition, Audience, AudienceMember, Profile

COLUMNS = ("email", "phone", "external_id", "locale", "time_zone")


def names(workspace: Workspace) -> set[str]:
    """Every field that `profile.` may be followed by."""
    return {*COLUMNS, *attribute_keys(workspace.pk)}


def attribute_keys(workspace_id: int) -> list[str]:
    rows = AttributeDefinition.objects.filter(workspace_id=workspace_id)
    return list(rows.values_list("key", flat=True))


def contexts(profile_ids: Iterable[int], workspace_id: int) -> dict[int, dict[str, Any]]:
    """By profile id. A defined attribute that a person lacks is there and empty; a truth value stays one, so
    that a condition can ask for it, and is printed as true or false.
    """
    blank = dict.fromkeys(attribute_keys(workspace_id), "")
    rows = Profile.objects.filter(workspace_id=workspace_id, pk__in=list(profile_ids))
    return {
        row["pk"]: {**blank, **row["attributes"], **{name: row[name] or "" for name in COLUMNS}}
        for row in rows.values("pk", "attributes", *COLUMNS)
    }


def audience_fields(audience_id: int | None) -> dict[str, str]:
    """Every field that `audience.` may be followed by, with its type; none without an uploaded audience."""
    if audience_id is None:
        return {}
    return Audience.objects.filter(pk=audience_id).values_list("fields", flat=True).first() or {}


def memberships(profile_ids: Iterable[int], audience_id: int | None) -> dict[int, dict[str, Any]]:
    """By profile id, of those who are members. A field that a member lacks is there and empty."""
    if audience_id is None:
        return {}
    blank = dict.fromkeys(audience_fields(audience_id), "")
    rows = AudienceMember.objects.filter(audience_id=audience_id, profile_id__in=list(profile_ids))
    return {pk: {**blank, **fields} for pk, fields in rows.values_list("profile_id", "fields")}


class MembershipReader:
    """Reads the fields of an audience's memberships beside a message `m`, in the query that reads its person.

    Whoever is no member any more has them all, and empty.
    """

    column = "am.fields"
    join = (
        "LEFT JOIN audiences_audiencemember am "
        "ON am.audience_id = %(of_audience)s AND am.profile_id = m.profile_id"
    )

    def __init__(self, audience_id: int) -> None:
        self.values = {"of_audience": audience_id}
        self.blank: dict[str, Any] = dict.fromkeys(audience_fields(audience_id), "")

    def read(self, value: str | None) -> dict[str, Any]:
        return {**self.blank, **json.loads(value)} if value else self.blank


class Reader:
    """Reads of a person only what templates name, as columns over `p`, the profiles table.

    `names` are dotted paths such as `profile.first_name`; whoever prints the whole `profile` gets all of it.
    The values are those that `contexts` gives. `membership` is there where they name a field of the audience.
    """

    def __init__(self, names: Iterable[str], workspace_id: int, audience_id: int | None = None) -> None:
        names = set(names)
        of_audience = any(name.partition(".")[0] == "audience" for name in names)
        self.membership = MembershipReader(audience_id) if of_audience and audience_id else None
        defined = set(attribute_keys(workspace_id))
        paths = [name.split(".") for name in names if name == "profile" or name.startswith("profile.")]
        self.is_whole = any(len(path) == 1 for path in paths)
        self.blank: dict[str, Any] = dict.fromkeys(defined, "")
        wanted = {path[1] for path in paths if len(path) > 1}
        self.keys = [] if self.is_whole else sorted(wanted - set(COLUMNS))
        self.plain = COLUMNS if self.is_whole else tuple(name for name in COLUMNS if name in wanted)

    @property
    def columns(self) -> str:
        """SQL with the named places that `values` fills."""
        own = []
        if self.is_whole:
            own = ["p.attributes"]
        elif self.keys:  # in one piece: to be taken apart once for each person
            listed = ", ".join(f"p.attributes->%({name})s" for name in self.values)
            own = [f"jsonb_build_array({listed})"]
        return ", ".join([*own, *(f"COALESCE(p.{name}, '')" for name in self.plain)])

    @property
    def values(self) -> dict[str, str]:
        return {f"key{number}": key for number, key in enumerate(self.keys)}

    def read(self, values: Sequence[Any]) -> dict[str, Any]:
        if self.is_whole:
            given = {**self.blank, **json.loads(values[0] or "{}")}
            return given | dict(zip(self.plain, values[1:], strict=True))
        found: dict[str, Any] = {}
        if self.keys:
            given = json.loads(values[0])
            found = dict(zip(self.keys, given, strict=True))
            if None in given:
                found = {key: value for key, value in found.items() if value is not None}
                found |= {key: "" for key in self.keys if key in self.blank and key not in found}
            values = values[1:]
        return found | dict(zip(self.plain, values, strict=True)) if self.plain else found
