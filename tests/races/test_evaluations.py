"""Several workers look for due audiences at the same moment: each audience is evaluated once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from audiences import evaluations
from audiences.models import Audience, AudienceSize
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 5


def test_due_audiences_are_shared_out_between_workers() -> None:
    where = builders.workspace()
    builders.profiles(where, 3)
    for number in range(12):
        builders.audience(where, name=str(number), next_evaluation_at=builders.NOW)
    start = Barrier(WORKERS)

    def work(_number: int) -> int:
        try:
            start.wait(timeout=10)
            return evaluations.evaluate_due(builders.NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(work, range(WORKERS))) == 12
    assert Counter(AudienceSize.objects.values_list("audience__name", flat=True)) == {
        str(number): 1 for number in range(12)
    }
    assert not Audience.objects.exclude(counted=3, next_evaluation_at=None).exists()
