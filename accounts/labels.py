"""Access labels: making one, saying which roles hold it, taking it away.

A label on an object hides it from everybody whose roles do not hold the label (`access.py`). Giving labels to
an object is the object's own verb.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import ManyToManyRel
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import audit
from accounts.access import MANAGE_WORKSPACE, Actor, require
from accounts.models import AccessLabel, Role, Workspace
from common.errors import IllegalTransition, Invalid, NotFound, Problem


def label_for(actor: Actor, workspace: Workspace, pk: int) -> AccessLabel:
    require(actor, MANAGE_WORKSPACE, workspace)
    found = AccessLabel.objects.filter(workspace=workspace, pk=pk).select_related("workspace").first()
    if found is None:
        raise NotFound(_("There is no such label."))
    return found


@transaction.atomic
def create(
    workspace: Workspace,
    *,
    name: str,
    description: str = "",
    roles: Iterable[Role] = (),
    actor: Actor,
    now: datetime,
) -> AccessLabel:
    """Raises Invalid for a name that is taken, or a role of another workspace."""
    require(actor, MANAGE_WORKSPACE, workspace)
    label = AccessLabel(workspace=workspace)
    _write(label, name=name, description=description, roles=roles)
    details = {"name": name, "roles": [role.pk for role in label.roles.order_by("pk")]}
    audit.record(actor=actor, verb="create", obj=label, workspace=workspace, now=now, **details)
    return label


@transaction.atomic
def change(
    label: AccessLabel, *, name: str, description: str, roles: Iterable[Role], actor: Actor, now: datetime
) -> AccessLabel:
    """Everything that carries the label is at once visible to the new holders only."""
    require(actor, MANAGE_WORKSPACE, label.workspace)
    row = AccessLabel.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=label.pk)
    before = _state(row)
    _write(row, name=name, description=description, roles=roles)
    if (after := _state(row)) != before:
        audit.record(
            actor=actor,
            verb="change",
            obj=row,
            workspace=row.workspace,
            now=now,
            changes={key: [before[key], after[key]] for key in after if after[key] != before[key]},
        )
    return row


@transaction.atomic
def delete(label: AccessLabel, *, actor: Actor, now: datetime) -> None:
    """Refused while something carries it: taking it away would open that thing to everybody."""
    require(actor, MANAGE_WORKSPACE, label.workspace)
    row = AccessLabel.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=label.pk)
    if carried := carriers(row):
        detail = ngettext(
            "“%(label)s” is still on %(count)s object. Take it off there first.",
            "“%(label)s” is still on %(count)s objects. Take it off there first.",
            carried,
        )
        raise IllegalTransition(detail % {"label": row.name, "count": carried})
    audit.record(actor=actor, verb="delete", obj=row, workspace=row.workspace, now=now)
    row.delete()


def carriers(label: AccessLabel) -> int:
    """How many objects, of any kind, carry the label."""
    relations = AccessLabel._meta.get_fields(include_hidden=True)
    fields = [one.field for one in relations if isinstance(one, ManyToManyRel)]
    return sum(field.model._default_manager.filter(**{field.name: label}).count() for field in fields)


def _state(label: AccessLabel) -> dict[str, object]:
    roles = list(label.roles.order_by("pk").values_list("pk", flat=True))
    return {"name": label.name, "description": label.description, "roles": roles}


def _write(label: AccessLabel, *, name: str, description: str, roles: Iterable[Role]) -> None:
    chosen = list(roles)
    for role in chosen:
        if role.workspace_id != label.workspace_id:
            detail = _("“%(role)s” is a role of another workspace.") % {"role": role}
            raise Invalid(Problem("role_elsewhere", detail, "roles"))
    label.name, label.description = name, description
    try:
        with transaction.atomic():
            label.save()
    except IntegrityError as error:
        detail = _("There is a label called “%(name)s” already.") % {"name": name}
        raise Invalid(Problem("name_taken", detail, "name")) from error
    label.roles.set(chosen)
