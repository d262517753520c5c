"""What all people hold of an attribute: how many have it, who asks for it, and changing every value at once.

Always set-based: the different values are read once, converted in Python, and written back in one statement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import ngettext

from audiences.locks import lock_people
from audiences.models import AttributeDefinition, Audience
from common.errors import Invalid, Problem

MOST_DIFFERENT = 50_000
LARGE = 50_000  # from here on, numbers of people are estimated from a sample
DIFFERENT = """
SELECT value::text, people FROM (
    SELECT attributes -> %(key)s AS value, count(*) AS people FROM audiences_profile
    WHERE workspace_id = %(workspace)s AND attributes ? %(key)s GROUP BY 1 LIMIT %(most)s) t
"""
REWRITE = """
UPDATE audiences_profile p
SET attributes = CASE WHEN c.after IS NULL THEN p.attributes - %(key)s
                      ELSE jsonb_set(p.attributes, ARRAY[%(key)s], c.after::jsonb) END
FROM unnest(%(before)s::text[], %(after)s::text[]) AS c(before, after)
WHERE p.workspace_id = %(workspace)s AND p.attributes ? %(key)s
  AND (p.attributes -> %(key)s) = c.before::jsonb
"""
REMOVE = """
UPDATE audiences_profile SET attributes = attributes - %(key)s, changed_at = %(now)s
WHERE workspace_id = %(workspace)s AND attributes ? %(key)s
"""
HOLDERS = """
SELECT key, count(*) FROM audiences_profile p {sample}, jsonb_object_keys(p.attributes) AS key
WHERE p.workspace_id = %(workspace)s GROUP BY 1
"""


def conversion(definition: AttributeDefinition, converted: Callable[[Any], Any]) -> None:
    """Every person's value as `converted` says. Raises Invalid naming how many cannot be converted."""
    lock_people(definition.workspace_id)
    keys: dict[str, Any] = {"key": definition.key, "workspace": definition.workspace_id}
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENT, {**keys, "most": MOST_DIFFERENT + 1})
        rows = cursor.fetchall()
    if len(rows) > MOST_DIFFERENT:
        detail = ngettext(
            "People hold more than %(num)s different value; make a new attribute instead.",
            "People hold more than %(num)s different values; make a new attribute instead.",
            MOST_DIFFERENT,
        )
        raise Invalid(Problem("too_many_values", detail % {"num": MOST_DIFFERENT}, "type"))
    before, after = [], []
    people, examples = 0, list[str]()
    for text, holders in rows:
        try:
            value = converted(json.loads(text))
        except Invalid:
            people += holders
            examples.append(text[:40])
            continue
        before.append(text)
        after.append(None if value is None else json.dumps(value, ensure_ascii=False))
    if people:
        raise _not_convertible(definition, people, examples)
    if before != after:
        with connection.cursor() as cursor:
            cursor.execute(REWRITE, {**keys, "before": before, "after": after})


def _not_convertible(definition: AttributeDefinition, people: int, examples: list[str]) -> Invalid:
    detail = ngettext(
        "%(num)s person holds a value that does not fit, such as %(examples)s. Correct it first.",
        "%(num)s people hold values that do not fit, such as %(examples)s. Correct them first.",
        people,
    ) % {"num": people, "examples": ", ".join(examples[:5])}
    field = "choices" if definition.type == AttributeDefinition.Type.CHOICE else "type"
    return Invalid(Problem("cannot_convert", detail, field))


def remove_values(workspace_id: int, key: str, now: datetime) -> int:
    """Takes the value from everybody who has one; returns how many had."""
    lock_people(workspace_id)
    with connection.cursor() as cursor:
        cursor.execute(REMOVE, {"workspace": workspace_id, "key": key, "now": now})
        return int(cursor.rowcount)


def holders(workspace_id: int) -> tuple[dict[str, int], bool]:
    """How many people have a value of each attribute, and whether that is an estimate from a sample."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'audiences_profile'::regclass"
        )
        rows = float(cursor.fetchone()[0])
        share = min(1.0, LARGE / rows) if rows else 1.0
        sample = f"TABLESAMPLE SYSTEM ({100 * share:.6f})" if share < 1 else ""
        cursor.execute(HOLDERS.format(sample=sample), {"workspace": workspace_id})
        found = dict(cursor.fetchall())
    if share < 1:
        return {key: about(people / share) for key, people in found.items()}, True
    return found, False


def about(people: float) -> int:
    """An estimate without digits it cannot know: two of them count, so it does not change at each look."""
    return int(float(f"{people:.2g}"))


def used_in(workspace_id: int) -> dict[str, list[Audience]]:
    """The audiences that ask for each attribute, by its key."""
    found: dict[str, list[Audience]] = {}
    rows = Audience.objects.filter(workspace_id=workspace_id).order_by("name")
    for audience in rows.only("name", "rule", "composition"):
        for key in {*_asked(audience.rule), *_asked(audience.composition)}:
            found.setdefault(key, []).append(audience)
    return found


def _asked(node: Any) -> Iterator[str]:
    """Every field a rule or a composition names, wherever it stands."""
    if isinstance(node, list):
        for inner in node:
            yield from _asked(inner)
    elif isinstance(node, dict):
        for name, inner in node.items():
            if name in ("field", "attribute", "by") and isinstance(inner, str):
                yield inner
            else:
                yield from _asked(inner)
