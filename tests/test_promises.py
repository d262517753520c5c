"""Every promise has a test that breaks it on purpose, or stands among the open ones with its reason."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.promises import ALL, KEPT, OPEN

HERE = Path(__file__).parent


def test_every_promise_has_a_test_that_exists_or_a_reason() -> None:
    rows = [line.split() for line in KEPT.split("\n") if line]
    assert sorted({promise for promise, _ in rows} | set(OPEN)) == sorted(ALL)
    assert {promise for promise, _ in rows} & set(OPEN) == set()
    assert [node for _, node in rows if not exists(node)] == []


def exists(node: str) -> bool:
    path, name = node.split("::")
    file = HERE / path
    return file.exists() and name in {
        one.name for one in ast.walk(ast.parse(file.read_text())) if isinstance(one, ast.FunctionDef)
    }
