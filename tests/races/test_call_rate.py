"""However many calls of one credential come at once, as many get in as its limit says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import Role
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)
CALLS, LIMIT, AT_ONCE = 200, 10, 20


def test_of_two_hundred_calls_at_once_just_those_of_the_limit_get_in() -> None:
    where = builders.workspace()
    role = Role.objects.get(workspace=where, builtin="viewer")
    with time_machine.travel("2026-11-25T12:00:20Z", tick=False):
        _, token = credentials.issue(
            workspace=where, role=role, name="Shop", calls_per_minute=LIMIT, actor=SYSTEM, now=timezone.now()
        )

        def call(_number: int) -> int:
            try:
                return (
                    Client().get("/api/campaigns/", headers={"Authorization": f"Bearer {token}"}).status_code
                )
            finally:
                connection.close()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(call, range(CALLS)))
    assert (answers.count(200), answers.count(429)) == (LIMIT, CALLS - LIMIT)
