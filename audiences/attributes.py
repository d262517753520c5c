"""The fields a workspace keeps about its people: the verbs that define, change and remove one.

How each type is stored, and how a value from outside becomes that, is in `typed.py`.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require, visible_to
from accounts.models import Workspace
from audiences import conversions
from audiences.access import MANAGE, VIEW
from audiences.models import AttributeDefinition, Audience
from audiences.typed import Stored, Type, clean, clean_text, written, written_moment
from audiences.values import conversion, remove_values, used_in
from channels import origins
from common.errors import IllegalTransition, Invalid, Problem
from common.text import has_control
from common.wording import listed

__all__ = [
    "Stored",
    "Type",
    "change",
    "clean",
    "define",
    "definitions_of",
    "remove",
    "written",
    "written_moment",
    "zone_of",
]

KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
RESERVED = frozenset(
    (
        *("id", "workspace", "workspace_id", "profile", "profile_id", "attributes", "identities", "identity"),
        *("email", "phone", "external_id", "push_token", "line_id", "locale", "time_zone", "is_test"),
        *("created_at", "changed_at", "consent", "consents", "topic", "topics", "audience", "audiences"),
        *("event", "events", "suppressed", "is_suppressed"),
    )
)
MOST_ATTRIBUTES, MOST_CHOICES = 500, 500


def _wrong(code: str, detail: str, pointer: str) -> Invalid:
    return Invalid(Problem(code, detail, pointer))


def definitions_of(workspace: Workspace) -> dict[str, AttributeDefinition]:
    return {one.key: one for one in AttributeDefinition.objects.filter(workspace=workspace)}


def labels_of(workspace: Workspace) -> dict[str, str]:
    """What each attribute is called, by key."""
    return {key: str(one) for key, one in definitions_of(workspace).items()}


def zone_of(workspace: Workspace) -> ZoneInfo:
    return ZoneInfo(workspace.time_zone)


@transaction.atomic
def define(
    workspace: Workspace,
    *,
    key: str,
    type: str = Type.TEXT,
    label: str = "",
    choices: list[str] | tuple[str, ...] = (),
    actor: Actor,
    now: datetime,
) -> AttributeDefinition:
    """A new field. Raises Invalid with the pointer key, type, label or choices."""
    require(actor, MANAGE, workspace)
    definition = AttributeDefinition(workspace=workspace, key=_clean_key(key), created_at=now)
    definition.type, definition.label = _clean_type(type), _clean_label(label)
    definition.choices = _clean_choices(definition.type, choices)
    if AttributeDefinition.objects.filter(workspace=workspace).count() >= MOST_ATTRIBUTES:
        detail = _("A workspace keeps at most %(most)s attributes.") % {"most": MOST_ATTRIBUTES}
        raise _wrong("too_many_attributes", detail, "key")
    try:
        with transaction.atomic():
            definition.save(force_insert=True)
    except IntegrityError as error:
        detail = _("There is an attribute “%(key)s” already.") % {"key": key}
        raise _wrong("key_taken", detail, "key") from error
    audit.record(
        actor=actor,
        verb="define_attribute",
        obj=definition,
        workspace=workspace,
        now=now,
        key=definition.key,
        type=definition.type,
    )
    return definition


@transaction.atomic
def change(
    definition: AttributeDefinition,
    *,
    label: str,
    type: str,
    choices: list[str] | tuple[str, ...],
    actor: Actor,
    now: datetime,
) -> AttributeDefinition:
    """Another label, other choices, or another type, with every person's value converted.

    Raises Invalid when some values cannot become the new type or are no choice any more (it tells how many
    people hold them, and examples); then nothing is changed. In a large workspace the values are read and
    converted by a worker: then the answer has a `conversion` under way and is otherwise as before.
    """
    row = AttributeDefinition.objects.select_for_update(of=("self",)).select_related("workspace")
    locked = row.get(pk=definition.pk)
    require(actor, MANAGE, locked.workspace)
    conversions.refuse_running(locked)
    before: dict[str, Any] = {
        "label": locked.label,
        "type": locked.type,
        "choices": list(locked.choices),
    }
    locked.label, locked.type = _clean_label(label), _clean_type(type)
    locked.choices = _clean_choices(locked.type, choices)
    after: dict[str, Any] = {
        "label": locked.label,
        "type": locked.type,
        "choices": list(locked.choices),
    }
    if after == before:
        return locked
    is_other_type = before["type"] != locked.type
    is_fewer = bool(set(before["choices"]) - set(locked.choices))
    if is_other_type:
        _refuse_use(locked, actor, _("Its type cannot change while it is used in: %(audiences)s."))
    if is_other_type or is_fewer:
        conversions.refuse_imported(locked)
        if conversions.is_long(locked.workspace_id):
            conversions.begin(locked, **after, actor=actor, now=now)
            return AttributeDefinition.objects.select_related("workspace", "conversion").get(pk=locked.pk)
    if is_other_type:
        conversion(locked, lambda value: clean(locked, written(value), zone=zone_of(locked.workspace)))
        locked.index_state = AttributeDefinition.Index.NONE
    elif is_fewer:
        conversion(locked, lambda value: clean(locked, value))
    locked.save()
    changed = sorted(name for name in after if after[name] != before[name])
    audit.record(
        actor=actor,
        verb="change_attribute",
        obj=locked,
        workspace=locked.workspace,
        now=now,
        key=locked.key,
        fields=changed,
    )
    return locked


@transaction.atomic
def remove(definition: AttributeDefinition, *, actor: Actor, now: datetime) -> int:
    """The field and every person's value of it are gone. Returns how many people had one.

    Raises IllegalTransition naming the audiences whose rule asks for it.
    """
    row = AttributeDefinition.objects.select_for_update(of=("self",)).select_related("workspace")
    locked = row.get(pk=definition.pk)
    workspace = locked.workspace
    require(actor, MANAGE, workspace)
    conversions.refuse_running(locked)
    _refuse_use(locked, actor, _("It cannot be removed while it is used in: %(audiences)s."))
    people = remove_values(workspace.pk, locked.key, now)
    audit.record(
        actor=actor,
        verb="remove_attribute",
        obj=locked,
        workspace=workspace,
        now=now,
        key=locked.key,
        people=people,
    )
    locked.delete()
    return people


def _refuse_use(definition: AttributeDefinition, actor: Actor, sentence: str) -> None:
    """An audience that the actor may not see is not named."""
    if origins.is_used(definition.workspace_id, f"attribute:{definition.key}"):
        detail = _("Messages take their addresses from it. Choose another field for them first.")
        raise IllegalTransition(detail, code="attribute_in_use")
    users = used_in(definition.workspace_id).get(definition.key)
    if not users:
        return
    seen = visible_to(actor, Audience.objects.filter(pk__in=[one.pk for one in users]), VIEW)
    names = [str(name) for name in seen.order_by("name").values_list("name", flat=True)[:10]]
    if len(users) > len(names):
        names.append(_("audiences that are not shown here"))
    raise IllegalTransition(sentence % {"audiences": listed(names)}, code="attribute_in_use")


def _clean_key(key: str) -> str:
    if not isinstance(key, str) or not KEY.fullmatch(key):
        detail = _("A key has small letters, digits and _, begins with a letter and is at most 63 long.")
        raise _wrong("bad_key", detail, "key")
    if key in RESERVED:
        detail = _("“%(key)s” means something else already. Choose another key.") % {"key": key}
        raise _wrong("reserved_key", detail, "key")
    return key


def _clean_type(type: str) -> str:
    if type not in Type.values:
        detail = _("Give one of: %(choices)s.") % {"choices": ", ".join(Type.values)}
        raise _wrong("bad_type", detail, "type")
    return str(type)


def _clean_label(label: str) -> str:
    text = unicodedata.normalize("NFC", label).strip() if isinstance(label, str) else "\0"
    if len(text) > 100 or has_control(text):
        raise _wrong("bad_label", _("A label is one line of at most 100 characters."), "label")
    return text


def _clean_choices(type: str, choices: Any) -> list[str]:
    if type != Type.CHOICE:
        return []
    if not isinstance(choices, list | tuple) or not all(isinstance(item, str) for item in choices):
        raise _wrong("bad_choices", _("Give a list of texts."), "choices")
    found = list(dict.fromkeys(text for text in (clean_text(item, "choices") for item in choices) if text))
    if not found or len(found) > MOST_CHOICES:
        detail = _("A choice has 1 to %(most)s values to choose from.") % {"most": MOST_CHOICES}
        raise _wrong("bad_choices", detail, "choices")
    if any(len(item) > 100 or has_control(item) for item in found):
        detail = _("Each value to choose from is one line of at most 100 characters.")
        raise _wrong("bad_choices", detail, "choices")
    return found
