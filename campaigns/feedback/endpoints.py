"""The verbs of feedback webhooks: make, change, switch, rotate the secret, test, send again, delete.

A secret is made here, sealed at once and returned once. After a rotation both secrets sign for OVERLAP, so
that a receiver can take its time; a rotation within that ends the older of the two.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import MANAGE_WORKSPACE, Actor, require, workspaces_where
from accounts.models import AuditEntry, User, Workspace
from campaigns.models import FeedbackDelivery, FeedbackEndpoint, FeedbackKind
from channels import sealing
from channels.destinations import check_url
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.text import has_control

MOST = 20  # endpoints of a workspace
MOST_AGAIN = 10_000  # deliveries sent again by one wish
OVERLAP = timedelta(days=7)
TEST = "test"


def list_for(actor: Actor, workspace: Workspace) -> QuerySet[FeedbackEndpoint]:
    """Raises PermissionMissing."""
    require(actor, MANAGE_WORKSPACE, workspace)
    return FeedbackEndpoint.objects.filter(workspace=workspace).order_by("name")


def endpoint_for(actor: Actor, pk: int) -> FeedbackEndpoint:
    """The only way from a request to an endpoint. Raises NotFound."""
    mine = FeedbackEndpoint.objects.filter(workspace__in=workspaces_where(actor, MANAGE_WORKSPACE), pk=pk)
    row = mine.select_related("workspace").first()
    if row is None:
        raise NotFound(_("There is no such feedback webhook, or you may not see it."))
    return row


@transaction.atomic
def create(
    workspace: Workspace, *, actor: Actor, now: datetime, **values: Any
) -> tuple[FeedbackEndpoint, str]:
    """The endpoint and its secret, which is never shown again. `values` as for `change`, all of them."""
    require(actor, MANAGE_WORKSPACE, workspace)
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)  # two at once see each other
    if FeedbackEndpoint.objects.filter(workspace=workspace).count() >= MOST:
        detail = _("A workspace has at most %(most)s feedback webhooks.") % {"most": MOST}
        raise Invalid(Problem("too_many", detail))
    row = FeedbackEndpoint(workspace=workspace, created_at=now, on_since=now, resume_at=now)
    row.created_by = actor if isinstance(actor, User) else None
    row.audit_position = _end_of_log(workspace)
    _fill(row, values, now)
    secret = _new_secret(row, now)
    row.save()
    _record(row, "create", actor, now, url=row.url, kinds=row.kinds)
    return row, secret


@transaction.atomic
def change(endpoint: FeedbackEndpoint, *, actor: Actor, now: datetime, **values: Any) -> FeedbackEndpoint:
    """`name`, `url`, `kinds` (of FeedbackKind), `only_triggered` (of API-triggered campaigns only).

    Raises Invalid with the field's name as pointer.
    """
    row = _locked(endpoint, actor)
    before = {name: getattr(row, name) for name in values}
    _fill(row, values, now)
    changes = {name: [old, getattr(row, name)] for name, old in before.items() if old != getattr(row, name)}
    if changes:
        row.save()
        _record(row, "change", actor, now, changes=changes)
    return row


@transaction.atomic
def switch(endpoint: FeedbackEndpoint, *, on: bool, actor: Actor, now: datetime) -> FeedbackEndpoint:
    """Off: nothing is gathered and nothing sent. On again: what waited goes at once."""
    row = _locked(endpoint, actor)
    if row.is_on == on:
        detail = _("It is switched on already.") if on else _("It is switched off already.")
        raise IllegalTransition(detail, state="on" if row.is_on else "off")
    row.is_on, row.off_reason, row.changed_at = on, "" if on else FeedbackEndpoint.Off.BY_HAND, now
    if on:
        row.on_since = row.resume_at = now
        row.failing_since, row.failures, row.audit_position = None, 0, _end_of_log(row.workspace)
        row.deliveries.filter(state=FeedbackDelivery.State.DUE).update(next_at=now, tries=0)
    row.save()
    _record(row, "switch on" if on else "switch off", actor, now)
    return row


@transaction.atomic
def rotate(endpoint: FeedbackEndpoint, *, actor: Actor, now: datetime) -> str:
    """The new secret, never shown again; the one before signs too for OVERLAP."""
    row = _locked(endpoint, actor)
    oldest = row.older_secret
    row.older_secret, row.older_until, row.secret = row.secret, now + OVERLAP, None
    secret = _new_secret(row, now)
    row.save()
    if oldest:
        oldest.delete()
    _record(row, "rotate", actor, now)
    return secret


@transaction.atomic
def delete(endpoint: FeedbackEndpoint, *, actor: Actor, now: datetime) -> None:
    row = _locked(endpoint, actor)
    _record(row, "delete", actor, now, url=row.url)
    kept = [one for one in (row.secret, row.older_secret) if one]
    row.delete()
    for one in kept:
        one.delete()


@transaction.atomic
def test(endpoint: FeedbackEndpoint, *, actor: Actor, now: datetime) -> FeedbackDelivery:
    """An event of the kind `test`, sent like any other."""
    row = _locked(endpoint, actor)
    if not row.is_on:
        raise IllegalTransition(_("It is switched off. Switch it on first."), state="off")
    body = {"type": TEST, "timestamp": now.isoformat(), "data": {"workspace": row.workspace.slug}}
    row.resume_at = now
    row.save(update_fields=["resume_at"])
    return row.deliveries.create(
        event_id=f"t{uuid4().hex}", kind=TEST, happened_at=now, body=body, next_at=now, created_at=now
    )


@transaction.atomic
def send_again(
    endpoint: FeedbackEndpoint,
    *,
    deliveries: Collection[int] | None = None,
    since: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> int:
    """Sends deliveries again under their old event ids: the named ones, or all given up ones since a moment.

    Returns how many; at most MOST_AGAIN, the oldest first.
    """
    row = _locked(endpoint, actor)
    State = FeedbackDelivery.State  # noqa: N806  a class
    rows = row.deliveries.exclude(state=State.DUE)
    if deliveries is not None:
        rows = rows.filter(pk__in=list(deliveries)[:MOST_AGAIN])
    else:
        rows = rows.filter(state=State.FAILED)
    if since is not None:
        rows = rows.filter(happened_at__gte=since)
    chosen = rows.order_by("pk").values("pk")[:MOST_AGAIN]
    count = row.deliveries.filter(pk__in=chosen).update(state=State.DUE, tries=0, next_at=now)
    if count:
        _record(row, "send again", actor, now, count=count)
    return count


def secrets_of(endpoint: FeedbackEndpoint, *, now: datetime) -> list[str]:
    """Those that sign now, the newest first. Raises SealBroken."""
    live = [endpoint.secret]
    if endpoint.older_until and endpoint.older_until > now:
        live.append(endpoint.older_secret)
    return [sealing.unseal(one.sealed, row=one.pk) for one in live if one]


# ---- inside -------------------------------------------------------------------------------------
def _locked(endpoint: FeedbackEndpoint, actor: Actor) -> FeedbackEndpoint:
    require(actor, MANAGE_WORKSPACE, endpoint.workspace)
    rows = FeedbackEndpoint.objects.select_for_update(of=("self",))
    row = rows.select_related("workspace", "secret", "older_secret").filter(pk=endpoint.pk).first()
    if row is None:
        raise NotFound(_("There is no such feedback webhook, or you may not see it."))
    return row


def _fill(row: FeedbackEndpoint, values: dict[str, Any], now: datetime) -> None:
    if "name" in values:
        row.name = _name(row, values["name"])
    if "url" in values:
        row.url = check_url(values["url"], pointer="url")
    if "kinds" in values:
        row.kinds = _kinds(values["kinds"])
    if "only_triggered" in values:
        row.only_triggered = values["only_triggered"]
    row.changed_at = now


def _name(row: FeedbackEndpoint, name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 100 or has_control(name):
        raise Invalid(Problem("bad_name", _("Give a name of at most 100 characters."), "name"))
    others = FeedbackEndpoint.objects.filter(workspace=row.workspace, name=name).exclude(pk=row.pk)
    if others.exists():
        raise Invalid(Problem("name_taken", _("This name is taken. Choose another one."), "name"))
    return name


def _kinds(kinds: Iterable[str]) -> list[str]:
    wanted = set(kinds)
    if not wanted or wanted - set(FeedbackKind.values):
        known = ", ".join(FeedbackKind.values)
        detail = _("Choose at least one of: %(known)s.") % {"known": known}
        raise Invalid(Problem("unknown_kind", detail, "kinds"))
    return [kind for kind in FeedbackKind.values if kind in wanted]


def _new_secret(row: FeedbackEndpoint, now: datetime) -> str:
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    row.secret = sealing.keep(
        secret, workspace=row.workspace, name=f"Feedback: {row.name}"[:100], credential=None, now=now
    )
    return secret


def _end_of_log(workspace: Workspace) -> int:
    found = AuditEntry.objects.filter(workspace=workspace).aggregate(last=Max("sequence"))
    return found["last"] or 0


def _record(row: FeedbackEndpoint, verb: str, actor: Actor, now: datetime, **details: Any) -> None:
    audit.record(actor=actor, verb=verb, obj=row, workspace=row.workspace, now=now, **details)
