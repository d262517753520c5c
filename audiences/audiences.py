"""The verbs of an audience: make, change, duplicate, delete. Moving it from state to state: `lifecycle.py`.

Who may not see an audience by its labels may not give it such labels either, so nobody locks themselves out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, is_member, labels_held, require
from accounts.models import AccessLabel, User, Workspace
from audiences import definitions, indexes, lifecycle, uses
from audiences.access import MANAGE
from audiences.models import AttributeDefinition, Audience, AudienceMember, Topic
from common.errors import Conflict, IllegalTransition, Invalid, Problem

NAME, TAG, TAGS = 100, 50, 20  # characters, characters, number
MOST_FIELDS = 30  # kept with the memberships of one audience
# Each kind is defined by one field; a change of any other kind's field is refused.
DEFINED_BY = {
    Audience.Kind.RULE: "rule",
    Audience.Kind.COMPOSITION: "composition",
    Audience.Kind.SUBSCRIPTION: "topic",
}
CHANGEABLE = {"name", "description", "tags", "owner", "labels", "refresh", *DEFINED_BY.values()}


@transaction.atomic
def create(
    workspace: Workspace,
    *,
    name: str,
    kind: str,
    rule: Any = None,
    composition: Any = None,
    topic: Topic | None = None,
    state: str = Audience.State.PUBLISHED,
    description: str = "",
    tags: Iterable[str] = (),
    owner: User | None = None,
    labels: Iterable[AccessLabel] = (),
    refresh: str = Audience.Refresh.MANUAL,
    actor: Actor,
    now: datetime,
) -> Audience:
    """Raises Invalid for a wrong definition (with its place in the tree) or a name that is taken.

    Without an owner it belongs to the person who makes it. Born published or as a draft.
    """
    require(actor, MANAGE, workspace)
    author = actor if isinstance(actor, User) else None
    audience = Audience(
        workspace=workspace,
        name=_name(name),
        kind=kind,
        state=state,
        description=description,
        rule={} if rule is None else rule,
        composition={} if composition is None else composition,
        topic=topic,
        owner=_owner(owner or author, workspace),
        tags=clean_tags(tags),
        refresh=refresh,
        created_by=author,
        created_at=now,
        changed_at=now,
        next_evaluation_at=now,
    )
    for tree in (audience.rule, audience.composition):
        definitions.check_named(tree, {}, workspace, actor)
    definitions.check(audience, actor)
    given = _labels(labels, workspace, actor, had=set())
    _save(audience)
    audience.labels.set(given)
    audit.record(actor=actor, verb="create", obj=audience, workspace=workspace, now=now, kind=kind)
    return audience


@transaction.atomic
def change(
    audience: Audience, *, seen_at: datetime | None = None, actor: Actor, now: datetime, **values: Any
) -> Audience:
    """Sets any of CHANGEABLE. `seen_at` is the `changed_at` the caller saw: on an older one, Conflict.

    Running campaigns keep the definition they were approved with; drafts see the new one.
    """
    if unknown := set(values) - CHANGEABLE:
        raise TypeError(f"not to be changed here: {unknown}")
    locked = _locked(audience, actor)
    if seen_at and locked.changed_at != seen_at:
        raise Conflict(_("Somebody else has changed this audience meanwhile. Load it again."))
    labels = values.pop("labels", None)
    for name in {"rule", "composition"} & set(values):
        definitions.check_named(values[name], getattr(locked, name), locked.workspace, actor)
    changes = _set(locked, _cleaned(locked, values))
    if defined := set(changes) & set(DEFINED_BY.values()):
        if defined != {DEFINED_BY.get(Audience.Kind(locked.kind))}:
            raise IllegalTransition(
                _("A “%(kind)s” audience is not defined by this.") % {"kind": locked.get_kind_display()}
            )
        definitions.check(locked, actor)
        locked.counted = None
    if labels is not None:
        changes |= _relabel(locked, labels, actor)
    if changes:
        locked.changed_at = now
        if defined or "refresh" in changes:
            locked.next_evaluation_at = now
        _save(locked)
        audit.record(
            actor=actor, verb="change", obj=locked, workspace=locked.workspace, now=now, changes=changes
        )
    return locked


def change_rule(audience: Audience, *, rule: Any, actor: Actor, now: datetime) -> Audience:
    """Raises IllegalTransition for an audience that has no rule."""
    if audience.kind != Audience.Kind.RULE:
        require(actor, MANAGE, audience)
        raise IllegalTransition(_("This audience is not made by a rule."))
    return change(audience, rule=rule, actor=actor, now=now)


@transaction.atomic
def delete(audience: Audience, *, actor: Actor, now: datetime) -> None:
    """Refused with what uses it: campaigns, and audiences that are put together from it."""
    locked = lifecycle.locked_for(audience, "delete", actor=actor)
    found = uses.uses_of(locked, actor)
    if found:
        names = found.names + ([_("%(count)s more") % {"count": found.hidden}] if found.hidden else [])
        detail = _("It cannot be deleted while it is used by: %(names)s.") % {"names": ", ".join(names)}
        raise IllegalTransition(detail, code="audience_in_use", uses=found.names, hidden=found.hidden)
    audit.record(actor=actor, verb="delete", obj=locked, workspace=locked.workspace, now=now)
    locked.delete()


@transaction.atomic
def duplicate(audience: Audience, *, actor: Actor, now: datetime) -> Audience:
    """A draft with the same definition, people, tags and labels; it belongs to the one who copies."""
    locked = lifecycle.locked_for(audience, "duplicate", actor=actor)
    copy = create(
        locked.workspace,
        name=_free_name(locked),
        kind=locked.kind,
        rule=locked.rule,
        composition=locked.composition,
        topic=locked.topic,
        state=Audience.State.DRAFT,
        description=locked.description,
        tags=locked.tags,
        labels=locked.labels.all(),
        refresh=locked.refresh,
        actor=actor,
        now=now,
    )
    if locked.kind == Audience.Kind.UPLOAD:
        _copy_members(locked, copy)
        keep_fields(copy, locked.fields)
    return copy


def keep_fields(audience: Audience, fields: dict[str, str]) -> None:
    """Notes what the memberships of an uploaded audience carry from now on, {key: type}.

    Raises Invalid for a key that is kept as another type, or for too many: another import may have been
    quicker.
    """
    if not fields:
        return
    row = Audience.objects.select_for_update(of=("self",)).get(pk=audience.pk)
    together = {**fields, **row.fields}
    if len(together) > MOST_FIELDS:
        detail = _("An audience keeps at most %(most)s fields of its people.") % {"most": MOST_FIELDS}
        raise Invalid(Problem("too_many_fields", detail, "/mapping/columns"))
    if other := [key for key, kind in fields.items() if together[key] != kind]:
        detail = _("The audience keeps “%(key)s” as a %(type)s.")
        values = {"key": other[0], "type": AttributeDefinition.Type(together[other[0]]).label}
        raise Invalid(Problem("other_type", detail % values, "/mapping/columns"))
    audience.fields = {**row.fields, **fields}
    Audience.objects.filter(pk=audience.pk).update(fields=audience.fields)


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Without “#”, each once whatever its case, in order. Raises Invalid for one too long or too many."""
    found: dict[str, str] = {}
    for tag in tags:
        name = tag.strip().lstrip("#").strip()
        if len(name) > TAG:
            raise Invalid(Problem("tag_too_long", _("A tag has at most %(n)s letters.") % {"n": TAG}, "tags"))
        if name:
            found.setdefault(name.lower(), name)
    if len(found) > TAGS:
        raise Invalid(Problem("too_many_tags", _("There are at most %(n)s tags.") % {"n": TAGS}, "tags"))
    return sorted(found.values(), key=str.lower)


