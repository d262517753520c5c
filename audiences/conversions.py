"""Another type for an attribute that many people hold: the work of a worker, a page of people at a time.

checking → converting → done, or checking → refused. While it checks, the old type counts and nothing changes;
when every value fits, the attribute takes the new type and no rule may ask for it until everybody's value is
converted. Each page and its cursor are one transaction that holds the row: a killed worker loses one page.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import SYSTEM, Actor
from accounts.models import Workspace
from audiences.locks import lock_people
from audiences.models import AttributeConversion, AttributeDefinition, Import
from audiences.typed import clean, written
from audiences.values import used_in
from channels import origins
from common.errors import IllegalTransition, Invalid

State = AttributeConversion.State
WORKING = (State.CHECKING, State.CONVERTING)
PAGE = 2000
AT_ONCE = 5000  # a workspace of no more people is converted while the caller waits
STRETCH = 60.0  # seconds of one task
SILENT = timedelta(seconds=15)  # after so long without a page the sweep rings again
MOST_EXAMPLES = 5
IN_USE, IMPORTED, MISFITS = "in_use", "imported", "misfits"
REASONS = {
    IN_USE: gettext_lazy("It has come into use in an audience or for addresses. Nothing was changed."),
    IMPORTED: gettext_lazy(
        "An import that brings it has begun. Finish or cancel it first; nothing was changed."
    ),
    MISFITS: gettext_lazy("Some values do not fit. Correct them first; nothing was changed."),
}
READ = """
SELECT id, (attributes -> %(key)s)::text FROM audiences_profile
WHERE workspace_id = %(workspace)s AND id > %(after)s ORDER BY id LIMIT %(page)s
"""
WRITE = """
UPDATE audiences_profile p
SET attributes = CASE WHEN c.after IS NULL THEN p.attributes - %(key)s
                      ELSE jsonb_set(p.attributes, ARRAY[%(key)s], c.after::jsonb) END
FROM unnest(%(ids)s::bigint[], %(values)s::text[]) AS c(id, after) WHERE p.id = c.id
"""


# ---- verbs -------------------------------------------------------------------------------------------------


def is_long(workspace_id: int) -> bool:
    """Whether there are too many people to convert while somebody waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM audiences_profile WHERE workspace_id = %s LIMIT %s) t",
            [workspace_id, AT_ONCE + 1],
        )
        return int(cursor.fetchone()[0]) > AT_ONCE


def begin(
    definition: AttributeDefinition,
    *,
    type: str,
    label: str,
    choices: list[str],
    actor: Actor,
    now: datetime,
) -> AttributeConversion:
    """The definition is locked, what it shall become is clean. A worker goes on."""
    made, _is_new = AttributeConversion.objects.update_or_create(
        definition=definition,
        defaults={
            "type": type,
            "label": label,
            "choices": choices,
            "state": State.CHECKING,
            "reason": "",
            "cursor": 0,
            "seen_count": 0,
            "people_count": None,
            "misfit_count": 0,
            "examples": [],
            "worked_at": None,
            "created_at": now,
            "finished_at": None,
        },
    )
    audit.record(
        actor=actor,
        verb="convert_attribute",
        obj=definition,
        workspace=definition.workspace,
        now=now,
        key=definition.key,
        type=type,
    )
    return made


def running(definition: AttributeDefinition) -> AttributeConversion | None:
    return AttributeConversion.objects.filter(definition=definition, state__in=WORKING).first()


def last_of(definition: AttributeDefinition) -> AttributeConversion | None:
    """The one under way or the last one over."""
    return getattr(definition, "conversion", None)


def refuse_running(definition: AttributeDefinition) -> None:
    """Raises IllegalTransition while its values are being converted."""
    if running(definition):
        detail = _("“%(name)s” is being converted. Wait until that is done.") % {"name": definition.key}
        raise IllegalTransition(detail, code="attribute_converting")


def refuse_imported(definition: AttributeDefinition) -> None:
    """Raises IllegalTransition naming the file: its rows were read as the old type and are not merged yet."""
    for job in _imports_of(definition.workspace, definition.key):
        detail = _("The import of “%(file)s” brings it. Finish or cancel that first.") % {
            "file": job.file_name
        }
        raise IllegalTransition(detail, code="attribute_imported")


def _imports_of(workspace: Workspace, key: str) -> Iterator[Import]:
    states = Import.State
    under_way = (states.STAGING, states.READY, states.MERGING, states.PAUSED)
    jobs = Import.objects.filter(workspace=workspace, content=Import.Content.PEOPLE, state__in=under_way)
    for job in jobs.only("file_name", "mapping"):
        if any(one.get("key") == key for one in job.mapping.get("columns", [])):
            yield job


# ---- the work ----------------------------------------------------------------------------------------------


def unfinished(now: datetime) -> list[int]:
    """Those that nobody works on: their bell was lost, or their worker died."""
    silent = Q(worked_at=None) | Q(worked_at__lt=now - SILENT)
    waiting = AttributeConversion.objects.filter(silent, state__in=WORKING)
    return list(waiting.order_by("pk").values_list("pk", flat=True))


