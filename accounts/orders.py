"""Who ordered what a worker does later.

The order keeps a short name of its orderer, as the audit log does, and the worker asks before it begins if
they still may: a right that was taken away is gone for what is queued, too.
"""

from __future__ import annotations

from django.db.models import Model
from django.utils.translation import gettext as _

from accounts.access import SYSTEM, Actor, System, may
from accounts.models import ApiCredential, User


def key_of(actor: Actor) -> str:
    """“user:3”, “credential:8”, or “system”."""
    if isinstance(actor, System):
        return "system"
    return f"{'credential' if isinstance(actor, ApiCredential) else 'user'}:{actor.pk}"


def orderer(key: str) -> Actor | None:
    """None: they are gone, or the credential was revoked. Without a key the product itself ordered it."""
    if key in ("", "system"):
        return SYSTEM
    kind, _colon, pk = key.partition(":")
    if kind == "credential":
        rows = ApiCredential.objects.select_related("role", "workspace")
        return rows.filter(pk=pk, revoked_at=None).first()
    return User.objects.filter(pk=pk).first()


def may_still(key: str, permission: str, obj: Model) -> bool:
    """Whether whoever ordered it has the permission now."""
    actor = orderer(key)
    return actor is not None and may(actor, permission, obj)


def name_of(key: str) -> str:
    """As people know them, whether or not they may still do anything."""
    kind, _colon, pk = key.partition(":")
    model = ApiCredential if kind == "credential" else User
    return str(model._default_manager.filter(pk=pk or 0).first() or _("Somebody who is gone"))
