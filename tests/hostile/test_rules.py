"""Every rule of `rules.yaml`, posted as an audience: its own error at its place, or nobody is found by it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import attributes
from audiences.models import Audience
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db
ROWS = yaml.safe_load((Path(__file__).parent / "rules.yaml").read_text())


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 3)
    for key, kind in (("city", "text"), ("points", "number"), ("joined", "date")):
        attributes.define(made, key=key, type=kind, actor=SYSTEM, now=builders.NOW)
    return made


def written(rule: Any) -> str:
    return rule if isinstance(rule, str) else "".join(text * times for text, times in rule["repeat"])


@pytest.mark.sampled(5)
@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_hostile_rule_gets_its_error_or_finds_nobody(where: Workspace, row: dict[str, Any]) -> None:
    body = '{"name": "A", "rule": ' + written(row["rule"]) + "}"
    caller = Caller(where)
    began = time.monotonic()
    answer = caller.post("/api/audiences/", body.encode())
    assert time.monotonic() - began < 2
    if "code" not in row:
        assert answer.status_code == 201, answer.content
        counted = caller.post(f"/api/audiences/{answer.json()['id']}/evaluate/", {})
        assert counted.json()["people"] == row["finds"]
        return
    assert answer.status_code in (400, 409)
    told = answer.json()
    faults = told.get("errors") or [{**told, "pointer": ""}]
    assert [(one["code"], one["pointer"]) for one in faults] == [(row["code"], row["pointer"])]
    assert all(10 < len(one["detail"]) < 400 and "sys." not in one["detail"] for one in faults)
    assert not Audience.objects.exists()
