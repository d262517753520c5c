"""One person: finding and making them, correcting what is known, and telling all we hold of them."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require, visible_to
from accounts.models import Workspace
from audiences import identities, suppression
from audiences.access import MANAGE, VIEW
from audiences.attributes import definitions_of, zone_of
from audiences.locks import lock_people
from audiences.models import (
    AttributeDefinition,
    Audience,
    AudienceMember,
    ConsentEntry,
    Identity,
    Profile,
    ProfileEvent,
)
from audiences.namespaces import COLUMNS
from audiences.typed import Stored, clean
from common.errors import Conflict, Invalid, Problem, pointer_to

__all__ = ["change", "clean_locale", "clean_time_zone", "find", "find_or_create", "lock_people", "record"]

LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")


def clean_locale(value: str, pointer: str = "locale") -> str:
    if not isinstance(value, str) or len(value) > 35 or not LOCALE.fullmatch(value):
        raise Invalid(Problem("row_bad_locale", _("This is not a language; write one like zh-TW."), pointer))
    return value.replace("_", "-")


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def clean_time_zone(value: str, pointer: str = "time_zone") -> str:
    if not isinstance(value, str) or value not in _zones():
        detail = _("This is not a time zone; write one like Asia/Taipei.")
        raise Invalid(Problem("row_bad_time_zone", detail, pointer))
    return value


def clean_attributes(
    definitions: Mapping[str, AttributeDefinition], given: Mapping[str, Any], workspace: Workspace
) -> dict[str, Stored | None]:
    """Each value in its stored form, None for one to be removed. Raises Invalid with every fault found."""
    found: dict[str, Stored | None] = {}
    problems: list[Problem] = []
    zone = zone_of(workspace)
    for key, value in given.items():
        if key not in definitions:
            problems.append(unknown_attribute(key))
            continue
        try:
            found[key] = clean(definitions[key], value, zone=zone)
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems)
    return found


def unknown_attribute(key: Any) -> Problem:
    detail = _("There is no attribute “%(key)s”. Define it first.") % {"key": str(key)[:80]}
    return Problem("unknown_attribute", detail, pointer_to("attributes", key))


@transaction.atomic
def change(
    profile: Profile,
    *,
    locale: str,
    time_zone: str,
    is_test: bool,
    is_untracked: bool | None = None,
    attributes: Mapping[str, Any] | None = None,
    seen: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> Profile:
    """Corrects what we know of the person. Empty texts mean unknown; attributes not given stay.

    `seen` is `changed_at` as the one who corrects saw it. Raises Conflict when somebody else was faster,
    Invalid with the pointers locale, time_zone and /attributes/<key>.
    """
    locked = Profile.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=profile.pk)
    require(actor, MANAGE, locked.workspace)
    if seen is not None and seen != locked.changed_at:
        detail = _("Somebody changed this person meanwhile. Load the page again; nothing was saved.")
        raise Conflict(detail, code="changed_meanwhile")
    if is_untracked is None:
        is_untracked = locked.is_untracked
    given = {
        "is_test": is_test,
        "is_untracked": is_untracked,
        **_cleaned(locked, locale, time_zone, attributes or {}),
    }
    changed = sorted(name for name, value in given.items() if getattr(locked, name) != value)
    if not changed:
        return locked
    for name, value in given.items():
        setattr(locked, name, value)
    locked.changed_at = now
    locked.save()
    # By number only: the log is kept for ever, and must not hold the address of one who is erased.
    audit.record(
        actor=actor,
        verb="change_profile",
        obj=locked.workspace,
        workspace=locked.workspace,
        now=now,
        profile=locked.pk,
        fields=changed,
    )
    return locked


def _cleaned(profile: Profile, locale: str, time_zone: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Invalid with every fault found."""
    steps: dict[str, Callable[[], Any]] = {
        "locale": lambda: clean_locale(locale) if locale else "",
        "time_zone": lambda: clean_time_zone(time_zone) if time_zone else "",
        "attributes": lambda: _merged(profile, attributes),
    }
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, step in steps.items():
        try:
            found[name] = step()
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems)
    return found


