"""Which migrations an upgrade may run while processes of the older version go on.

An operation is safe for them when what they read is still there and what they write is still taken. What
cannot be told from the operation (SQL, Python, constraints, triggers) its author vouches for: the migration
says `old_code_goes_on = True`, or `False` where the older processes have to be stopped first.
"""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import connection
from django.db.migrations import Migration, operations
from django.db.migrations.state import ProjectState
from django.db.models import Field
from django.db.models.fields import NOT_PROVIDED

HARMLESS = (
    operations.CreateModel,
    operations.AddIndex,
    operations.RemoveIndex,
    operations.RenameIndex,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    operations.AlterModelOptions,
    operations.AlterModelManagers,
    operations.RemoveConstraint,
)


def obstacles(migration: Migration, before: ProjectState) -> list[str]:
    """What keeps older processes from going on, in words; empty where nothing does."""
    vouched = getattr(migration, "old_code_goes_on", None)
    if vouched is not None:
        return [] if vouched else ["its author says so"]
    found, state = [], before.clone()
    for operation in migration.operations:
        was = state.clone()
        operation.state_forwards(migration.app_label, state)
        if not _is_harmless(operation, migration.app_label, was, state):
            found.append(operation.describe())
    return found


def _is_harmless(
    operation: operations.base.Operation, app: str, before: ProjectState, after: ProjectState
) -> bool:
    if isinstance(operation, HARMLESS):
        return True
    if isinstance(operation, operations.AddField):
        field = operation.field
        return field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
    if isinstance(operation, operations.AlterField):
        names = app, operation.model_name_lower
        old, new = (one.apps.get_model(*names)._meta.get_field(operation.name) for one in (before, after))
        return isinstance(old, Field) and isinstance(new, Field) and _takes_as_much(old, new)
    return False


def _takes_as_much(old: Field[object, object], new: Field[object, object]) -> bool:
    """The same type, or a longer text of it; never stricter about what is missing."""
    stricter = old.null and not new.null
    kinds = [str(field.db_type(connection)).partition("(")[0] for field in (old, new)]
    lengths = [field.max_length or 0 for field in (old, new)]
    return not stricter and kinds[0] == kinds[1] and (not lengths[1] or lengths[1] >= lengths[0] > 0)
