"""The names other systems know a person by, each in a namespace.

email, phone and external_id are columns of Profile, one per person; push_token, line_id and the workspace's
own namespaces are rows of Identity, several per person. In a workspace an identity belongs to one person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences.access import MANAGE
from audiences.models import Identity, Profile
from audiences.namespaces import COLUMNS, LABELS, LONGEST, Namespace, namespaces_of
from channels.kinds import clean_email, clean_phone, clean_push_token, clean_subscription
from common.errors import Invalid, Problem
from common.text import has_control

LINE_ID = re.compile(r"U[0-9a-f]{32}")
MOST_PER_PERSON = 50


def clean(
    workspace: Workspace,
    namespace: str,
    value: Any,
    *,
    known: Mapping[str, Namespace] | None = None,
    pointer: str = "",
) -> str:
    """The identity in its one stored form. Raises Invalid for an unknown namespace or a bad value.

    With `known` (from `namespaces_of`) nothing is asked of the database.
    """
    if not isinstance(namespace, str) or not (
        namespace in LABELS or namespace in (namespaces_of(workspace) if known is None else known)
    ):
        detail = _("There is no namespace “%(name)s”.") % {"name": str(namespace)[:80]}
        raise Invalid(Problem("unknown_namespace", detail, f"{pointer}/namespace"))
    try:
        if not isinstance(value, str):
            raise Invalid(Problem("bad_identity", _("Give a text.")))
        return _clean(namespace, value)
    except Invalid as error:
        place = f"{pointer}/value"
        raise Invalid(Problem(one.code, one.detail, place) for one in error.problems) from error


def _clean(namespace: str, value: str) -> str:
    if has_control(value):
        detail = _("An identity holds no control characters.")
        raise Invalid(Problem("control_char", detail))
    if namespace == "email":
        return clean_email(value)
    if namespace == "phone":
        return clean_phone(value)
    text, most = unicodedata.normalize("NFC", value).strip(), LONGEST.get(namespace, 500)
    if not 0 < len(text) <= most:
        detail = _("Give a text of 1 to %(most)s characters.") % {"most": most}
        raise Invalid(Problem("bad_identity", detail))
    if namespace == "line_id" and not LINE_ID.fullmatch(text):
        detail = _("“%(value)s” is not a LINE user id: U and 32 digits or letters from a to f.")
        raise Invalid(Problem("bad_line_id", detail % {"value": text[:80]}))
    if namespace == "push_token":
        return clean_push_token(text)
    return clean_subscription(text) if namespace == "webpush" else text


def find(workspace: Workspace, namespace: str, value: str) -> Profile | None:
    """Raises Invalid as `clean` does."""
    cleaned = clean(workspace, namespace, value)
    if namespace in COLUMNS:
        return Profile.objects.filter(workspace=workspace, **{namespace: cleaned}).first()
    owner = owners(workspace.pk, [(namespace, cleaned)]).get((namespace, cleaned))
    return Profile.objects.filter(pk=owner).first() if owner else None


OWNERS = """
WITH asked AS (SELECT DISTINCT namespace, value
               FROM unnest(%(namespaces)s::text[], %(values)s::text[]) AS t(namespace, value))
SELECT a.namespace, a.value, p.id FROM asked a JOIN audiences_profile p
  ON p.workspace_id = %(workspace)s AND p.email = a.value WHERE a.namespace = 'email'
UNION ALL
SELECT a.namespace, a.value, p.id FROM asked a JOIN audiences_profile p
  ON p.workspace_id = %(workspace)s AND p.phone = a.value WHERE a.namespace = 'phone'
UNION ALL
SELECT a.namespace, a.value, p.id FROM asked a JOIN audiences_profile p
  ON p.workspace_id = %(workspace)s AND p.external_id = a.value WHERE a.namespace = 'external_id'
UNION ALL
SELECT a.namespace, a.value, i.profile_id FROM asked a JOIN audiences_identity i
  ON i.workspace_id = %(workspace)s AND i.namespace = a.namespace
  AND md5(i.value) = md5(a.value) AND i.value = a.value
"""


def owners(workspace_id: int, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The profile id behind each (namespace, cleaned value) that is known; one query for any number."""
    asked = list(pairs)
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(OWNERS, asked_of(workspace_id, asked))
        return {(namespace, value): pk for namespace, value, pk in cursor.fetchall()}


