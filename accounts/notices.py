"""Notices to our own people: one function tells, the bell and the mail both read the row it leaves.

The upper apps register their kinds of notice. A notice holds values, not words: it is read in the reader's
own language, and only by who may still see what it is about. Mail leaves later, by `outbox.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet

from accounts.access import Actor, people_who_may, visible_to
from accounts.models import NoticePreference, Notification, User

SHOWN = 100  # notices the bell looks back over


@dataclass(frozen=True)
class Kind:
    """`sentence` is a translatable text with named placeholders, filled from the notice's values."""

    name: str
    label: Any
    sentence: Any
    bell: bool = True
    mail: bool = True


KINDS: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    KINDS.update({kind.name: kind for kind in kinds})


def tell(
    kind: str,
    people: Iterable[User],
    *,
    obj: Model,
    address: str,
    actor: Actor,
    now: datetime,
    once: str = "",
    **values: str,
) -> list[Notification]:
    """Writes a notice for each of the people who may see the object and wants it, but never for the actor.

    `address` is the page it leads to. With `once`, nobody is told the same thing a second time.
    """
    wanted = {person.pk for person in people} - {actor.pk if isinstance(actor, User) else None}
    told = people_who_may(_view(obj), obj).filter(pk__in=wanted)
    chosen = {one.user_id: one for one in NoticePreference.objects.filter(user__in=told, kind=kind)}
    rows = [_row(KINDS[kind], person, chosen.get(person.pk), now) for person in told]
    for row in rows:
        row.workspace, row.values, row.address, row.once = obj.workspace, values, address, once  # type: ignore[attr-defined]
        row.object_type, row.object_key = obj._meta.label_lower, str(obj.pk)
    wanted_rows = [row for row in rows if row.in_bell or row.mail == Notification.Mail.DUE]
    return Notification.objects.bulk_create(wanted_rows, ignore_conflicts=bool(once))


def _row(kind: Kind, person: User, chosen: NoticePreference | None, now: datetime) -> Notification:
    bell, mail = (chosen.bell, chosen.mail) if chosen else (kind.bell, kind.mail)
    state = Notification.Mail.DUE if mail else Notification.Mail.NONE
    return Notification(user=person, kind=kind.name, at=now, in_bell=bell, mail=state, try_at=now)


def _view(obj: Model | type[Model]) -> str:
    """The right that lets a person see it; what only some may see at all says so itself."""
    if named := getattr(obj, "VIEW_PERMISSION", ""):
        return str(named)
    return f"{obj._meta.app_label}.view_{obj._meta.model_name}"


def words(notice: Notification) -> str:
    """The notice as a sentence in the language of the moment."""
    sentence: str = str(KINDS[notice.kind].sentence)
    return sentence % dict(notice.values)


def visible(actor: Actor, rows: Iterable[Notification]) -> list[Notification]:
    """Those about something the reader may still see, of kinds that still exist."""
    known = [row for row in rows if row.kind in KINDS]
    seen: set[tuple[str, str]] = set()
    for label in {row.object_type for row in known}:
        model = apps.get_model(label)
        keys = {row.object_key for row in known if row.object_type == label}
        found = visible_to(actor, model._default_manager.filter(pk__in=keys), _view(model))
        seen |= {(label, str(pk)) for pk in found.values_list("pk", flat=True)}
    return [row for row in known if (row.object_type, row.object_key) in seen]


def bell(user: User) -> list[Notification]:
    """The latest notices, the newest first."""
    return visible(user, _in_bell(user)[:SHOWN])


def unread_count(user: User) -> int:
    return len(visible(user, _in_bell(user).filter(read_at=None)[:SHOWN]))


def _in_bell(user: User) -> QuerySet[Notification]:
    return Notification.objects.filter(user=user, in_bell=True)


def mark_read(user: User, *, now: datetime, pk: int | None = None) -> None:
    """One of the person's own notices, or all of them."""
    rows = _in_bell(user).filter(read_at=None)
    (rows if pk is None else rows.filter(pk=pk)).update(read_at=now)


def preferences(user: User) -> list[tuple[Kind, bool, bool]]:
    """Each kind with whether it goes to the bell and by mail."""
    chosen = {one.kind: one for one in NoticePreference.objects.filter(user=user)}
    return [
        (kind, chosen[name].bell, chosen[name].mail) if name in chosen else (kind, kind.bell, kind.mail)
        for name, kind in KINDS.items()
    ]


def prefer(user: User, kind: str, *, bell: bool, mail: bool) -> None:
    NoticePreference.objects.update_or_create(user=user, kind=kind, defaults={"bell": bell, "mail": mail})
