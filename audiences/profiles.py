"""Finding a person by an address, and making one that is not known yet."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from accounts.models import Workspace
from audiences.models import Profile
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
