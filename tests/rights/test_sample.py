"""The part of the sweeps over all addresses that runs every time: each has its row in the rights matrix, and
one in four answers once as it says; one door in twelve is held against the audit log.

Which role and object a row is asked with follows from its name, so that together they cover all of them.
`make rights` asks everything; `make test-rest` asks the other addresses once, and presses every door
(test_audited.py, test_whole_or_nothing.py).
"""

from __future__ import annotations

import json
import re
from typing import Any
from zlib import crc32

import pytest
from django.contrib import admin
from django.test import Client
from drf_spectacular.generators import EndpointEnumerator

from accounts import roles
from tests.rights.addresses import Address, every
from tests.rights.asking import ASKING, Asker, rows, verdict
from tests.rights.judging import everything
from tests.rights.pressing import forms, operations, settle
from tests.rights.test_audited import unlogged
from tests.rights.test_matrix import EXPECTED, named_in
from tests.rights.test_whole_or_nothing import halves
from tests.rights.world import CANARY, HIDDEN, KINDS, World

MATRIX: dict[str, str] = json.loads(EXPECTED.read_text())
pytestmark = pytest.mark.django_db


def test_every_address_has_its_row_and_every_row_its_address() -> None:
    """One that is new gets its row by `make rights`; read the difference before it is committed."""
    assert {row for row, _address, _method in rows(every())} == set(MATRIX)
    described = {
        f"{method} {_nameless(path)}"
        for path, _regex, method, _view in EndpointEnumerator().get_api_endpoints()
    }
    assert described <= {_nameless(row) for row in MATRIX}


def _nameless(path: str) -> str:
    return re.sub(r"<(\w+:)?\w+>|{\w+}", "{}", path)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("quarter", range(4))
def test_each_address_answers_one_role_as_the_matrix_says(world: World, quarter: int) -> None:
    askers = {role: Asker(world, role) for role in ASKING}
    for number, (row, address, method) in enumerate(rows(every())):
        if number % 4 != quarter:
            continue
        role, place = _picked(row, address)
        path = address.for_kind(world, ASKING[role][place])
        told = dict(zip(ASKING, MATRIX[row].split(" "), strict=True))[role][place]
        assert verdict(askers[role].ask(address, method, path)) == told, (row, role, ASKING[role][place])


def _picked(row: str, address: Address) -> tuple[str, int]:
    cells = [
        (role, place)
        for role, kinds in ASKING.items()
        for place in range(len(kinds if address.thing else "1"))
    ]
    return cells[crc32(row.encode()) % len(cells)]


@pytest.mark.sampled(8)
@pytest.mark.parametrize("part", range(8))
def test_looking_at_everything_changes_nothing_and_names_nothing_hidden(world: World, part: int) -> None:
    """Every GET as administrator; beside it one of every kind of object and one search, by turns."""
    before, asker = everything(), Asker(world, "administrator")
    named = []
    for number, (row, address, method) in enumerate(rows(every())):
        if method != "GET" or crc32(row.encode()) % 8 != part:
            continue
        turn = KINDS[number % len(KINDS)] if address.thing else "own"
        query = "" if address.thing else f"?search={CANARY[:5]}&q={HIDDEN[:5]}&status=all"
        for path in {address.for_kind(world, "own"), address.for_kind(world, turn) + query}:
            named += named_in(asker.send(address, "GET", path), path)
    assert named == []
    after = everything()
    assert [table for table in before if before[table] != after[table]] == []


def test_the_admin_site_names_nothing_hidden(world: World) -> None:
    """Each list, searched and not, and the pages of the first rows and of those that name what is hidden."""
    person = world.people["administrator"]
    roles.open_or_close_the_admin_site(person)
    client, counted = Client(), 0
    client.force_login(person)
    for model in admin.site._registry:
        if model._meta.app_label not in ("accounts", "audiences", "campaigns", "channels"):
            continue
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        every_row = list(model._default_manager.order_by("pk")[:300])
        telling = [row for row in every_row if CANARY in str(row) or HIDDEN in str(row)]
        pages = [f"{base}{row.pk}/change/" for row in (*every_row[:2], *telling[:6])]
        for path in [base, f"{base}?q={CANARY[:5]}", f"{base}?q={HIDDEN[:5]}", *pages]:
            answer = client.get(path)
            answer.body = answer.content
            assert named_in(answer, path) == []
            counted += answer.status_code == 200
    assert counted > 30


def test_one_door_in_twelve_tells_the_log_and_leaves_no_half_behind(
    world: World, schema: dict[str, Any]
) -> None:
    settle(world)
    doors = [door for door in operations(world, schema) if crc32(door[0].encode()) % 12 == 0]
    doors += forms(world, [address for address in every() if crc32(address.path.encode()) % 12 == 0])
    (seen, silent), (asked, wrong) = unlogged(doors), halves(doors)
    assert (silent, wrong) == ({}, {})
    assert len(seen) > 5 and len(asked) > 4  # else it looks at nothing any more
