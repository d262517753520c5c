"""Which column of a file becomes what: checked against the workspace, guessed from names and first rows, and
kept for the next file with the same names.

A mapping is JSON:
{"match": "email", "dateFormat": "iso", "country": "TW", "again": false, "wording": "", "agreedAt": "",
 "columns": [
 {"name": "信箱", "to": "email"}, {"name": "城市", "to": "attribute", "key": "city", "type": "text"},
 {"name": "訂閱", "to": "consent", "channel": "email", "topic": "news"}, {"name": "x", "to": "ignore"},
 {"name": "座位", "to": "membership", "key": "seat", "type": "text"}]}.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from accounts.models import Workspace
from audiences.attributes import KEY, RESERVED, definitions_of
from audiences.audiences import MOST_FIELDS
from audiences.imports.cells import DATE_FORMATS
from audiences.imports.controls import has_control
from audiences.models import AttributeDefinition, Audience, Import, ImportMapping, Topic
from audiences.namespaces import COLUMNS, namespaces_of
from audiences.reachability import CHANNELS
from common.errors import Invalid, Problem

MATCHES = ("email", "phone", "external_id")
PROFILE = ("locale", "time_zone", "is_test")
KEYS = ("match", "dateFormat", "country", "columns", "again", "wording", "agreedAt")
TARGETS = (*MATCHES, *PROFILE, "identity", "attribute", "membership", "consent", "ignore")
Type = AttributeDefinition.Type
# Of what a membership keeps, nothing is chosen from a list and nothing is written to.
KEPT_TYPES = tuple(str(one) for one in Type if one not in (Type.CHOICE, Type.EMAIL, Type.PHONE))
# By their two letters, with the digits their numbers begin with.
COUNTRIES = dict(
    sorted(
        (region, code)
        for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
        for region in regions
        if region.isalpha()
    )
)


@dataclass(frozen=True)
class Target:
    """What column number `index` becomes. `key` is of an attribute or of a field of the audience, or names a
    namespace.
    """

    index: int
    name: str
    to: str
    key: str = ""
    type: str = ""
    label: str = ""
    is_new: bool = False
    choices: tuple[str, ...] = ()
    channel: str = ""
    topic_id: int | None = None


@dataclass(frozen=True)
class Plan:
    targets: tuple[Target, ...]
    match: str
    date_format: str
    zone: str
    country: str = ""  # whose phone numbers are meant where one names no country
    again: bool = False
    wording: str = ""
    agreed_at: date | None = None
    problems: list[Problem] = field(default_factory=list)

    def of(self, to: str) -> list[Target]:
        return [target for target in self.targets if target.to == to]

    def name_of(self, to: str) -> str:
        """The file's own name of the column that became this."""
        return next((target.name for target in self.targets if target.to == to), to)

    def new_attributes(self) -> list[Target]:
        return [target for target in self.targets if target.to == "attribute" and target.is_new]


@dataclass
class Known:
    """What a workspace has for columns to become."""

    workspace: Workspace
    definitions: dict[str, AttributeDefinition]
    topics: dict[str, Topic]
    namespaces: list[str]
    fields: dict[str, str] = field(default_factory=dict)  # of the audience it goes to, with their types

    @classmethod
    def of(cls, workspace: Workspace, audience: Audience | None = None) -> Known:
        topics = {one.key: one for one in Topic.objects.filter(workspace=workspace, archived_at=None)}
        namespaces = [key for key in namespaces_of(workspace) if key not in COLUMNS]
        fields = audience.fields if audience else {}
        return cls(workspace, definitions_of(workspace), topics, namespaces, fields)


def plan_of(job: Import) -> Plan:
    """The job's mapping, checked again: a worker may read it long after it was written."""
    return parse(job.mapping, job.header, Known.of(job.workspace, job.audience))


