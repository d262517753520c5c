"""The two workspaces are built once a module, in a transaction that is rolled back when the module is done:
each test is a savepoint of it. What a test changes is undone after it, but for the world's own Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from tests.rights.world import World, build


@pytest.fixture(scope="module")
def world(
    django_db_setup: Any, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    files = tmp_path_factory.mktemp("media")
    with django_db_blocker.unblock(), override_settings(MEDIA_ROOT=files), transaction.atomic():
        yield build()
        transaction.set_rollback(True)
