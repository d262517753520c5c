"""Two who read the same state and change it at once: the second is told 412, and nothing is overwritten.

The first change is made but not committed when the second comes; so every door must lock before it compares.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from tests.rights.addresses import every, methods
from tests.rights.asking import Asker
from tests.rights.bodies import changes
from tests.rights.world import build

pytestmark = pytest.mark.django_db(transaction=True)


def test_whoever_comes_second_is_told_so_at_every_door(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT, settings.OUTBOUND_ALLOWED_NETWORKS = tmp_path, ["127.0.0.1/32"]
    world = build()
    asker = Asker(world, "administrator")
    bodies = changes(world)
    doors = [
        (one, name) for one in every() if one.path in bodies for name in {"PUT", "PATCH"} & set(methods(one))
    ]
    told = {one.path: both(asker, one.for_kind(world, "own"), name, bodies[one.path]) for one, name in doors}
    assert told == {path: [200, 412] for path in bodies}


def both(asker: Asker, path: str, method: str, body: dict[str, Any]) -> list[int]:
    """What the one said who came first and is not done yet, and the one who had to wait."""
    names = {**asker.headers, "If-Match": asker.client.get(path, headers=asker.headers).headers["ETag"]}

    def change() -> int:
        answer = asker.client.generic(method, path, json.dumps(body), "application/json", headers=names)
        return answer.status_code

    second: list[int] = []

    def come_second() -> int:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                second.append(cursor.fetchone()[0])
            return change()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first = change()
            later = pool.submit(come_second)
            while not later.done() and not (second and waits(second[0])):
                time.sleep(0.005)
        return [first, later.result(60)]


def waits(pid: int) -> bool:
    """Whether the connection waits for another's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid])
        return bool(cursor.fetchone()[0])
