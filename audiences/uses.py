"""What uses an audience, and so keeps it from being deleted: campaigns, and audiences that are put together
from it. Other apps are found by their foreign keys, so that this app need not know them.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import PROTECT, BooleanField, F, Func, Model, Q, QuerySet, Value
from django.utils.translation import gettext as _

from accounts.access import Actor, visible_to
from audiences.access import VIEW
from audiences.models import Audience


@dataclass(frozen=True)
class Uses:
    """`names` are those the reader may see, each with its kind; `hidden` counts the rest."""

    names: list[str]
    hidden: int

    def __bool__(self) -> bool:
        return bool(self.names or self.hidden)


def uses_of(audience: Audience, actor: Actor) -> Uses:
    seen: list[Model] = []
    total = referring(audience).count()
    for rows in protectors(audience):
        named = rows.model._meta
        seen += visible_to(actor, rows, f"{named.app_label}.view_{named.model_name}")
        total += rows.count()
    seen += seen_by(audience, actor)
    names = [_("%(kind)s “%(name)s”") % {"kind": row._meta.verbose_name, "name": row} for row in seen]
    return Uses(names, total - len(seen))


def seen_by(audience: Audience, actor: Actor) -> QuerySet[Audience]:
    """The audiences put together from this one that the actor may see."""
    return visible_to(actor, referring(audience), VIEW).order_by("name")


def protectors(audience: Audience) -> list[QuerySet[Model]]:
    """Rows of other tables that may not lose the audience."""
    return [
        relation.related_model._default_manager.filter(**{relation.field.name: audience})
        for relation in Audience._meta.related_objects
        if relation.on_delete is PROTECT
    ]


# Every place in a rule or a composition that names an audience by its number, however deep it lies.
NAMED = "$.**.audience ? (@ == {pk})"


class Holds(Func):
    """Whether something in a JSON column answers to a JSON path."""

    function = "jsonb_path_exists"
    output_field = BooleanField()


def referring(audience: Audience) -> QuerySet[Audience]:
    """The audiences of the workspace whose rule or composition names this one."""
    path = Value(NAMED.format(pk=int(audience.pk)))
    named = Q(Holds(F("rule"), path)) | Q(Holds(F("composition"), path))
    return Audience.objects.filter(named, workspace=audience.workspace_id).exclude(pk=audience.pk)