def _locked(audience: Audience, actor: Actor) -> Audience:
    rows = Audience.objects.select_for_update(of=("self",)).select_related("workspace", "owner", "topic")
    locked = rows.get(pk=audience.pk)
    require(actor, MANAGE, locked)
    return locked


def _cleaned(audience: Audience, values: dict[str, Any]) -> dict[str, Any]:
    if "name" in values:
        values["name"] = _name(values["name"])
    if "tags" in values:
        values["tags"] = clean_tags(values["tags"])
    if "owner" in values:
        values["owner"] = _owner(values["owner"], audience.workspace)
    return values


def _set(audience: Audience, values: dict[str, Any]) -> dict[str, Any]:
    """What changed, for the log: a definition as its hash only, as it may name a person's address."""
    changes = {}
    for name, value in values.items():
        before = getattr(audience, name)
        if before != value:
            changes[name] = [_logged(name, before), _logged(name, value)]
            setattr(audience, name, value)
    return changes


def _logged(name: str, value: Any) -> Any:
    if name in ("rule", "composition"):
        text = json.dumps(value, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
    return value.pk if isinstance(value, User | Topic) else value


def _name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= NAME:
        detail = _("Give it a name of at most %(n)s letters.") % {"n": NAME}
        raise Invalid(Problem("bad_name", detail, "name"))
    return name


def _owner(owner: User | None, workspace: Workspace) -> User | None:
    if owner and not is_member(owner, workspace):
        detail = _("%(name)s holds no role in this workspace.") % {"name": owner}
        raise Invalid(Problem("owner_elsewhere", detail, "owner"))
    return owner


def _labels(
    labels: Iterable[AccessLabel], workspace: Workspace, actor: Actor, *, had: set[AccessLabel]
) -> set[AccessLabel]:
    given = set(labels)
    if given - had - set(labels_held(actor, workspace)):
        detail = _("Give only labels that one of your roles holds; else you would not see it any more.")
        raise Invalid(Problem("label_not_held", detail, "labels"))
    return given


def _relabel(audience: Audience, labels: Iterable[AccessLabel], actor: Actor) -> dict[str, Any]:
    had = set(audience.labels.all())
    given = _labels(labels, audience.workspace, actor, had=had)
    if given == had:
        return {}
    audience.labels.set(given)
    return {"labels": [sorted(label.pk for label in labels) for labels in (had, given)]}


def _save(audience: Audience) -> None:
    try:
        with transaction.atomic():
            audience.save()
    except IntegrityError as error:
        detail = _("There is an audience called “%(name)s” already.") % {"name": audience.name}
        raise Invalid(Problem("name_taken", detail, "name")) from error
    indexes.want_used(audience.workspace, [audience.rule, audience.composition])


def _free_name(audience: Audience) -> str:
    """“Copy of …”, numbered when there is one already."""
    name = _("Copy of %(name)s") % {"name": audience.name}
    taken = set(Audience.objects.filter(workspace=audience.workspace).values_list("name", flat=True))
    tries = (name[:NAME] if n == 1 else f"{name[: NAME - 8]} ({n})" for n in range(1, 1_000_000))
    return next(one for one in tries if one not in taken)


def _copy_members(source: Audience, copy: Audience) -> None:
    table = AudienceMember._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (audience_id, profile_id, fields) "
            f"SELECT %s, profile_id, fields FROM {table} WHERE audience_id = %s",
            [copy.pk, source.pk],
        )
