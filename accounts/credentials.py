"""API credentials: issued once, found by their public prefix, checked against a SHA-256.

A token is `car_<prefix>.<secret>` with 256 random bits of secret; only its hash is kept. It can be sent with
every call, or be changed for a token that lasts an hour (`oauth.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require, workspaces_where
from accounts.models import ApiCredential, Role, User, Workspace
from common import prepared
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.prepared import Columns

MANAGE = "accounts.manage_workspace"
USE_STAMP = timedelta(minutes=1)
OVERLAP = timedelta(days=7)  # how long the older secret works on after a rotation
MOST_CALLS = 1_000_000


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@transaction.atomic
def issue(
    *,
    workspace: Workspace,
    role: Role,
    name: str,
    actor: Actor,
    now: datetime,
    expires_at: datetime | None = None,
    calls_per_minute: int | None = None,
) -> tuple[ApiCredential, str]:
    """A new credential and its token, which is never shown again."""
    require(actor, MANAGE, workspace)
    if role.workspace_id != workspace.pk:
        raise Invalid(Problem("unknown_role", _("This role belongs to another workspace."), "role"))
    if expires_at and expires_at <= now:
        raise Invalid(Problem("bad_expiry", _("This moment has already passed."), "expires_at"))
    if calls_per_minute is not None and not 1 <= calls_per_minute <= MOST_CALLS:
        detail = _("Give 1 to %(most)s calls per minute.") % {"most": MOST_CALLS}
        raise Invalid(Problem("bad_rate", detail, "calls_per_minute"))
    prefix, secret = f"car_{secrets.token_hex(6)}", secrets.token_urlsafe(32)
    credential = ApiCredential.objects.create(
        workspace=workspace,
        role=role,
        name=name,
        prefix=prefix,
        secret_hash=hash_of(secret),
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
        expires_at=expires_at,
        calls_per_minute=calls_per_minute,
    )
    audit.record(actor=actor, verb="issue", obj=credential, workspace=workspace, now=now, role=role.title)
    return credential, f"{prefix}.{secret}"


@transaction.atomic
def rotate(credential: ApiCredential, *, actor: Actor, now: datetime, overlap: timedelta = OVERLAP) -> str:
    """A new token for the same credential, never shown again; the one before works on for `overlap`.

    Two work at a time at most: a rotation within the overlap ends the older of the two.
    """
    require(actor, MANAGE, credential.workspace)
    rows = ApiCredential.objects.select_for_update(of=("self",)).select_related("workspace")
    locked = rows.get(pk=credential.pk)
    if state(locked, now=now) != "active":
        raise IllegalTransition(_("It works no more. Create a new one."), state=state(locked, now=now))
    secret = secrets.token_urlsafe(32)
    locked.previous_hash, locked.previous_until = locked.secret_hash, now + overlap
    locked.secret_hash = hash_of(secret)
    locked.save(update_fields=["secret_hash", "previous_hash", "previous_until"])
    audit.record(actor=actor, verb="rotate", obj=locked, workspace=locked.workspace, now=now)
    return f"{locked.prefix}.{secret}"


@transaction.atomic
def revoke(credential: ApiCredential, *, actor: Actor, now: datetime) -> None:
    require(actor, MANAGE, credential.workspace)
    if ApiCredential.objects.filter(pk=credential.pk, revoked_at=None).update(revoked_at=now):
        audit.record(actor=actor, verb="revoke", obj=credential, workspace=credential.workspace, now=now)


def list_for(actor: Actor, workspace: Workspace) -> QuerySet[ApiCredential]:
    """All of a workspace, the newest first; raises PermissionMissing."""
    require(actor, MANAGE, workspace)
    return ApiCredential.objects.filter(workspace=workspace).select_related("role").order_by("-created_at")


def in_state(rows: QuerySet[ApiCredential], state: str, *, now: datetime) -> QuerySet[ApiCredential]:
    """Those that are `active`, `expired` or `revoked`."""
    if state == "revoked":
        return rows.exclude(revoked_at=None)
    is_over = Q(expires_at__lte=now)
    return rows.filter(is_over if state == "expired" else ~is_over, revoked_at=None)


def credential_for(actor: Actor, pk: int) -> ApiCredential:
    """The only way from a request to a credential. Raises NotFound."""
    mine = ApiCredential.objects.filter(workspace__in=workspaces_where(actor, MANAGE), pk=pk)
    credential = mine.select_related("workspace", "role").first()
    if credential is None:
        raise NotFound(_("There is no such credential."))
    return credential


def state(credential: ApiCredential, *, now: datetime) -> str:
    """`active`, `expired` or `revoked`."""
    if credential.revoked_at:
        return "revoked"
    return "expired" if credential.expires_at and credential.expires_at <= now else "active"


def find(token: str, *, now: datetime) -> ApiCredential | None:
    """The live credential a token belongs to. Its last use is noted at most once a minute."""
    prefix, _dot, secret = token.partition(".")
    if not (token.isascii() and token.isprintable()):
        return None
    credential = by_prefix(prefix, now=now)
    wanted = hash_of(secret)
    if credential is None or not any(hmac.compare_digest(one, wanted) for one in hashes(credential, now=now)):
        return None
    note_use(credential, now=now)
    return credential


def by_prefix(prefix: str, *, now: datetime) -> ApiCredential | None:
    """A live credential by its public id, with its workspace and role; nothing is proved by that yet."""
    statement, parts = _live()
    found = prepared.first(statement, {"prefix": prefix, "now": now})
    if found is None:
        return None
    values = iter(found)
    credential: ApiCredential
    credential, workspace, role = (one.row(list(islice(values, len(one)))) for one in parts)
    credential.workspace, credential.role = workspace, role
    return credential


@cache
def _live() -> tuple[str, tuple[Columns[Any], ...]]:
    """Asked with every call of the API."""
    parts = Columns(ApiCredential), Columns(Workspace), Columns(Role)
    statement = f"""
        SELECT {", ".join(one.sql for one in parts)} FROM accounts_apicredential
        JOIN accounts_workspace ON accounts_workspace.id = accounts_apicredential.workspace_id
        JOIN accounts_role ON accounts_role.group_ptr_id = accounts_apicredential.role_id
        JOIN auth_group ON auth_group.id = accounts_role.group_ptr_id
        WHERE prefix = %(prefix)s AND revoked_at IS NULL
          AND (expires_at IS NULL OR expires_at > %(now)s)"""  # noqa: S608 -- our own columns
    return statement, parts


def hashes(credential: ApiCredential, *, now: datetime) -> list[str]:
    """Of the secrets that work now: the present one, and the one before while it is let work on."""
    found = [credential.secret_hash]
    if credential.previous_until and credential.previous_until > now:
        found.append(credential.previous_hash)
    return found


def note_use(credential: ApiCredential, *, now: datetime) -> None:
    if credential.last_used_at is None or now - credential.last_used_at > USE_STAMP:
        ApiCredential.objects.filter(pk=credential.pk).update(last_used_at=now)
