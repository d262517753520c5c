"""The namespaces a person's identities stand in: the built-in ones, and those a workspace adds."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences.access import MANAGE
from audiences.models import Identity, IdentityNamespace
from channels import origins
from common.errors import IllegalTransition, Invalid, Problem
from common.text import has_control

# In the order of their strength: the first that is given says who is meant.
COLUMNS = ("external_id", "email", "phone")
LABELS: dict[str, Any] = {
    "email": gettext_lazy("Email"),
    "phone": gettext_lazy("Phone"),
    "external_id": gettext_lazy("External id"),
    "push_token": gettext_lazy("Push token"),
    "line_id": gettext_lazy("LINE id"),
    "webpush": gettext_lazy("Browser’s push subscription"),
}
LONGEST = {"external_id": 128, "webpush": 2000}  # of the others: 500
KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
MOST_NAMESPACES = 50


@dataclass(frozen=True)
class Namespace:
    """`is_single`: a person has one of it at most. `pk` is None for the built-in ones."""

    key: str
    label: Any
    is_single: bool
    pk: int | None = None


def namespaces_of(workspace: Workspace) -> dict[str, Namespace]:
    """Every namespace of the workspace by its key, the built-in ones first; one query."""
    known = {key: Namespace(key, label, key in COLUMNS) for key, label in LABELS.items()}
    for own in IdentityNamespace.objects.filter(workspace=workspace):
        known.setdefault(own.key, Namespace(own.key, str(own), is_single=False, pk=own.pk))
    return known


@transaction.atomic
def add_namespace(
    workspace: Workspace, *, key: str, label: str = "", actor: Actor, now: datetime
) -> IdentityNamespace:
    """A namespace of the workspace's own. Raises Invalid with the pointer key or label."""
    require(actor, MANAGE, workspace)
    if not isinstance(key, str) or not KEY.fullmatch(key):
        detail = _("A key has small letters, digits and _, begins with a letter and is at most 63 long.")
        raise Invalid(Problem("bad_key", detail, "key"))
    if key in LABELS:
        detail = _("“%(key)s” means something else already. Choose another key.") % {"key": key}
        raise Invalid(Problem("reserved_key", detail, "key"))
    text = unicodedata.normalize("NFC", label).strip()
    if len(text) > 100 or has_control(text):
        detail = _("A label is one line of at most 100 characters.")
        raise Invalid(Problem("bad_label", detail, "label"))
    if IdentityNamespace.objects.filter(workspace=workspace).count() >= MOST_NAMESPACES:
        detail = _("A workspace has at most %(most)s namespaces of its own.") % {"most": MOST_NAMESPACES}
        raise Invalid(Problem("too_many_namespaces", detail, "key"))
    made, is_new = IdentityNamespace.objects.get_or_create(
        workspace=workspace, key=key, defaults={"label": text}
    )
    if not is_new:
        detail = _("There is a namespace “%(key)s” already.") % {"key": key}
        raise Invalid(Problem("key_taken", detail, "key"))
    audit.record(actor=actor, verb="add_namespace", obj=made, workspace=workspace, now=now, key=key)
    return made


@transaction.atomic
def remove_namespace(namespace: IdentityNamespace, *, actor: Actor, now: datetime) -> None:
    """Raises IllegalTransition while somebody has an identity in it, or messages take addresses from it."""
    workspace = namespace.workspace
    require(actor, MANAGE, workspace)
    IdentityNamespace.objects.select_for_update(of=("self",)).get(pk=namespace.pk)
    if origins.is_used(workspace.pk, f"namespace:{namespace.key}"):
        detail = _("Messages take their addresses from it. Choose another field for them first.")
        raise IllegalTransition(detail, code="namespace_in_use")
    if Identity.objects.filter(workspace=workspace, namespace=namespace.key).exists():
        detail = _("People still have an identity in this namespace.")
        raise IllegalTransition(detail, code="namespace_in_use")
    audit.record(
        actor=actor,
        verb="remove_namespace",
        obj=namespace,
        workspace=workspace,
        now=now,
        key=namespace.key,
    )
    namespace.delete()
