"""Finding a person by an address, making one that is not known yet, and telling all we hold of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Workspace
from audiences.models import AudienceMember, Consent, Profile, Suppression
from channels.kinds import clean_email, clean_phone
from common.errors import Invalid, Problem

NAMESPACES = {"email": clean_email, "phone": clean_phone}


def clean(namespace: str, value: str) -> str:
    """The address in its one stored form. Raises Invalid for an unknown namespace or a bad address."""
    if namespace not in NAMESPACES:
        detail = _("There is no namespace “%(name)s”; use email or phone.") % {"name": namespace[:80]}
        raise Invalid(Problem("unknown_namespace", detail, "/namespace"))
    return NAMESPACES[namespace](value)


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
        "uploadedAudiences": list(
            AudienceMember.objects.filter(profile=profile)
            .order_by("audience__name")
            .values_list("audience__name", flat=True)
        ),
    }


def suppressions_of(profile: Profile) -> list[Suppression]:
    """By each of the person's addresses."""
    addresses = [address for address in (profile.email, profile.phone) if address]
    rows = Suppression.objects.filter(workspace=profile.workspace_id, address__in=addresses)
    return list(rows.order_by("channel"))