def _merged(profile: Profile, given: Mapping[str, Any]) -> dict[str, Stored]:
    if not given:
        return dict(profile.attributes)
    cleaned = clean_attributes(definitions_of(profile.workspace), given, profile.workspace)
    return merge(profile.attributes, cleaned)


def merge(held: Mapping[str, Any], given: Mapping[str, Stored | None]) -> dict[str, Stored]:
    """What is held after what was given is applied; None takes a value away."""
    return {key: value for key, value in {**held, **given}.items() if value is not None}


def find(workspace: Workspace, namespace: str, value: str) -> Profile | None:
    """By an identity in any namespace. Raises Invalid."""
    return identities.find(workspace, namespace, value)


def find_or_create(workspace: Workspace, namespace: str, value: str, now: datetime) -> Profile:
    """By an identity in any namespace; who is not known yet is made with it. Raises Invalid."""
    cleaned = identities.clean(workspace, namespace, value)
    if known := identities.find(workspace, namespace, cleaned):
        return known
    try:
        with transaction.atomic():
            return _made(workspace, namespace, cleaned, now)
    except IntegrityError:  # another process made them in this moment
        known = identities.find(workspace, namespace, cleaned)
        if known is None:
            raise
        return known


def _made(workspace: Workspace, namespace: str, value: str, now: datetime) -> Profile:
    column = {namespace: value} if namespace in COLUMNS else {}
    made = Profile.objects.create(workspace=workspace, created_at=now, changed_at=now, **column)
    if not column:
        Identity.objects.create(
            workspace=workspace, profile=made, namespace=namespace, value=value, created_at=now
        )
    return made


def summary(profile: Profile, held: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Who the person is, ready for JSON; `held` is their identities. Times are ISO 8601 in UTC."""
    return {
        "id": profile.pk,
        "identities": [{"namespace": namespace, "value": value} for namespace, value in held],
        "locale": profile.locale,
        "timeZone": profile.time_zone,
        "isTest": profile.is_test,
        "isUntracked": profile.is_untracked,
        "attributes": profile.attributes,
        "createdAt": profile.created_at.isoformat(),
        "changedAt": profile.changed_at.isoformat(),
    }


def record(profile: Profile, *, actor: Actor) -> dict[str, Any]:
    """Everything we hold about the person as such, ready for JSON; only audiences the actor sees."""
    history = ConsentEntry.objects.filter(profile=profile).select_related("topic")
    consents = profile.consents.select_related("topic").order_by("channel", "topic__key")
    return {
        **summary(profile, identities.identities_of([profile])[profile.pk]),
        "email": profile.email,
        "phone": profile.phone,
        "externalId": profile.external_id,
        "consents": [_statement(one) for one in consents],
        "consentHistory": [_statement(one) for one in history],
        "suppressed": [
            {"channel": one.channel, "reason": one.reason, "at": one.at.isoformat()}
            for one in suppression.holding(profile)
        ],
        "uploadedAudiences": list(uploads := uploads_of(profile, actor=actor)),
        "uploadedAudienceFields": {name: fields for name, fields in uploads.items() if fields},
        "events": [
            {"name": one.name, "at": one.at.isoformat(), "properties": one.properties, "key": one.key}
            for one in ProfileEvent.objects.filter(profile=profile).order_by("-at")
        ],
    }


def _statement(one: Any) -> dict[str, Any]:
    return {
        "channel": one.channel,
        "topic": one.topic.key if one.topic else None,
        "state": one.state,
        "source": one.source,
        "wording": one.wording,
        "at": one.at.isoformat(),
    }


def uploads_of(profile: Profile, *, actor: Actor) -> dict[str, dict[str, Any]]:
    """The uploaded audiences the person is in, as far as the actor may see them: what each keeps of them, by
    its name.
    """
    held = dict(AudienceMember.objects.filter(profile=profile).values_list("audience_id", "fields"))
    rows = Audience.objects.filter(workspace=profile.workspace_id, pk__in=held)
    shown = visible_to(actor, rows, VIEW).order_by("name").values_list("name", "pk")
    return {name: held[pk] for name, pk in shown}