def parse(raw: Mapping[str, Any], header: Sequence[str], known: Known) -> Plan:
    """Raises Invalid with every fault, each at its place below /mapping."""
    problems: list[Problem] = []
    targets = _targets(raw.get("columns"), header, known, problems)
    match = raw.get("match") or next((name for name in MATCHES if any(t.to == name for t in targets)), "")
    if not any(target.to == match and match in MATCHES for target in targets):
        found = ", ".join(name[:40] for name in header[:10])
        detail = _(
            "No column names the person. Match one to email, phone or external id. Found: %(found)s. "
            "The first row must name the columns."
        )
        problems.append(Problem("csv_no_email_column", detail % {"found": found}, "/mapping/match"))
    style = raw.get("dateFormat") or "iso"
    if style not in DATE_FORMATS:
        detail = _("Give one of: %(choices)s.") % {"choices": ", ".join(DATE_FORMATS)}
        problems.append(Problem("bad_choice", detail, "/mapping/dateFormat"))
    country = raw.get("country") or ""
    if country and country not in COUNTRIES:
        detail = _("Give a country by its two letters, such as TW.")
        problems.append(Problem("bad_choice", detail, "/mapping/country"))
    again, wording, agreed_at = _evidence(raw, problems)
    if problems:
        raise Invalid(problems)
    zone = known.workspace.time_zone
    return Plan(tuple(targets), str(match), str(style), zone, str(country), again, wording, agreed_at)


def _evidence(raw: Mapping[str, Any], problems: list[Problem]) -> tuple[bool, str, date | None]:
    again, wording, written = raw.get("again", False), raw.get("wording", ""), raw.get("agreedAt", "")
    if not isinstance(again, bool) or not isinstance(wording, str) or not isinstance(written, str):
        problems.append(Problem("bad_type", _("again is true or false; the others are texts."), "/mapping"))
        return False, "", None
    if not again:
        return False, "", None
    wording = wording.strip()
    if not wording or len(wording) > 1000 or has_control(wording):
        detail = _("Write the words these people agreed to, at most 1,000 characters.")
        problems.append(Problem("no_evidence", detail, "/mapping/wording"))
    try:
        return True, wording, date.fromisoformat(written)
    except ValueError:
        detail = _("Give the day on which they agreed, such as 2026-11-24.")
        problems.append(Problem("no_evidence", detail, "/mapping/agreedAt"))
        return False, "", None


def _targets(columns: Any, header: Sequence[str], known: Known, problems: list[Problem]) -> list[Target]:
    if not isinstance(columns, list) or not all(isinstance(one, dict) for one in columns):
        problems.append(Problem("bad_type", _("Give a list of columns."), "/mapping/columns"))
        return []
    targets: list[Target] = []
    taken: dict[Any, str] = {}
    for place, one in enumerate(columns):
        pointer = f"/mapping/columns/{place}"
        try:
            target = _target(one, header, known, pointer)
        except Invalid as error:
            problems += error.problems
            continue
        if target.to == "ignore":
            continue
        for mark in ((target.to, target.key, target.channel, target.topic_id), ("column", target.index)):
            if mark in taken:
                detail = _("Another column (%(name)s) is matched to the same.") % {"name": taken[mark]}
                problems.append(Problem("matched_twice", detail, pointer))
            taken[mark] = target.name
        targets.append(target)
    kept = {*known.fields, *(target.key for target in targets if target.to == "membership")}
    if len(kept) > MOST_FIELDS:
        detail = _("An audience keeps at most %(most)s fields of its people.") % {"most": MOST_FIELDS}
        problems.append(Problem("too_many_fields", detail, "/mapping/columns"))
    return targets


def _target(one: Mapping[str, Any], header: Sequence[str], known: Known, pointer: str) -> Target:
    name, to = one.get("name"), one.get("to")
    if not isinstance(name, str) or name not in header:
        detail = _("The file has no column “%(name)s”.") % {"name": str(name)[:80]}
        raise Invalid(Problem("unknown_column", detail, f"{pointer}/name"))
    if to not in TARGETS:
        detail = _("Give one of: %(choices)s.") % {"choices": ", ".join(TARGETS)}
        raise Invalid(Problem("bad_choice", detail, f"{pointer}/to"))
    index = list(header).index(name)
    if to == "attribute":
        return _attribute(index, name, one, known, pointer)
    if to == "membership":
        return _membership(index, name, one, known, pointer)
    if to == "consent":
        return _consent(index, name, one, known, pointer)
    if to == "identity":
        key = one.get("namespace")
        if key not in known.namespaces:
            detail = _("There is no namespace “%(name)s”.") % {"name": str(key)[:80]}
            raise Invalid(Problem("unknown_namespace", detail, f"{pointer}/namespace"))
        return Target(index, name, to, key=str(key))
    return Target(index, name, str(to))


