"""Finding a person by an address, making one that is not known yet, and telling all we hold of one."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences.access import MANAGE
from audiences.models import AudienceMember, Consent, Profile, Suppression
from channels.kinds import clean_email, clean_phone
from common.errors import Invalid, Problem

NAMESPACES = {"email": clean_email, "phone": clean_phone}
LOCK_SPACE = 0x0A0E  # first key of the two-key advisory lock; the second is the workspace


def lock_people(workspace_id: int) -> None:
    """Until the transaction ends nobody else writes people of the workspace in bulk.

    Two imports, or an import and a bulk call, would else take the same rows in different order and wait for
    each other for ever. One person is changed without it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, workspace_id])


def clean(namespace: str, value: str) -> str:
    """The address in its one stored form. Raises Invalid for an unknown namespace or a bad address."""
    if namespace not in NAMESPACES:
        detail = _("There is no namespace “%(name)s”; use email or phone.") % {"name": namespace[:80]}
        raise Invalid(Problem("unknown_namespace", detail, "/namespace"))
    return NAMESPACES[namespace](value)


def clean_locale(value: str) -> str:
    if len(value) > 35 or not value.replace("-", "").replace("_", "").isalnum():
        raise Invalid(Problem("row_bad_locale", _("This is not a language; write one like zh-TW."), "locale"))
    return value.replace("_", "-")


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def clean_time_zone(value: str) -> str:
    if value not in _zones():
        detail = _("This is not a time zone; write one like Asia/Taipei.")
        raise Invalid(Problem("row_bad_time_zone", detail, "time_zone"))
    return value


@transaction.atomic
def change(
    profile: Profile, *, locale: str, time_zone: str, is_test: bool, actor: Actor, now: datetime
) -> Profile:
    """Corrects what we know of the person. Empty texts mean unknown. Raises Invalid."""
    locked = Profile.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=profile.pk)
    require(actor, MANAGE, locked.workspace)
    given = {
        "locale": clean_locale(locale) if locale else "",
        "time_zone": clean_time_zone(time_zone) if time_zone else "",
        "is_test": is_test,
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


def find(workspace: Workspace, namespace: str, value: str) -> Profile | None:
    address = clean(namespace, value)
    return Profile.objects.filter(workspace=workspace, **{namespace: address}).first()


def find_or_create(workspace: Workspace, namespace: str, value: str, now: datetime) -> Profile:
    address = clean(namespace, value)
    profile, _created = Profile.objects.get_or_create(
        workspace=workspace, **{namespace: address}, defaults={"created_at": now, "changed_at": now}
    )
    return profile


def record(profile: Profile) -> dict[str, Any]:
    """Everything Carillon holds about the person as such, ready for JSON; times are ISO 8601 in UTC."""
    return {
        "id": profile.pk,
        "email": profile.email,
        "phone": profile.phone,
        "locale": profile.locale,
        "timeZone": profile.time_zone,
        "isTest": profile.is_test,
        "attributes": profile.attributes,
        "createdAt": profile.created_at.isoformat(),
        "changedAt": profile.changed_at.isoformat(),
        "consents": [
            {"channel": one.channel, "state": one.state, "source": one.source, "at": one.at.isoformat()}
            for one in Consent.objects.filter(profile=profile).order_by("channel")
        ],
        "suppressed": [
            {"channel": one.channel, "reason": one.reason, "at": one.at.isoformat()}
            for one in suppressions_of(profile)
        ],
        "uploadedAudiences": uploads_of(profile),
    }


def uploads_of(profile: Profile) -> list[str]:
    """The names of the uploaded audiences the person is in."""
    rows = AudienceMember.objects.filter(profile=profile).order_by("audience__name")
    return list(rows.values_list("audience__name", flat=True))


def suppressions_of(profile: Profile) -> list[Suppression]:
    """By each of the person's addresses."""
    addresses = [address for address in (profile.email, profile.phone) if address]
    rows = Suppression.objects.filter(workspace=profile.workspace_id, address__in=addresses)
    return list(rows.order_by("channel"))
