"""Sharing one object with a person or a role of its workspace, at one of the levels its app names.

It adds to what their roles allow and never takes away; access labels stand above it. Nobody gives a right
they do not hold themselves, and nobody shares with themselves: a share must not outlive a role in secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from accounts import access, audit
from accounts.access import Actor, require
from accounts.models import Role, User, Workspace
from common.errors import Invalid, Problem
from common.text import whole_number


@dataclass(frozen=True)
class Sharing:
    """`manage` is the right it takes to share; `levels` are codenames, from the least to the most."""

    manage: str
    levels: dict[str, tuple[str, ...]]
    labels: dict[str, Any]

    @transaction.atomic
    def give(self, obj: Model, *, holder: User | Role, level: str, actor: Actor, now: datetime) -> None:
        """In place of the level they had. Raises Invalid for somebody from elsewhere."""
        require(actor, self.manage, obj)
        if level not in self.levels:
            detail = _("Share it as one of: %(levels)s.") % {"levels": ", ".join(self.levels)}
            raise Invalid(Problem("unknown_level", detail, "level"))
        for codename in self.levels[level]:
            require(actor, f"{obj._meta.app_label}.{codename}", obj)
        if not _belongs(holder, _workspace(obj)):
            detail = _("%(name)s is not of this workspace.") % {"name": holder}
            raise Invalid(Problem("holder_elsewhere", detail, "holder"))
        if holder == actor:
            raise Invalid(Problem("holder_self", _("Nobody shares with themselves."), "holder"))
        access.share(obj, holder, self.levels[level])
        _record("share", obj, holder, actor, now, level=level)

    @transaction.atomic
    def withdraw(self, obj: Model, *, holder: User | Role, actor: Actor, now: datetime) -> None:
        """What they may do by their roles stays."""
        require(actor, self.manage, obj)
        if any(share.holder == holder for share in access.shares_of(obj)):
            access.unshare(obj, holder)
            _record("unshare", obj, holder, actor, now)

    def shares_of(self, obj: Model) -> list[tuple[User | Role, str]]:
        """Each holder with the highest level they have in full."""
        return [(one.holder, self._level(one.rights)) for one in access.shares_of(obj)]

    def overview(self, obj: Model) -> dict[str, list[dict[str, str]]]:
        """With whom it is shared (`results`), and with whom it can be (`available`), as the API tells it."""
        known = [one for _group, options in choices(_workspace(obj)) for one in options]
        return {
            "results": [shown(holder, level) for holder, level in self.shares_of(obj)],
            "available": [{"holder": key, "name": name} for key, name in known],
        }

    def _level(self, rights: tuple[str, ...]) -> str:
        full = [level for level, wanted in self.levels.items() if set(wanted) <= set(rights)]
        return full[-1] if full else next(iter(self.levels))


def key_of(holder: User | Role) -> str:
    """“user:3” or “role:8”, as forms and addresses name a holder."""
    return f"{'role' if isinstance(holder, Role) else 'user'}:{holder.pk}"


def shown(holder: User | Role, level: str) -> dict[str, str]:
    name = holder.label if isinstance(holder, Role) else str(holder)
    return {"holder": key_of(holder), "name": name, "level": level}


def choices(workspace: Workspace) -> list[tuple[str, list[tuple[str, str]]]]:
    """Whom something can be shared with, grouped, as a select shows it."""
    roles = Role.objects.filter(workspace=workspace).order_by("title")
    people = User.objects.filter(groups__role__workspace=workspace, is_active=True).distinct()
    return [
        (_("Roles"), [(key_of(role), role.label) for role in roles]),
        (_("People"), [(key_of(user), str(user)) for user in people.order_by("name")]),
    ]


def holder_called(workspace: Workspace, key: str) -> User | Role:
    """Raises Invalid: one from elsewhere is as unknown as one that does not exist."""
    kind, _colon, text = key.partition(":")
    number = whole_number(text) or 0
    found: User | Role | None = None
    if kind == "role":
        found = Role.objects.filter(workspace=workspace, pk=number).first()
    elif kind == "user":
        found = User.objects.filter(groups__role__workspace=workspace, pk=number).first()
    if found is None:
        detail = _("This is not known here. Choose from the list.")
        raise Invalid(Problem("unknown", detail, "holder"))
    return found


def _workspace(obj: Model) -> Workspace:
    workspace: Workspace = obj.workspace  # type: ignore[attr-defined]
    return workspace


def _belongs(holder: User | Role, workspace: Workspace) -> bool:
    if isinstance(holder, Role):
        return holder.workspace_id == workspace.pk
    return access.is_member(holder, workspace)


def _record(verb: str, obj: Model, holder: User | Role, actor: Actor, now: datetime, **details: Any) -> None:
    """By number: the log outlives the people in it."""
    key = {"role" if isinstance(holder, Role) else "user": holder.pk}
    audit.record(actor=actor, verb=verb, obj=obj, workspace=_workspace(obj), now=now, **key, **details)