def _attribute(index: int, name: str, one: Mapping[str, Any], known: Known, pointer: str) -> Target:
    key, kind = _key(one, pointer), one.get("type") or ""
    if key in RESERVED:
        detail = _("“%(key)s” means something else already. Choose another key.") % {"key": key}
        raise Invalid(Problem("reserved_key", detail, f"{pointer}/key"))
    if existing := known.definitions.get(key):
        if kind and kind != existing.type:
            detail = _("The attribute “%(key)s” exists and is a %(type)s.")
            values = {"key": key, "type": existing.get_type_display()}
            raise Invalid(Problem("other_type", detail % values, f"{pointer}/type"))
        return Target(index, name, "attribute", key, existing.type, choices=tuple(existing.choices))
    if kind not in Type.values:
        detail = _("There is no attribute “%(key)s” yet; give its type.") % {"key": key}
        raise Invalid(Problem("bad_type", detail, f"{pointer}/type"))
    return Target(index, name, "attribute", key, str(kind), label=name[:100], is_new=True)


def _membership(index: int, name: str, one: Mapping[str, Any], known: Known, pointer: str) -> Target:
    """A column that is kept with the person's membership of the audience."""
    key = _key(one, pointer)
    kind = one.get("type") or known.fields.get(key) or Type.TEXT
    if kind not in KEPT_TYPES:
        detail = _("Give one of: %(choices)s.") % {"choices": ", ".join(KEPT_TYPES)}
        raise Invalid(Problem("bad_type", detail, f"{pointer}/type"))
    if kind != known.fields.get(key, kind):
        detail = _("The audience keeps “%(key)s” as a %(type)s.")
        values = {"key": key, "type": Type(known.fields[key]).label}
        raise Invalid(Problem("other_type", detail % values, f"{pointer}/type"))
    return Target(index, name, "membership", key, str(kind), is_new=key not in known.fields)


def _key(one: Mapping[str, Any], pointer: str) -> str:
    key = one.get("key")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        detail = _("A key has small letters, digits and _, begins with a letter and is at most 63 long.")
        raise Invalid(Problem("bad_key", detail, f"{pointer}/key"))
    return key


def _consent(index: int, name: str, one: Mapping[str, Any], known: Known, pointer: str) -> Target:
    channel, topic = one.get("channel", "email"), one.get("topic") or ""
    if channel not in CHANNELS:
        detail = _("Give one of: %(choices)s.") % {"choices": ", ".join(CHANNELS)}
        raise Invalid(Problem("bad_choice", detail, f"{pointer}/channel"))
    if topic and topic not in known.topics:
        detail = _("There is no topic “%(name)s”.") % {"name": str(topic)[:80]}
        raise Invalid(Problem("unknown_topic", detail, f"{pointer}/topic"))
    topic_id = known.topics[topic].pk if topic else None
    return Target(index, name, "consent", channel=str(channel), topic_id=topic_id)


# ---- remembered -------------------------------------------------------------------------------


def fingerprint(header: Sequence[str]) -> str:
    names = "\n".join(sorted(name.lower() for name in header))
    return hashlib.sha256(names.encode(errors="replace")).hexdigest()


def remember(job: Import, now: datetime) -> None:
    """The evidence is not kept: each file needs its own."""
    kept = {key: value for key, value in job.mapping.items() if key not in ("again", "wording", "agreedAt")}
    ImportMapping.objects.update_or_create(
        workspace_id=job.workspace_id,
        names=fingerprint(job.header),
        defaults={"mapping": kept, "used_at": now},
    )


def remembered(workspace: Workspace, header: Sequence[str]) -> dict[str, Any] | None:
    """The mapping of the last file with these column names, if it can still be used."""
    row = ImportMapping.objects.filter(workspace=workspace, names=fingerprint(header)).first()
    if row is None:
        return None
    try:
        parse(row.mapping, header, Known.of(workspace))
    except Invalid:
        return None
    by_name = {str(one["name"]): one for one in row.mapping["columns"]}
    columns = [by_name.get(name, {"name": name, "to": "ignore"}) for name in header]
    return {**row.mapping, "columns": columns}