def advance(pk: int, *, stretch: float = STRETCH) -> bool:
    """Works until it is over or the stretch is used up; True when it should be rung for again."""
    until = time.monotonic() + stretch
    while True:
        with transaction.atomic():
            rows = AttributeConversion.objects.select_for_update(of=("self",), skip_locked=True)
            wanted = rows.select_related("definition__workspace").filter(pk=pk, state__in=WORKING)
            conversion = wanted.first()
            if conversion is None:
                return False
            _page(conversion, timezone.now())
        if time.monotonic() >= until:
            return True


def _page(conversion: AttributeConversion, now: datetime) -> None:
    definition = conversion.definition
    is_writing = conversion.state == State.CONVERTING
    if is_writing:
        lock_people(definition.workspace_id)
    if conversion.people_count is None:
        conversion.people_count = definition.workspace.profiles.count()
    rows = _read(conversion, for_update=is_writing)
    if not rows:
        _turn(conversion, now)
    else:
        changed = _converted(conversion, rows)
        if is_writing and changed:
            _write(definition.key, changed)
        conversion.cursor = rows[-1][0]
        conversion.seen_count += len(rows)
    conversion.worked_at = now
    conversion.save()


def _read(conversion: AttributeConversion, *, for_update: bool) -> list[tuple[int, str | None]]:
    definition = conversion.definition
    where: dict[str, Any] = {"workspace": definition.workspace_id, "key": definition.key}
    with connection.cursor() as cursor:
        cursor.execute(
            READ + ("FOR UPDATE" if for_update else ""), {**where, "after": conversion.cursor, "page": PAGE}
        )
        return list(cursor.fetchall())


def _converted(conversion: AttributeConversion, rows: list[tuple[int, str | None]]) -> dict[int, str | None]:
    """By person, the values that are written otherwise. One that does not fit is counted and stays."""
    target = AttributeDefinition(
        key=conversion.definition.key, type=conversion.type, choices=conversion.choices
    )
    zone = ZoneInfo(conversion.definition.workspace.time_zone)
    changed: dict[int, str | None] = {}
    for person, text in rows:
        if text is None:
            continue
        before = json.loads(text)
        try:
            after: Any = clean(target, written(before), zone=zone)
        except Invalid:
            conversion.misfit_count += 1
            if text[:40] not in conversion.examples and len(conversion.examples) < MOST_EXAMPLES:
                conversion.examples.append(text[:40])
            continue
        if after != before or type(after) is not type(before):
            changed[person] = None if after is None else json.dumps(after, ensure_ascii=False)
    return changed


def _write(key: str, changed: dict[int, str | None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(WRITE, {"key": key, "ids": list(changed), "values": list(changed.values())})


def _turn(conversion: AttributeConversion, now: datetime) -> None:
    """Everybody was read: from checking to converting or to refused, from converting to done."""
    definition = AttributeDefinition.objects.select_for_update().get(pk=conversion.definition_id)
    if conversion.state == State.CONVERTING:
        conversion.state, conversion.finished_at, definition.is_converting = State.DONE, now, False
        definition.save(update_fields=["is_converting"])
        _note(conversion, now)
        return
    # From here on nobody who writes people in bulk still holds the old type.
    lock_people(definition.workspace_id)
    if _read(conversion, for_update=False):
        return  # people came while the lock was awaited
    conversion.reason = _obstacle(conversion)
    if conversion.reason:
        conversion.state, conversion.finished_at = State.REFUSED, now
        _note(conversion, now)
        return
    is_same_type = definition.type == conversion.type
    definition.type, definition.label = conversion.type, conversion.label
    definition.choices = conversion.choices
    if is_same_type:  # fewer choices, and nobody has one that goes
        conversion.state, conversion.finished_at = State.DONE, now
        _note(conversion, now)
    else:
        definition.is_converting, definition.index_state = True, AttributeDefinition.Index.NONE
        conversion.state, conversion.cursor, conversion.seen_count = State.CONVERTING, 0, 0
    definition.save()


def _obstacle(conversion: AttributeConversion) -> str:
    definition = conversion.definition
    if conversion.misfit_count:
        return MISFITS
    if conversion.type != definition.type and (
        used_in(definition.workspace_id).get(definition.key)
        or origins.is_used(definition.workspace_id, f"attribute:{definition.key}")
    ):
        return IN_USE
    return IMPORTED if any(_imports_of(definition.workspace, definition.key)) else ""


def _note(conversion: AttributeConversion, now: datetime) -> None:
    definition = conversion.definition
    audit.record(
        actor=SYSTEM,
        verb="refuse_conversion" if conversion.reason else "finish_conversion",
        obj=definition,
        workspace=definition.workspace,
        now=now,
        key=definition.key,
        people=conversion.misfit_count if conversion.reason else conversion.seen_count,
    )