def asked_of(workspace_id: int, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The parameters of OWNERS."""
    return {
        "workspace": workspace_id,
        "namespaces": [namespace for namespace, _value in pairs],
        "values": [value for _namespace, value in pairs],
    }


def named(workspace: Workspace, text: str) -> Profile | None:
    """The person whom a text names in any namespace, the strongest first: as somebody types it to search."""
    known, asked = namespaces_of(workspace), []
    for namespace in sorted(known, key=lambda key: COLUMNS.index(key) if key in COLUMNS else len(COLUMNS)):
        with suppress(Invalid):
            asked.append((namespace, clean(workspace, namespace, text, known=known)))
    found = owners(workspace.pk, asked)
    pk = next((found[pair] for pair in asked if pair in found), None)
    return Profile.objects.select_related("workspace").filter(pk=pk).first() if pk else None


def identities_of(profiles: Iterable[Profile]) -> dict[int, list[tuple[str, str]]]:
    """Each person's identities as (namespace, value), columns first; one query for any number of people."""
    people = list(profiles)
    found = {
        one.pk: [
            (name, str(value)) for name in ("email", "phone", "external_id") if (value := getattr(one, name))
        ]
        for one in people
    }
    rows = Identity.objects.filter(profile__in=[one.pk for one in people]).order_by("namespace", "value")
    for profile_id, namespace, value in rows.values_list("profile_id", "namespace", "value"):
        found[profile_id].append((namespace, value))
    return found


@transaction.atomic
def attach(
    profile: Profile, namespace: str, value: str, *, actor: Actor, now: datetime, pointer: str = ""
) -> bool:
    """Gives the person the identity; True when that is news. In a column it takes the place of the old one.

    Raises Invalid `identity_taken` when it belongs to another person.
    """
    locked = _locked(profile, actor)
    cleaned = clean(locked.workspace, namespace, value, pointer=pointer)
    if (namespace, cleaned) in identities_of([locked])[locked.pk]:
        return False
    owner = owners(locked.workspace_id, [(namespace, cleaned)]).get((namespace, cleaned))
    if owner is not None and owner != locked.pk:
        raise taken(namespace, f"{pointer}/value")
    try:
        with transaction.atomic():
            _write(locked, namespace, cleaned, now)
    except IntegrityError as error:  # somebody else was given it in this moment
        raise taken(namespace, f"{pointer}/value") from error
    _note("attach_identity", locked, namespace, actor, now)
    return True


def _write(profile: Profile, namespace: str, value: str, now: datetime) -> None:
    if namespace in COLUMNS:
        setattr(profile, namespace, value)
    else:
        if profile.identities.count() >= MOST_PER_PERSON:
            detail = _("A person has at most %(most)s identities.") % {"most": MOST_PER_PERSON}
            raise Invalid(Problem("too_many_identities", detail))
        Identity.objects.create(
            workspace=profile.workspace, profile=profile, namespace=namespace, value=value, created_at=now
        )
    profile.changed_at = now
    profile.save()


def taken(namespace: str, pointer: str = "") -> Invalid:
    label = LABELS.get(namespace, namespace)
    detail = _("Another person of this workspace has this %(namespace)s already.") % {"namespace": label}
    return Invalid(Problem("identity_taken", detail, pointer))


@transaction.atomic
def detach(profile: Profile, namespace: str, value: str, *, actor: Actor, now: datetime) -> bool:
    """Takes the identity away; False when the person does not have it.

    Raises Invalid `last_identity`: without any identity nobody could find the person again.
    """
    locked = _locked(profile, actor)
    held = identities_of([locked])[locked.pk]
    if (namespace, value) not in held:
        return False
    if len(held) == 1:
        detail = _("This is the person's only identity. Give another first, or erase the person.")
        raise Invalid(Problem("last_identity", detail))
    if namespace in COLUMNS:
        setattr(locked, namespace, None)
    else:
        locked.identities.filter(namespace=namespace, value=value).delete()
    locked.changed_at = now
    locked.save()
    _note("detach_identity", locked, namespace, actor, now)
    return True


def _locked(profile: Profile, actor: Actor) -> Profile:
    locked = Profile.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=profile.pk)
    require(actor, MANAGE, locked.workspace)
    return locked


def _note(verb: str, profile: Profile, namespace: str, actor: Actor, now: datetime) -> None:
    """By number only: the log is kept for ever, and must not hold the address of one who is erased."""
    workspace = profile.workspace
    audit.record(
        actor=actor,
        verb=verb,
        obj=workspace,
        workspace=workspace,
        now=now,
        profile=profile.pk,
        namespace=namespace,
    )
