"""The whole change or nothing of it (OWASP ASVS 5.0, 2.3.3): where the audit log takes no entry, as a last
step of a verb fails, no door leaves half of its change behind, and none says that it was done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from tests.rights.asking import Undo
from tests.rights.judging import everything, written
from tests.rights.pressing import Pressed, forms, forms_of_the_admin_site, operations, settle
from tests.rights.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


class Full(DatabaseError):
    """Nothing can be written to the log."""


class FullLog:
    """Wraps what goes to the database; `refused` counts the entries it did not take."""

    refused = 0

    def __call__(self, execute: Any, sql: str, *given: Any) -> Any:
        if sql.startswith('INSERT INTO "accounts_auditentry"'):
            self.refused += 1
            raise Full
        return execute(sql, *given)


def halves(doors: Iterable[Pressed]) -> tuple[set[str], dict[str, Any]]:
    """The doors that had something to tell the log, and what is wrong with each of them."""
    before, asked = everything(), set()
    wrong: dict[str, Any] = {}
    for name, press in doors:
        if name in asked:
            continue
        log = FullLog()
        try:
            with transaction.atomic():
                earlier = written()
                with connection.execute_wrapper(log):
                    status = press().status_code
                touched = {table for table, rows in written().items() if rows != earlier.get(table, 0)}
                left = sorted(table for table, rows in everything(touched).items() if rows != before[table])
                raise Undo
        except Undo:
            pass
        if log.refused:
            asked.add(name)
            if status < 500 or left:
                wrong[name] = (status, left)
    return asked, wrong


def test_every_operation_of_the_api(world: World, schema: dict[str, Any]) -> None:
    settle(world)
    asked, wrong = halves(operations(world, schema))
    assert wrong == {}
    assert len(asked) > 75  # else it looks at nothing any more


def test_every_form_of_the_pages(world: World) -> None:
    asked, wrong = halves(forms(world))
    assert wrong == {}
    assert len(asked) > 60


def test_every_form_of_the_admin_site(world: World) -> None:
    asked, wrong = halves(forms_of_the_admin_site(world))
    assert wrong == {}
    assert len(asked) > 7
